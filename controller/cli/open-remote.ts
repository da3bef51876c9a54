// The app of a server, as the command line and the environment name it.
import { randomUUID } from 'node:crypto';
import { access, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fail } from '../../proto/failure.js';
import type { App } from '../api.js';
import { systemClock } from '../clock.js';
import { configDirectory } from '../directories.js';
import { openRemoteApp } from '../remote/remote-app.js';
import { pinnedCa } from '../remote/server-trust.js';
import { parseToken } from '../users/token.js';
import { printable } from '../views/printable.js';
import type { ServerChoice } from './context.js';
import type { CliIo } from './io.js';

const connectTimeout = 10_000;

/** @throws FailureError 'bad-request' for a choice that makes no sense, and those of openRemoteApp */
export async function openRemote(choice: ServerChoice, io: CliIo): Promise<App> {
  const url = parseServer(choice.url);
  const { certFile, keyFile } = choice;
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw fail('bad-request', '--client-cert and --client-key belong together', 'give both');
  }
  const token = choice.tokenFile === undefined ? io.env.PERFTRAWL_TOKEN : await readToken(choice.tokenFile);
  const given = token === undefined || token.trim() === '' ? undefined : token.trim();
  if (given !== undefined && parseToken(given) === undefined) {
    const from = choice.tokenFile ?? 'PERFTRAWL_TOKEN';
    throw fail(
      'bad-request',
      `${from} has no token`,
      'a token begins with ptu. and is one line, as `users add` printed it',
    );
  }
  if (given === undefined && certFile === undefined) {
    const remedy = 'set PERFTRAWL_TOKEN, or give --token-file, or --client-cert and --client-key';
    throw fail('bad-request', `nothing says who you are to ${url.host}`, remedy);
  }
  const ca = await trustedCa(url, choice.caFile, given, io);
  return openRemoteApp({
    ...{ url, clock: systemClock, newKey: () => randomUUID(), interrupt: io.interrupt.stop },
    tell: (text) => void io.stderr.write(`perftrawl: ${printable(text)}\n`),
    ...(ca === undefined ? {} : { ca }),
    // A certificate decides where there is one.
    ...(certFile === undefined || keyFile === undefined
      ? { ...(given === undefined ? {} : { token: given }) }
      : { identity: { cert: await read(certFile), key: await read(keyFile) } }),
  });
}

/** @throws FailureError 'bad-request' */
function parseServer(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'http:') {
    throw fail('bad-request', `${text} is not encrypted`, 'servers speak HTTPS only: https://HOST:7450');
  }
  if (
    url?.protocol !== 'https:' ||
    url.username !== '' ||
    url.password !== '' ||
    url.pathname !== '/' ||
    url.search !== ''
  ) {
    throw fail('bad-request', `'${text.slice(0, 200)}' is no server`, 'give https://HOST:7450');
  }
  return url;
}

/** Of a file, of the hash in the token, of the own configuration; undefined: whom this machine trusts anyway. */
async function trustedCa(url: URL, file: string | undefined, token: string | undefined, io: CliIo) {
  if (file !== undefined) return read(file);
  const pin = token === undefined ? undefined : parseToken(token)?.caSha256;
  if (pin !== undefined) return pinnedCa(url, pin, connectTimeout);
  const own = join(configDirectory(io.env, io.homeDirectory), 'ca', 'ca.crt');
  try {
    await access(own);
  } catch {
    return undefined;
  }
  return read(own);
}

/** @throws FailureError 'permission' for a file that others may read */
async function readToken(file: string): Promise<string> {
  const text = await read(file);
  const { mode } = await stat(file);
  if ((mode & 0o077) !== 0) {
    throw fail('permission', `others may read the token in ${file}`, `chmod 600 ${file}; if they did, revoke it`);
  }
  return text.toString('utf8');
}

async function read(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    const isAbsent = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
    const message = cause instanceof Error ? cause.message : String(cause);
    throw fail(isAbsent ? 'not-found' : 'permission', `cannot read ${file}: ${message}`, 'name another file', cause);
  }
}
