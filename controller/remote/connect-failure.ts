// What goes wrong between a client and its server, as failures that name the server and what to try.
import { FailureError as Failed, type FailureError, fail } from '../../proto/failure.js';

/** Codes of the network; with everything else the two sides have talked, and not come to trust each other. */
const remedies: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'is `perftrawl serve` running there, and the port right?',
  ECONNRESET: 'look at the log of the server',
  EPIPE: 'look at the log of the server',
  ETIMEDOUT: 'look at firewalls and routes between here and there',
  EHOSTUNREACH: 'look at firewalls and routes between here and there',
  ENETUNREACH: 'look at firewalls and routes between here and there',
  ENOTFOUND: 'mend the address of the server',
  EAI_AGAIN: 'name resolution does not work here at the moment',
};

export function connectFailure(error: unknown, url: URL): FailureError {
  if (error instanceof Failed) return error;
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  const remedy = remedies[code];
  if (remedy !== undefined)
    return fail('unreachable', `cannot reach the server ${url.host}: ${message}`, remedy, error);
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const how =
      'use a name that is in its certificate, or start the server with --name after removing its old certificate';
    return fail('untrusted', `${url.host} has a certificate for other names: ${message}`, how, error);
  }
  if (
    /^(ERR_SSL|ERR_TLS|EPROTO|CERT_|UNABLE_TO|SELF_SIGNED|DEPTH_ZERO|ERR_OSSL)/.test(code) ||
    /certificate/i.test(message)
  ) {
    const how = 'name the CA of the server with --server-ca, or use the token that its admin gave you';
    return fail('untrusted', `the server ${url.host} cannot prove who it is: ${message}`, how, error);
  }
  return fail('unreachable', `the connection to the server ${url.host} broke: ${message}`, 'try again', error);
}
