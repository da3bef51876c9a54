// Hosts that enroll with a server elsewhere, their tokens and certificates.
import type { EnrolledHost, EnrollToken, Identities, ListedIdentity } from '../enroll/identities.js';
import type { Route } from '../http-api/routes.js';
import type { Asked } from './api-client.js';

/** @param ask gives the answer to a request, as an ApiClient does */
export function remoteIdentities(ask: <T>(route: Route, asked?: Asked) => Promise<T>): Identities {
  return {
    createToken: ({ labels, ...rest }) =>
      ask<{ token: EnrollToken; text: string }>('POST /v1/enroll-tokens', { body: { ...rest, labels: { ...labels } } }),
    tokens: async () => (await ask<{ tokens: readonly EnrollToken[] }>('GET /v1/enroll-tokens')).tokens,
    revokeToken: async (token) =>
      (await ask<{ token: EnrollToken }>('DELETE /v1/enroll-tokens/:token', { parameters: { token } })).token,
    certificates: async () =>
      (await ask<{ certificates: readonly ListedIdentity[] }>('GET /v1/certificates')).certificates,
    revoke: async (which) =>
      (await ask<{ revoked: readonly ListedIdentity[] }>('POST /v1/certificates/revoke', { body: { which } })).revoked,
    enrolledHosts: async () => (await ask<{ hosts: readonly EnrolledHost[] }>('GET /v1/enrolled-hosts')).hosts,
    forgetHost: async (host) =>
      (await ask<{ host: EnrolledHost }>('DELETE /v1/enrolled-hosts/:host', { parameters: { host } })).host,
  };
}
