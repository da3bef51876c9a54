// Routes about those who may use the server.
import { z } from 'zod';
import type { Route } from '../../http-api/routes.js';
import { ROLES } from '../../users/role.js';
import { type Endpoint, endpoint, json } from '../endpoint.js';

type UserRoute = Extract<Route, `${string} /v1/users${string}` | `${string} /v1/teams${string}`> | 'GET /v1/whoami';

export function userEndpoints(): Record<UserRoute, Endpoint> {
  return {
    'GET /v1/whoami': endpoint({
      summary: 'Who the server takes you for.',
      answer: async (_input, { caller }) => json({ caller }),
    }),
    'GET /v1/users': endpoint({
      summary: 'All users, those who were revoked too.',
      answer: async (_input, { app }) => json({ users: await app.users.list() }),
    }),
    'POST /v1/users': endpoint({
      summary: 'Let somebody use the server; the answer has the token, this once.',
      body: z.strictObject({
        name: z.string().max(200),
        role: z.enum(ROLES),
        team: z.string().max(200).exactOptional(),
        /** Milliseconds; absent: for ever. */
        ttl: z.number().finite().optional(),
        withToken: z.boolean(),
      }),
      answer: async ({ body: { ttl, ...rest } }, { app }) => json(await app.users.add({ ...rest, ttl })),
    }),
    'GET /v1/teams': endpoint({
      summary: 'What teams may have of the server.',
      answer: async (_input, { app }) => json({ teams: await app.teams.list() }),
    }),
    'POST /v1/teams': endpoint({
      summary: 'Give a team a quota and a share.',
      body: z.strictObject({
        ...{ name: z.string().max(200), weight: z.number() },
        /** 0: no bound. */
        ...{ mostJobs: z.number(), mostHosts: z.number() },
      }),
      answer: async ({ body }, { app }) => json({ team: await app.teams.set(body) }),
    }),
    'DELETE /v1/teams/:team': endpoint({
      summary: 'Give a team the share and the freedom of all others.',
      parameters: z.strictObject({ team: z.string().max(200) }),
      answer: async ({ parameters: { team } }, { app }) => {
        await app.teams.reset(team);
        return json({ reset: team });
      },
    }),
    'DELETE /v1/users/:user': endpoint({
      summary: 'End what a user may do, at once and for good.',
      parameters: z.strictObject({ user: z.string().max(200) }),
      answer: async ({ parameters }, { app }) => json({ user: await app.users.revoke(parameters.user) }),
    }),
  };
}
