// An authenticated ssh connection to a host, through jump hosts where there are any: host key checked, alive or noticed to be dead.
import { readFile } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import ssh2 from 'ssh2';
import type { Milliseconds } from '../../../proto/capture.js';
import { FailureError, fail } from '../../../proto/failure.js';
import { timeoutSignal } from '../../../proto/timeout-signal.js';
import { type Credentials, credentialsOf, notAuthenticated, type Passphrases } from './auth.js';
import { destinationText } from './destination.js';
import { refusal, rememberHost } from './host-key.js';
import { KnownHosts } from './known-hosts.js';
import type { SshSettings } from './settings.js';

export interface ConnectionOptions {
  readonly passphrases: Passphrases;
  /** For the connection, the handshake and the authentication together, where ssh's configuration sets none. */
  readonly connectTimeout: Milliseconds;
}

/** A peer that answers nothing for this long is gone. */
const keepaliveInterval: Milliseconds = 8_000;
const keepaliveTries = 3;

/**
 * @param through the connection of the jump host before it; undefined to dial directly
 * @throws FailureError 'unreachable', 'untrusted', 'cancelled'
 */
export async function connectSsh(
  settings: SshSettings,
  through: ssh2.Client | undefined,
  options: ConnectionOptions,
  signal: AbortSignal,
): Promise<ssh2.Client> {
  const [knownHosts, credentials] = await Promise.all([
    readKnownHosts(settings.knownHostsFiles),
    credentialsOf(settings, options.passphrases),
  ]);
  const timeout = settings.connectTimeout ?? options.connectTimeout;
  const limit = timeoutSignal(timeout, signal);
  const sock = through === undefined ? undefined : await tunnel(through, settings, limit);
  const client = new ssh2.Client();
  let refused: FailureError | undefined;
  const verify = (key: Buffer): boolean => {
    refused = refusal(settings, knownHosts, key);
    return refused === undefined;
  };
  try {
    const key = await ready(client, settings, { sock, credentials, verify, knownHosts, timeout }, limit);
    if (key !== undefined && settings.isNewHostTaken) await rememberHost(settings, knownHosts, key);
    return client;
  } catch (error) {
    client.end();
    client.destroy();
    sock?.destroy();
    if (refused !== undefined) throw refused;
    if (signal.aborted) throw fail('cancelled', `connecting to ${destinationText(settings.destination)}: cancelled`);
    throw explain(error, settings, credentials, timeout);
  }
}

interface Handshake {
  readonly sock: Duplex | undefined;
  readonly credentials: Credentials;
  readonly verify: (key: Buffer) => boolean;
  readonly knownHosts: KnownHosts;
  readonly timeout: Milliseconds;
}

/** The key that the host showed. */
function ready(
  client: ssh2.Client,
  settings: SshSettings,
  { sock, credentials, verify, knownHosts, timeout }: Handshake,
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  let shown: Buffer | undefined;
  const left = [...credentials.methods];
  const known = knownHosts.typesOf(settings.hostKeyName, settings.port).flatMap(algorithmsOf);
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    const settle = (act: () => void) => {
      signal.removeEventListener('abort', onAbort);
      act();
    };
    client.once('ready', () => settle(() => resolve(shown)));
    // Also after `ready`: whoever uses the connection listens too.
    client.on('error', (error) => settle(() => reject(error)));
    client.once('close', () => settle(() => reject(Object.assign(new Error('it hung up'), { code: 'ECONNRESET' }))));
    client.connect({
      host: settings.hostName,
      port: settings.port,
      username: settings.user,
      ...(sock === undefined ? {} : { sock }),
      readyTimeout: timeout,
      keepaliveInterval,
      keepaliveCountMax: keepaliveTries,
      algorithms: {
        cipher: { prepend: ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com'], append: [], remove: [] },
        ...(known.length === 0 ? {} : { serverHostKey: { prepend: known, append: [], remove: [] } }),
      },
      hostVerifier: (key: Buffer) => {
        shown = key;
        return verify(key);
      },
      authHandler: (_left, _isPartial, next) => {
        const method = left.shift();
        // false: nothing left to try.
        next(method ?? (false as never));
      },
    });
    client.setNoDelay(true);
    if (signal.aborted) onAbort();
  });
}

/** The names under which a key of that type is asked for: RSA keys sign with newer hashes. */
function algorithmsOf(type: string): ssh2.ServerHostKeyAlgorithm[] {
  if (type === 'ssh-rsa') return ['rsa-sha2-512', 'rsa-sha2-256'];
  const plain = ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521'] as const;
  return plain.filter((name) => name === type);
}

function tunnel(
  through: ssh2.Client,
  { destination, hostName, port }: SshSettings,
  signal: AbortSignal,
): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    through.forwardOut('127.0.0.1', 0, hostName, port, (error, channel) => {
      signal.removeEventListener('abort', onAbort);
      if (error === undefined || error === null) resolve(channel);
      else {
        reject(
          fail(
            'unreachable',
            `the jump host cannot reach ${destinationText(destination)} (${hostName} port ${port}): ${error.message}`,
            'can the jump host reach it, and does its sshd allow AllowTcpForwarding?',
            error,
          ),
        );
      }
    });
  });
}

/** Files that are not there have no entries. */
async function readKnownHosts(paths: readonly string[]): Promise<KnownHosts> {
  const files = await Promise.all(
    paths.map(async (path) => ({ path, text: await readFile(path, 'utf8').catch(absent(path)) })),
  );
  return new KnownHosts(files);
}

function absent(path: string) {
  return (error: NodeJS.ErrnoException): string => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return '';
    throw fail('permission', `cannot read ${path}: ${error.message}`, `chmod u+r ${path}`, error);
  };
}

const remedies: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'is sshd running there, and on that port?',
  ECONNRESET: 'look at the log of sshd there, and at MaxStartups',
  EPIPE: 'look at the log of sshd there, and at MaxStartups',
  ETIMEDOUT: 'look at firewalls and routes between here and there',
  EHOSTUNREACH: 'look at firewalls and routes between here and there',
  ENETUNREACH: 'look at firewalls and routes between here and there',
  ENOTFOUND: 'mend the name, or its HostName in ~/.ssh/config',
  EAI_AGAIN: 'name resolution does not work here at the moment',
};

/** ssh2 marks its errors with the level at which they happened. */
function explain(error: unknown, settings: SshSettings, credentials: Credentials, timeout: Milliseconds): FailureError {
  if (error instanceof FailureError) return error;
  const { destination, hostName, port } = settings;
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const level = error instanceof Error && 'level' in error ? String(error.level) : '';
  if (level === 'client-authentication') return notAuthenticated(settings, credentials, error);
  const where = `${destinationText(destination)} (${hostName} port ${port})`;
  if (level === 'client-timeout' || error instanceof DOMException) {
    const remedy = 'look at firewalls and routes between here and there';
    return fail('unreachable', `cannot reach ${where}: no answer within ${timeout} ms`, remedy, error);
  }
  if (level === 'handshake' || level === 'protocol') {
    const remedy = 'is what listens there an ssh server of the last ten years?';
    return fail('unreachable', `${where} does not agree with us on how to talk: ${message}`, remedy, error);
  }
  const remedy = remedies[code] ?? `does \`ssh ${destinationText(destination)}\` work?`;
  return fail('unreachable', `cannot reach ${where}: ${message}`, remedy, error);
}
