// Routes about the audit logs: of the server, and of its hosts.
import { z } from 'zod';
import type { Route } from '../../http-api/routes.js';
import { type Endpoint, endpoint, held, json } from '../endpoint.js';
import { hostFinder } from './host-endpoints.js';

type AuditRoute = Extract<Route, `${string} /v1/audit${string}`>;

const names = z.array(z.string().min(1).max(253)).min(1).max(100_000);
const window = {
  since: z.number().finite().min(0),
  jobId: z.string().max(200),
  limit: z.number().int().min(1).max(100_000),
};

export function auditEndpoints(): Record<AuditRoute, Endpoint> {
  return {
    'POST /v1/audit/entries': endpoint({
      summary: 'Who asked the server for what, and what came of it.',
      body: z.strictObject({ ...window, who: z.string().max(256), host: z.string().max(253) }),
      answer: async ({ body }, { app }) => json({ entries: await app.auditLogs.entries(body) }),
    }),
    'POST /v1/audit/verify': endpoint({
      summary: "Whether the server's log was changed.",
      answer: async (_input, { app }) => held(app.auditLogs.verify().then((report) => ({ report }))),
    }),
    'POST /v1/audit/hosts': endpoint({
      summary: 'What the hosts wrote down themselves.',
      body: z.strictObject({ ...window, hosts: names }),
      answer: async ({ body: { hosts, ...query } }, { app, signal }) =>
        held(app.auditLogs.ofHosts(hosts.map(hostFinder(app)), query, signal).then((answers) => ({ answers }))),
    }),
    'POST /v1/audit/hosts/verify': endpoint({
      summary: "Whether the hosts' logs were changed, also since they were verified before.",
      body: z.strictObject({ hosts: names }),
      answer: async ({ body }, { app, signal }) =>
        held(app.auditLogs.verifyHosts(body.hosts.map(hostFinder(app)), signal).then((answers) => ({ answers }))),
    }),
  };
}
