// Who asks: by a client certificate of the CA for a user, or by a bearer token. Nobody else gets past this.
import type { X509Certificate } from 'node:crypto';
import { type Failure, fail } from '../../proto/failure.js';
import type { Authenticator, Caller } from '../users/users.js';
import type { LoginLimit } from './login-limit.js';

/** What a request shows. */
export interface Credentials {
  /** The header, as it came. */
  readonly authorization: string | undefined;
  /** Undefined when the client showed none. */
  readonly certificate: X509Certificate | undefined;
  /** Why the CA does not vouch for that certificate; '' when it does. */
  readonly certificateProblem: string;
  readonly remoteAddress: string;
}

export interface AuthenticationOptions {
  readonly authenticator: Authenticator;
  readonly limit: LoginLimit;
  /** Which user a certificate of the CA is for, or why for none. */
  readonly userOf: (certificate: X509Certificate) => Promise<string | Failure>;
}

/** A certificate decides when there is one: a bad one is not made good by a token. @throws FailureError 'untrusted' or 'exhausted' */
export async function authenticate(credentials: Credentials, options: AuthenticationOptions): Promise<Caller> {
  const { remoteAddress } = credentials;
  const { limit } = options;
  const wait = limit.wait(remoteAddress);
  if (wait > 0) {
    throw fail(
      'exhausted',
      `too many failed logins from ${remoteAddress}: none is tried for ${Math.ceil(wait / 1000)} s`,
      'wait, then use a token that is good',
    );
  }
  const caller = await identify(credentials, options);
  if ('role' in caller) return caller;
  limit.failed(remoteAddress);
  throw fail(caller.code, caller.message, caller.remedy);
}

async function identify(credentials: Credentials, options: AuthenticationOptions): Promise<Caller | Failure> {
  const { authorization, certificate, certificateProblem } = credentials;
  const { authenticator, userOf } = options;
  if (certificate !== undefined) {
    if (certificateProblem !== '') {
      return untrusted(`the server does not trust this client certificate: ${certificateProblem}`);
    }
    const user = await userOf(certificate);
    return typeof user === 'string' ? authenticator.byCertificate(user) : user;
  }
  if (authorization === undefined) return untrusted('the request says nothing about who asks');
  const token = /^Bearer +(\S+)$/i.exec(authorization)?.[1];
  if (token === undefined) return untrusted('the Authorization header has no bearer token');
  return authenticator.byToken(token);
}

function untrusted(message: string): Failure {
  return {
    code: 'untrusted',
    message,
    remedy: 'give a token (PERFTRAWL_TOKEN, --token-file) or a certificate of a user',
  };
}
