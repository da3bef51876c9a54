// Routes about hosts that enroll, their tokens and their certificates.
import { z } from 'zod';
import type { Route } from '../../http-api/routes.js';
import { type Endpoint, endpoint, json } from '../endpoint.js';

type IdentityRoute = Extract<Route, `${string} /v1/${'enrolled-hosts' | 'enroll-tokens' | 'certificates'}${string}`>;

export function identityEndpoints(): Record<IdentityRoute, Endpoint> {
  return {
    'GET /v1/enrolled-hosts': endpoint({
      summary: 'Hosts that have enrolled, and when they were seen.',
      answer: async (_input, { app }) => json({ hosts: await app.identities.enrolledHosts() }),
    }),
    'DELETE /v1/enrolled-hosts/:host': endpoint({
      summary: 'Forget a host that has enrolled; its certificates are revoked.',
      parameters: z.strictObject({ host: z.string().max(200) }),
      answer: async ({ parameters }, { app }) => json({ host: await app.identities.forgetHost(parameters.host) }),
    }),
    'GET /v1/enroll-tokens': endpoint({
      summary: 'Tokens for enrolment, never their secrets.',
      answer: async (_input, { app }) => json({ tokens: await app.identities.tokens() }),
    }),
    'POST /v1/enroll-tokens': endpoint({
      summary: 'Make a token for enrolment; the answer has its text, this once.',
      body: z.strictObject({
        labels: z.record(z.string().max(64), z.string().max(200)),
        namePattern: z.string().max(80),
        /** Milliseconds, as the life of the certificates. */
        ttl: z.number().finite(),
        uses: z.number().int(),
        certificateLife: z.number().finite(),
        mayReplace: z.boolean(),
      }),
      answer: async ({ body }, { app }) => json(await app.identities.createToken(body)),
    }),
    'DELETE /v1/enroll-tokens/:token': endpoint({
      summary: 'End a token; hosts that have used it stay.',
      parameters: z.strictObject({ token: z.string().max(200) }),
      answer: async ({ parameters }, { app }) => json({ token: await app.identities.revokeToken(parameters.token) }),
    }),
    'GET /v1/certificates': endpoint({
      summary: 'Certificates beside the CA and those of hosts that have enrolled.',
      answer: async (_input, { app }) => json({ certificates: await app.identities.certificates() }),
    }),
    'POST /v1/certificates/revoke': endpoint({
      summary: 'Revoke by name, serial number or fingerprint; hosts that have such a certificate are cut off.',
      body: z.strictObject({ which: z.string().min(1).max(200) }),
      answer: async ({ body }, { app }) => json({ revoked: await app.identities.revoke(body.which) }),
    }),
  };
}
