// Routes about hosts: which there are, and questions to them. Hosts are named; what is behind a name only the server knows.
import { z } from 'zod';
import { fail } from '../../../proto/failure.js';
import type { App, Host } from '../../api.js';
import type { Route } from '../../http-api/routes.js';
import { selectorSchema, specSchema } from '../../http-api/spec-schema.js';
import { type Endpoint, endpoint, held, json } from '../endpoint.js';

type HostRoute = Extract<Route, `${string} /v1/hosts${string}`>;

/** A child process of the server; it lists what came with the program. */
const ownMachine: Host = { name: 'localhost', labels: {}, address: { transport: 'local' } };

const names = z.array(z.string().min(1).max(253)).min(1).max(100_000);

export function hostEndpoints(): Record<HostRoute, Endpoint> {
  const hostsOf = (app: App, wanted: readonly string[]) => wanted.map(hostFinder(app));
  const answers = (value: Promise<unknown>) => held(value.then((list) => ({ answers: list })));
  return {
    'GET /v1/hosts': endpoint({
      summary: 'The hosts of the server, of a selector such as role=db,region!=eu.',
      query: z.strictObject({ selector: z.string().max(10_000).default('') }),
      answer: async ({ query }, { app }) => json({ hosts: app.hosts(query.selector) }),
    }),
    'POST /v1/hosts/describe': endpoint({
      summary: 'What each host is, which tools it has, and what it lacks.',
      body: z.strictObject({ hosts: names }),
      answer: async ({ body }, { app, signal }) => answers(app.describe(hostsOf(app, body.hosts), signal)),
    }),
    'POST /v1/hosts/scripts': endpoint({
      summary: 'The SystemTap scripts of the catalogue that each host has; without hosts, those of the server.',
      body: z.strictObject({ hosts: names.optional() }),
      answer: async ({ body }, { app, signal }) =>
        answers(app.scripts(body.hosts === undefined ? [ownMachine] : hostsOf(app, body.hosts), signal)),
    }),
    'POST /v1/hosts/processes': endpoint({
      summary: 'The processes of each host that a selector would choose.',
      body: z.strictObject({ hosts: names, selector: selectorSchema }),
      answer: async ({ body }, { app, signal }) =>
        answers(app.listProcesses(hostsOf(app, body.hosts), body.selector, signal)),
    }),
    'POST /v1/hosts/preflight': endpoint({
      summary: 'Whether a capture could run on each host, and what would.',
      body: z.strictObject({ hosts: names, spec: specSchema }),
      answer: async ({ body }, { app, signal }) => answers(app.preflight(hostsOf(app, body.hosts), body.spec, signal)),
    }),
    'POST /v1/hosts/clean': endpoint({
      summary: 'Remove what was sent to hosts that are reached by ssh.',
      body: z.strictObject({ hosts: names, isForced: z.boolean() }),
      answer: async ({ body }, { app, signal }) =>
        answers(app.cleanHosts(hostsOf(app, body.hosts), body.isForced, signal)),
    }),
  };
}

/** A host by its name. @throws FailureError 'not-found' */
export function hostFinder(app: App): (name: string) => Host {
  const byName = new Map(app.hosts('').map((host) => [host.name, host]));
  return (name) => {
    const host = byName.get(name);
    if (host !== undefined) return host;
    throw fail('not-found', `the server has no host '${name.slice(0, 253)}'`, '`perftrawl hosts` lists its hosts');
  };
}
