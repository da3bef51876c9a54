// Every route of the server and the least role it takes: one table for the server, its clients, its description and its tests.
import type { Role } from '../users/role.js';

/** What is not in here is refused. `/healthz` alone asks nobody who he is. */
export const LEAST_ROLE = {
  'GET /metrics': 'viewer',
  'GET /v1/openapi.json': 'viewer',
  'GET /v1/whoami': 'viewer',
  'GET /v1/hosts': 'viewer',
  'POST /v1/hosts/describe': 'viewer',
  'POST /v1/hosts/scripts': 'viewer',
  // Command lines of processes hold passwords now and then.
  'POST /v1/hosts/processes': 'operator',
  'POST /v1/hosts/preflight': 'operator',
  'POST /v1/hosts/clean': 'admin',
  'GET /v1/jobs': 'viewer',
  'POST /v1/jobs': 'operator',
  'GET /v1/jobs/:job': 'viewer',
  'DELETE /v1/jobs/:job': 'admin',
  'GET /v1/jobs/:job/host-runs': 'viewer',
  'GET /v1/jobs/:job/events': 'viewer',
  'POST /v1/jobs/:job/run': 'operator',
  'POST /v1/jobs/:job/stop': 'operator',
  'POST /v1/jobs/:job/cancel': 'operator',
  'POST /v1/jobs/:job/trigger': 'operator',
  'GET /v1/jobs/:job/approval': 'viewer',
  'POST /v1/jobs/:job/approve': 'operator',
  'POST /v1/jobs/:job/reject': 'operator',
  'GET /v1/jobs/:job/profile': 'viewer',
  'GET /v1/jobs/:job/series': 'viewer',
  'GET /v1/jobs/:job/histograms': 'viewer',
  'GET /v1/jobs/:job/text': 'viewer',
  // A perf.data may hold copies of stacks, with whatever was on them.
  'GET /v1/jobs/:job/artifact': 'operator',
  'POST /v1/top': 'viewer',
  'POST /v1/audit/entries': 'admin',
  'POST /v1/audit/verify': 'admin',
  'POST /v1/audit/hosts': 'admin',
  'POST /v1/audit/hosts/verify': 'admin',
  'GET /v1/users': 'admin',
  'POST /v1/users': 'admin',
  'DELETE /v1/users/:user': 'admin',
  'GET /v1/schedules': 'viewer',
  'POST /v1/schedules': 'operator',
  'GET /v1/schedules/:schedule': 'viewer',
  'DELETE /v1/schedules/:schedule': 'operator',
  'POST /v1/schedules/:schedule/pause': 'operator',
  'POST /v1/schedules/:schedule/resume': 'operator',
  'POST /v1/schedules/:schedule/run': 'operator',
  'GET /v1/schedules/:schedule/next': 'viewer',
  'GET /v1/schedules/:schedule/history': 'viewer',
  'POST /v1/alerts': 'operator',
  'GET /v1/teams': 'viewer',
  'POST /v1/teams': 'admin',
  'DELETE /v1/teams/:team': 'admin',
  'GET /v1/enrolled-hosts': 'viewer',
  'DELETE /v1/enrolled-hosts/:host': 'admin',
  'GET /v1/enroll-tokens': 'admin',
  'POST /v1/enroll-tokens': 'admin',
  'DELETE /v1/enroll-tokens/:token': 'admin',
  'GET /v1/certificates': 'admin',
  'POST /v1/certificates/revoke': 'admin',
} as const satisfies Record<string, Role>;

export type Route = keyof typeof LEAST_ROLE;

/** In the order of the table. */
export const ROUTES: readonly Route[] = Object.keys(LEAST_ROLE).filter(isRoute);

export interface RouteParts {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** With its `:parameters`. */
  readonly path: string;
}

export function partsOf(route: Route): RouteParts {
  const [method, path] = route.split(' ');
  return { method: method === 'POST' || method === 'DELETE' ? method : 'GET', path };
}

/** Values of a query; a list is a field that is there several times, and what is undefined is left out. */
export type Query = Readonly<Record<string, string | number | readonly string[] | undefined>>;

/** The path of a route with its parameters filled in, and a query. */
export function pathOf(route: Route, parameters: Readonly<Record<string, string>>, query: Query): string {
  const path = partsOf(route).path.replace(/:([a-z]+)/g, (_all, name: string) =>
    encodeURIComponent(parameters[name] ?? ''),
  );
  const given = Object.entries(query).flatMap(([key, value]) =>
    [value ?? []].flat().map((item) => `${encodeURIComponent(key)}=${encodeURIComponent(item)}`),
  );
  return given.length === 0 ? path : `${path}?${given.join('&')}`;
}

function isRoute(text: string): text is Route {
  return Object.hasOwn(LEAST_ROLE, text);
}
