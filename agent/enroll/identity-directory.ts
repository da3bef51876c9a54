// Where an enrolled host keeps who it is. `identity` is a link that is changed in one step, so that key and certificate always fit:
//
//   STATE/identity -> identity-0123456789abcdef/     agent.crt  agent.key (0600)  ca.crt
//   STATE/identity-pending.key                       0600: of a request that was not answered yet
import { createPrivateKey, type KeyObject, randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, realpath, rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fail } from '../../proto/failure.js';
import { hasCode, writeFailure } from '../spool/file-error.js';
import { withLock } from '../spool/lock.js';
import { newKey } from './certificate-request.js';

/** PEM, as node:tls takes them. */
export interface AgentIdentity {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

const LINK = 'identity';
const PENDING = 'identity-pending.key';
const FILES: Readonly<Record<keyof AgentIdentity, string>> = { cert: 'agent.crt', key: 'agent.key', ca: 'ca.crt' };

/** Undefined for a host that is not enrolled. @throws FailureError 'permission' */
export async function readAgentIdentity(state: string): Promise<AgentIdentity | undefined> {
  let directory = '';
  try {
    // Resolved first: the link may be changed between two files.
    directory = await realpath(join(state, LINK));
    const read = (file: string) => readFile(join(directory, file), 'utf8');
    const [cert, key, ca] = await Promise.all([read(FILES.cert), read(FILES.key), read(FILES.ca)]);
    return { cert, key, ca };
  } catch (error) {
    if (hasCode(error, 'ENOENT')) {
      // Another process may have replaced it meanwhile, and removed what was being read.
      const present = await realpath(join(state, LINK)).catch(() => '');
      return present === '' || present === directory ? undefined : readAgentIdentity(state);
    }
    const why = error instanceof Error ? error.message : String(error);
    throw fail('permission', `cannot read the identity of this host: ${why}`, 'run as the user of the agent', error);
  }
}

/**
 * In place of what is there, in one step; the key of the request is no longer pending then.
 * @throws FailureError 'permission', 'exhausted'
 */
export function writeAgentIdentity(state: string, identity: AgentIdentity): Promise<void> {
  // One at a time: each removes what others have left, and would take the directory of one that is just being written.
  return withLock(join(state, `${LINK}.lock`), () => replaceIdentity(state, identity));
}

async function replaceIdentity(state: string, identity: AgentIdentity): Promise<void> {
  const name = `${LINK}-${randomBytes(8).toString('hex')}`;
  const directory = join(state, name);
  try {
    await mkdir(directory, { mode: 0o700 });
    await writeDurable(join(directory, FILES.cert), 0o644, identity.cert);
    await writeDurable(join(directory, FILES.key), 0o600, identity.key);
    await writeDurable(join(directory, FILES.ca), 0o644, identity.ca);
    await syncDirectory(directory);
    await symlink(name, join(state, `${name}.link`));
    await setAside(state, `${name}.before`);
    await rename(join(state, `${name}.link`), join(state, LINK));
    await syncDirectory(state);
    await rm(join(state, PENDING), { force: true });
    for (const old of await readdir(state)) {
      if (/^identity-[0-9a-f]{16}(\.link)?$/.test(old) && old !== name) await rm(join(state, old), { recursive: true });
    }
  } catch (error) {
    throw writeFailure(`writing the identity of this host to ${join(state, LINK)}`, error);
  }
}

/** A directory that somebody has made by hand stays, under another name: a link cannot replace it. */
async function setAside(state: string, name: string): Promise<void> {
  const files = await readdir(state, { withFileTypes: true });
  if (files.some((file) => file.name === LINK && file.isDirectory()))
    await rename(join(state, LINK), join(state, name));
}

/**
 * The key of a request without an answer, or a new one. With the same key the request can be repeated: when an answer was lost, the
 * controller takes it for the same host.
 * @throws FailureError 'permission', 'exhausted', 'bad-data'
 */
export async function pendingKey(state: string): Promise<KeyObject> {
  const file = join(state, PENDING);
  try {
    await mkdir(state, { recursive: true, mode: 0o700 });
    const text = await readFile(file, 'utf8').catch((error: unknown) => {
      if (hasCode(error, 'ENOENT')) return undefined;
      throw error;
    });
    if (text !== undefined) return createPrivateKey(text);
    const key = newKey();
    await writeDurable(`${file}.new`, 0o600, keyText(key));
    await rename(`${file}.new`, file);
    return key;
  } catch (error) {
    if (hasCode(error, 'ERR_OSSL_UNSUPPORTED')) throw fail('bad-data', `${file} is no key`, 'remove it', error);
    throw writeFailure(`keeping the key of this host in ${file}`, error);
  }
}

export function keyText(key: KeyObject): string {
  return String(key.export({ type: 'pkcs8', format: 'pem' }));
}

async function writeDurable(file: string, mode: number, text: string): Promise<void> {
  await rm(file, { force: true });
  const handle = await open(file, 'wx', mode);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
