// How we prove to an ssh server who we are: keys of the ssh-agent, then key files, each once. Passwords are never asked for.
import { readFile } from 'node:fs/promises';
import ssh2 from 'ssh2';
import { type FailureError, fail } from '../../../proto/failure.js';
import { destinationText } from './destination.js';
import type { SshSettings } from './settings.js';

/** Asks a person without showing what is typed; undefined when nobody can be asked. */
export type AskSecret = (question: string) => Promise<string | undefined>;

export interface Credentials {
  readonly methods: readonly ssh2.AnyAuthMethod[];
  /** Keys that could not be used, and why: for the message when nothing else helped. */
  readonly unused: readonly string[];
}

/** Passphrases of key files, asked once for all hosts. */
export class Passphrases {
  readonly #ask: AskSecret;
  readonly #known = new Map<string, Promise<string | undefined>>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(ask: AskSecret) {
    this.#ask = ask;
  }

  of(file: string): Promise<string | undefined> {
    let known = this.#known.get(file);
    if (known === undefined) {
      // One question at a time, however many hosts and keys wait.
      known = this.#last.then(() => this.#ask(`Passphrase of ${file}: `));
      this.#last = known.catch(() => undefined);
      this.#known.set(file, known);
    }
    return known;
  }
}

export async function credentialsOf(settings: SshSettings, passphrases: Passphrases): Promise<Credentials> {
  const { user: username, identityFiles, agent, isOnlyGivenKeys } = settings;
  const methods: ssh2.AnyAuthMethod[] = [];
  const unused: string[] = [];
  const inAgent = agent === undefined ? [] : await agentKeys(agent, unused);
  if (agent !== undefined && inAgent.length > 0) {
    const only = isOnlyGivenKeys ? await publicKeysOf(identityFiles) : undefined;
    methods.push({ type: 'agent', username, agent: only === undefined ? agent : new SomeKeys(agent, only) });
  }
  for (const file of identityFiles) {
    const text = await readFile(file).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') unused.push(`${file}: ${error.message}`);
      return undefined;
    });
    if (text === undefined) continue;
    const key = ssh2.utils.parseKey(text);
    if (!(key instanceof Error)) {
      const parsed = Array.isArray(key) ? key[0] : key;
      if (!inAgent.some((known) => known.equals(parsed.getPublicSSH()))) {
        methods.push({ type: 'publickey', username, key: text });
      }
      continue;
    }
    if (!/encrypted/i.test(key.message)) {
      unused.push(`${file}: ${key.message}`);
      continue;
    }
    if (await hasKeyOf(file, inAgent)) continue;
    const passphrase = await passphrases.of(file);
    if (passphrase === undefined) unused.push(`${file} is encrypted (ssh-add ${file})`);
    else if (ssh2.utils.parseKey(text, passphrase) instanceof Error) unused.push(`${file}: wrong passphrase`);
    else methods.push({ type: 'publickey', username, key: text, passphrase });
  }
  return { methods, unused };
}

export function notAuthenticated(settings: SshSettings, credentials: Credentials, cause: unknown): FailureError {
  const { destination, user, hostName, port } = settings;
  const tried = credentials.methods.length;
  const keys =
    tried === 0 ? 'there is no key to show' : `none of ${tried === 1 ? 'the key' : 'the keys'} we have is taken`;
  const unused = credentials.unused.length === 0 ? '' : `; not used: ${credentials.unused.join('; ')}`;
  return fail(
    'untrusted',
    `${destinationText(destination)} does not let ${user} in (${hostName} port ${port}): ${keys}${unused}`,
    `put a public key into ~/.ssh/authorized_keys of ${user} there; \`ssh ${destinationText(destination)}\` must work without a password`,
    cause,
  );
}

/** Public keys in the agent. An agent that does not answer has none. */
function agentKeys(socket: string, unused: string[]): Promise<readonly Buffer[]> {
  return new Promise((resolve) => {
    new ssh2.OpenSSHAgent(socket).getIdentities((error, keys) => {
      if (error !== undefined && error !== null) {
        unused.push(`the ssh-agent at ${socket}: ${error.message}`);
        resolve([]);
      } else resolve((keys ?? []).flatMap((key) => ('getPublicSSH' in key ? [key.getPublicSSH()] : [])));
    });
  });
}

async function publicKeysOf(identityFiles: readonly string[]): Promise<readonly Buffer[]> {
  const keys = await Promise.all(identityFiles.map(publicKeyOf));
  return keys.filter((key) => key !== undefined);
}

async function hasKeyOf(file: string, known: readonly Buffer[]): Promise<boolean> {
  const key = await publicKeyOf(file);
  return key !== undefined && known.some((other) => other.equals(key));
}

/** Of `file.pub`, which ssh too looks into for keys that only the agent can use; undefined when it is not there. */
async function publicKeyOf(file: string): Promise<Buffer | undefined> {
  const text = await readFile(`${file}.pub`, 'utf8').catch(() => undefined);
  const base64 = text?.trim().split(/\s+/)[1];
  return base64 === undefined ? undefined : Buffer.from(base64, 'base64');
}

/** An ssh-agent of which only some keys are shown: servers count each try. */
class SomeKeys extends ssh2.OpenSSHAgent {
  readonly #only: readonly Buffer[];

  constructor(socket: string, only: readonly Buffer[]) {
    super(socket);
    this.#only = only;
  }

  override getIdentities(done: ssh2.IdentityCallback<ssh2.ParsedKey>): void {
    super.getIdentities((error, keys) => {
      const wanted = keys?.filter(
        (key) => 'getPublicSSH' in key && this.#only.some((only) => only.equals(key.getPublicSSH())),
      );
      done(error, wanted);
    });
  }
}
