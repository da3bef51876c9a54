// The `ssh` transport: nothing on the host but sshd and perf. The agent is sent on first use and started on an exec channel; nothing listens.
import type { Duplex } from 'node:stream';
import type ssh2 from 'ssh2';
import type { Milliseconds } from '../../../proto/capture.js';
import { FailureError, fail } from '../../../proto/failure.js';
import { timeoutSignal } from '../../../proto/timeout-signal.js';
import type { AgentDelivery, Host, RemovedFile } from '../../api.js';
import { firstBytes } from '../first-bytes.js';
import type { Transport } from '../transport.js';
import { agentFor } from './agent-choice.js';
import type { AgentPackage } from './agent-package.js';
import { type AskSecret, Passphrases } from './auth.js';
import { execute, newMark } from './command.js';
import { connectSsh } from './connection.js';
import { parseDestination, type SshDestination } from './destination.js';
import { cleanScript, parseFacts, readAnswer, startScript } from './remote-script.js';
import { readSettings, type SettingsOptions, type SshSettings } from './settings.js';
import { sendAgent } from './upload.js';

export interface SshOptions extends SettingsOptions {
  /** The agent to send; read when a host needs it. */
  readonly agentPackage: () => Promise<AgentPackage>;
  readonly askSecret: AskSecret;
  /** For one connection, where ssh's configuration sets none. */
  readonly connectTimeout: Milliseconds;
}

export interface SshTransport extends Transport {
  /** Remove all that was ever sent to a host, and the state of agents started over ssh. @throws FailureError */
  clean(host: Host, signal: AbortSignal): Promise<readonly RemovedFile[]>;
}

/** Beyond this a host is taken for one that does not answer. */
const answerTimeout: Milliseconds = 30_000;
/** An executable has some 35 MB. */
const uploadTimeout: Milliseconds = 10 * 60_000;
const mostJumps = 8;

export function sshTransport(options: SshOptions): SshTransport {
  const links = new Links(options);
  return {
    async open(host, signal, onDelivery = () => undefined) {
      if (signal.aborted) throw fail('cancelled', `connecting to ${host.name}: cancelled`);
      const link = await links.open(host, signal);
      try {
        const limit = timeoutSignal(uploadTimeout, signal);
        const channel = await startAgent(link, host, await options.agentPackage(), onDelivery, limit);
        channel.once('close', () => link.close());
        link.client.on('error', (error) => channel.destroy(broken(host, error)));
        link.client.once('close', () => channel.destroy(broken(host, new Error('the connection was closed'))));
        return channel;
      } catch (error) {
        link.close();
        throw explain(error, host, signal);
      }
    },
    async clean(host, signal) {
      const link = await links.open(host, signal);
      try {
        const mark = newMark();
        const { channel } = await execute(link.client, cleanScript(mark), signal);
        const limit = timeoutSignal(answerTimeout, signal);
        const lines = await readAnswer(channel, mark, (line) => line === 'done', limit);
        return lines.flatMap((line) => {
          const found = /^removed (\d+) (.+)$/.exec(line);
          return found === null ? [] : [{ kibibytes: Number(found[1]), path: found[2] }];
        });
      } catch (error) {
        throw explain(error, host, signal);
      } finally {
        link.close();
      }
    },
  };
}

/** A connection in use; closing it lets go of the jump hosts too. */
interface Link {
  readonly client: ssh2.Client;
  close(): void;
}

/** Connections; those of jump hosts are shared by all hosts behind them. */
class Links {
  readonly #options: SshOptions;
  readonly #passphrases: Passphrases;
  readonly #jumps = new Map<string, { readonly link: Promise<Link>; users: number }>();

  constructor(options: SshOptions) {
    this.#options = options;
    this.#passphrases = new Passphrases(options.askSecret);
  }

  async open(host: Host, signal: AbortSignal): Promise<Link> {
    const { address } = host;
    if (address.transport !== 'ssh') throw fail('internal', `${host.name} is not reached by ssh`);
    const route = await this.#route(address, signal);
    return this.#follow(route, signal);
  }

  /** The settings of each hop, the host last. */
  async #route(
    address: SshDestination & { readonly jumps?: readonly string[] },
    signal: AbortSignal,
  ): Promise<readonly SshSettings[]> {
    const target = await readSettings(address, this.#options, signal);
    const route = [target];
    let jumps: readonly string[] = address.jumps ?? jumpsOf(target);
    while (jumps.length > 0) {
      if (route.length + jumps.length > mostJumps + 1)
        throw fail('bad-request', `more than ${mostJumps} jump hosts to ${address.host}`, 'is there a circle?');
      const hops: SshSettings[] = [];
      for (const text of jumps) hops.push(await readSettings(jumpHost(text), this.#options, signal));
      route.unshift(...hops);
      // As in ssh, the first jump host may itself be reached by others.
      jumps = jumpsOf(hops[0]);
    }
    return route;
  }

  async #follow(route: readonly SshSettings[], signal: AbortSignal): Promise<Link> {
    const before = route.slice(0, -1);
    const target = route[route.length - 1];
    const jump = before.length === 0 ? undefined : await this.#jump(before);
    try {
      const client = await connectSsh(target, jump?.client, this.#connection(), signal);
      return {
        client,
        close() {
          client.end();
          jump?.close();
        },
      };
    } catch (error) {
      jump?.close();
      throw error;
    }
  }

  async #jump(route: readonly SshSettings[]): Promise<Link> {
    const key = route.map(({ user, hostName, port }) => `${user}@${hostName}:${port}`).join(' ');
    let known = this.#jumps.get(key);
    if (known === undefined) {
      // Shared: no single host's signal may end it.
      const link = this.#follow(route, timeoutSignal(2 * this.#options.connectTimeout));
      const entry = { link, users: 0 };
      known = entry;
      this.#jumps.set(key, entry);
      const forget = () => {
        if (this.#jumps.get(key) === entry) this.#jumps.delete(key);
      };
      link.then(({ client }) => client.once('close', forget), forget);
    }
    const entry = known;
    entry.users++;
    let isOpen = true;
    const close = (link: Link) => {
      if (!isOpen) return;
      isOpen = false;
      if (--entry.users > 0) return;
      this.#jumps.delete(key);
      link.close();
    };
    try {
      const link = await entry.link;
      return { client: link.client, close: () => close(link) };
    } catch (error) {
      entry.users--;
      if (error instanceof FailureError) {
        const { code, message, remedy } = error.failure;
        throw fail(code, `the jump host: ${message}`, remedy, error);
      }
      throw error;
    }
  }

  #connection() {
    return { passphrases: this.#passphrases, connectTimeout: this.#options.connectTimeout };
  }
}

async function startAgent(
  link: Link,
  host: Host,
  pack: AgentPackage,
  onDelivery: (delivery: AgentDelivery) => void,
  signal: AbortSignal,
): Promise<Duplex> {
  const executable = () => {
    onDelivery({ state: 'making' });
    return pack.executable();
  };
  for (let attempt = 1; ; attempt++) {
    const mark = newMark();
    const { channel, said } = await execute(link.client, startScript(mark, pack.names, pack.runsOn), signal);
    const limit = timeoutSignal(answerTimeout, signal);
    const lines = await readAnswer(channel, mark, (line) => line === 'started' || line === 'absent', limit, said);
    const facts = parseFacts(lines);
    if (facts.outcome === 'started') {
      const ended = () =>
        fail(
          'unreachable',
          `the agent on ${host.name} ended at once${said() === '' ? '' : `: ${said()}`}`,
          'look at that host',
        );
      await firstBytes(channel, ended, limit);
      return channel;
    }
    if (attempt > 1)
      throw fail('refused', `the agent that was sent to ${host.name} is not there any more`, 'try again');
    const file = await agentFor(facts, host.name, { ...pack, executable });
    await sendAgent(link.client, host.name, file, onDelivery, signal);
  }
}

function jumpsOf({ proxyJump }: SshSettings): readonly string[] {
  return proxyJump?.split(',') ?? [];
}

function jumpHost(text: string): SshDestination {
  const bare = text
    .trim()
    .replace(/^ssh:\/\//, '')
    .replace(/\/$/, '');
  const destination = parseDestination(bare);
  if (destination !== undefined) return destination;
  throw fail('bad-request', `'${text}' is no jump host`, 'write [USER@]HOST[:PORT]');
}

function explain(error: unknown, host: Host, signal: AbortSignal): FailureError {
  if (signal.aborted) return fail('cancelled', `connecting to ${host.name}: cancelled`, '', error);
  if (error instanceof FailureError) {
    const { code, message, remedy } = error.failure;
    return message.includes(host.name) ? error : fail(code, `${host.name}: ${message}`, remedy, error);
  }
  if (error instanceof DOMException) {
    return fail(
      'unreachable',
      `${host.name} let us in and then answered nothing`,
      'look at its load, and at the login shell',
      error,
    );
  }
  return broken(host, error);
}

function broken(host: Host, error: unknown): FailureError {
  const message = error instanceof Error ? error.message : String(error);
  return fail(
    'unreachable',
    `the ssh connection to ${host.name} broke: ${message}`,
    'look at the network between here and there',
    error,
  );
}
