// A controller that takes agents on a port of this machine, with real certificates, and agents that dial it. Everything ends with `close`.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { keepDialing } from '../../../agent/dial/dialer.js';
import { readDialIdentity } from '../../../agent/dial/identity-files.js';
import { serveOnStream } from '../../../agent/serve.js';
import { initCa, issueCertificate } from '../../../controller/ca/certificate-authority.js';
import { systemClock } from '../../../controller/clock.js';
import type { AgentGate, EnrollHandler } from '../../../controller/dial-in/agent-gate.js';
import type { DialIn } from '../../../controller/dial-in/dial-in.js';
import { type DialInLimits, openDialIn } from '../../../controller/dial-in/listener.js';
import { readIdentity } from '../../../controller/transport/identity.js';
import type { AgentApi } from '../../../proto/agent-api.js';
import { type CertificateRole, nameOf, roleOf } from '../../../proto/certificate-role.js';
import { type Failure, fail } from '../../../proto/failure.js';

export interface Dialer {
  /** What the agent wrote into its log. */
  readonly notes: readonly string[];
  /** Breaks the connection that the agent serves on, without a word. */
  cut(): void;
  /** Ends the agent. */
  stop(): Promise<void>;
}

export interface DialOptions {
  /** Whose certificate; default: that of the host. */
  readonly as?: string;
  readonly caDirectory?: string;
  readonly address?: { readonly host: string; readonly port: number };
  readonly instance?: string;
  readonly silenceLimit?: number;
  readonly pingInterval?: number;
}

export interface DialInFleet {
  readonly directory: string;
  readonly caDirectory: string;
  /** What the controller wrote into its log. */
  readonly log: readonly string[];
  /** Agents that were not let in: who, and why. */
  readonly refused: readonly string[];
  /** Hosts as `AgentGate.seen` was told. */
  readonly seen: readonly string[];
  issue(name: string, role: CertificateRole, now?: number): Promise<void>;
  /** Opens the port: the one of before, if there was one. */
  open(limits?: Partial<DialInLimits>, enroll?: EnrollHandler): Promise<DialIn>;
  dial(host: string, api: AgentApi, options?: DialOptions): Promise<Dialer>;
  /** What a revocation does to the newest connection of the host. */
  cutOff(host: string, failure: Failure): void;
  close(): Promise<void>;
}

export async function dialInFleet(): Promise<DialInFleet> {
  const directory = await mkdtemp(join(tmpdir(), 'perftrawl-dial-in-'));
  const caDirectory = join(directory, 'ca');
  await initCa(caDirectory, Date.now());
  const log: string[] = [];
  const seen: string[] = [];
  const refused: string[] = [];
  const issued = new Set<string>();
  const holds = new Map<string, (failure: Failure) => void>();
  const endings: (() => Promise<unknown>)[] = [];
  let port = 0;
  const filesOf = (name: string, from = caDirectory) => ({
    ca: join(caDirectory, 'ca.crt'),
    cert: join(from, `${name}.crt`),
    key: join(from, `${name}.key`),
  });
  const fleet: DialInFleet = {
    ...{ directory, caDirectory, log, seen, refused },
    async issue(name, role, now = Date.now()) {
      if (issued.has(name)) return;
      issued.add(name);
      await issueCertificate(caDirectory, { name, addresses: ['127.0.0.1'], role, days: 1 }, now);
    },
    async open(limits = {}, enroll) {
      await fleet.issue('server', 'server');
      const dialIn = await openDialIn({
        listen: `127.0.0.1:${port}`,
        readIdentity: () => readIdentity(filesOf('server')),
        gate: {
          async admit(certificate, remoteAddress) {
            const admitted = await byName.admit(certificate, remoteAddress);
            if ('code' in admitted) return admitted;
            const { host } = admitted;
            const hold = (cutOff: (failure: Failure) => void) => {
              holds.set(host, cutOff);
              return () => undefined;
            };
            return { host, hold };
          },
          seen: (host) => seen.push(host),
        },
        ...(enroll === undefined ? {} : { enroll }),
        onRefused: ({ who, failure }) => refused.push(`${who}: ${failure.code}`),
        ...{ clock: systemClock, limits, log: (line) => log.push(line) },
      });
      port = Number(dialIn.address.split(':')[1]);
      endings.push(() => dialIn.close());
      return dialIn;
    },
    cutOff: (host, failure) => holds.get(host)?.(failure),
    async dial(host, api, options = {}) {
      const { as = host, caDirectory: from = caDirectory } = options;
      if (from === caDirectory) await fleet.issue(as, 'dial-in-agent');
      const notes: string[] = [];
      const abort = new AbortController();
      let stream: Duplex | undefined;
      const dialing = keepDialing(
        {
          address: options.address ?? { host: '127.0.0.1', port },
          readIdentity: () => readDialIdentity(filesOf(as, from)),
          instance: options.instance ?? `${host} of ${process.pid}, ${endings.length}`,
          version: '0.0.0',
          serve: (opened) => {
            stream = opened;
            return serveOnStream(api, opened, options.pingInterval ?? 10_000);
          },
          ...{ connectTimeout: 20_000, silenceLimit: options.silenceLimit ?? 30_000 },
          backoff: { first: 50, longest: 200, stable: 0 },
          ...{ random: Math.random, monotonic: () => performance.now(), note: (line) => notes.push(line) },
          sleep: (time, signal) => sleep(time, undefined, { signal }).catch(() => undefined),
        },
        abort.signal,
      );
      const stop = async () => {
        abort.abort();
        await dialing;
      };
      endings.push(stop);
      return { notes, stop, cut: () => stream?.destroy() };
    },
    async close() {
      await Promise.all(endings.map((end) => end()));
      await rm(directory, { recursive: true });
    },
  };
  return fleet;
}

/** Lets in whoever has a certificate of the right role, under the name in it. */
const byName: Pick<AgentGate, 'admit'> = {
  async admit(certificate) {
    const host = nameOf(certificate);
    const role = roleOf(certificate);
    if (role === 'dial-in-agent' && host !== undefined) return { host };
    return fail('untrusted', `a certificate of role ${role ?? 'unknown'} is not one of an agent that dials in`).failure;
  },
};
