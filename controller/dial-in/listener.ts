// The port for connections that hosts open: agents that dial in, and hosts that enroll. Whatever comes before a host is let in is bounded.
import net from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Milliseconds } from '../../proto/capture.js';
import { DIAL_ALPN, ENROLL_ALPN, PING_INTERVAL, SILENCE_LIMIT } from '../../proto/dial.js';
import { fail, toFailure } from '../../proto/failure.js';
import type { Clock } from '../clock.js';
import { dialInTransport } from '../transport/dial-in.js';
import type { Identity } from '../transport/identity.js';
import type { AgentGate, EnrollHandler } from './agent-gate.js';
import type { LinkTimes } from './agent-link.js';
import { AgentTable } from './agent-table.js';
import { type Arrival, Arrivals } from './arrivals.js';
import { boundedLog } from './bounded-log.js';
import type { DialIn } from './dial-in.js';
import { answerEnrollment, greetAgent, type OnRefused } from './greeting.js';
import type { HalfOpenLimits } from './half-open.js';
import { secureServer } from './secure-server.js';

export interface DialInOptions {
  /** `HOST:PORT`; port 0 for any. */
  readonly listen: string;
  /** The server's certificate (role `server`), its key, and the CA of the agents. Read again once a minute. */
  readonly readIdentity: () => Promise<Identity>;
  readonly gate: AgentGate;
  /** Absent: nobody enrolls here. */
  readonly enroll?: EnrollHandler;
  readonly onRefused?: OnRefused;
  readonly clock: Clock;
  /** One line for whoever runs the server. */
  readonly log: (line: string) => void;
  readonly limits?: Partial<DialInLimits>;
}

export interface DialInLimits extends LinkTimes {
  readonly halfOpen: HalfOpenLimits;
  readonly mostAgents: number;
  /** For TLS and the first words of a host; for its request, when it enrolls. */
  readonly greetingTimeout: Milliseconds;
  /** For the decision on it, and for the answer to leave, on top. */
  readonly answerTimeout: Milliseconds;
  readonly pingInterval: Milliseconds;
  /** How long a question waits for an agent that was here `lately`. */
  readonly patience: Milliseconds;
  readonly lately: Milliseconds;
  readonly identityInterval: Milliseconds;
}

const defaultLimits: DialInLimits = {
  halfOpen: { total: 256, perAddress: 64 },
  mostAgents: 20_000,
  greetingTimeout: 10_000,
  answerTimeout: 30_000,
  pingInterval: PING_INTERVAL,
  silenceLimit: SILENCE_LIMIT,
  pongTimeout: 5_000,
  beginTimeout: 10_000,
  patience: 15_000,
  lately: 120_000,
  identityInterval: 60_000,
};

const minute = 60_000;

/** @throws FailureError of `readIdentity`; 'bad-request' for a certificate or an address that cannot be used; 'conflict' for a port */
export async function openDialIn(options: DialInOptions): Promise<DialIn> {
  const { clock, gate, log, enroll, onRefused, readIdentity } = options;
  const limits: DialInLimits = { ...defaultLimits, ...options.limits };
  const place = parsePlace(options.listen);
  const closing = new AbortController();
  const table = new AgentTable({ ...limits, clock, seen: (host, address, now) => gate.seen(host, address, now) });
  const complain = boundedLog(log, clock);
  const arrivals = new Arrivals(limits.halfOpen, clock);
  const secure = await secureServer(
    { ...{ readIdentity, clock, log }, handshakeTimeout: limits.greetingTimeout, ...limits },
    closing.signal,
  );

  const server = net.createServer((raw) => {
    if (!arrivals.accept(raw, limits.greetingTimeout)) return;
    raw.setNoDelay(true);
    raw.setKeepAlive(true, limits.pingInterval);
    secure.emit('connection', raw);
  });
  secure.on('tlsClientError', (_error, socket) => socket.destroy());
  secure.on('secureConnection', (socket) => {
    socket.on('error', () => socket.destroy());
    const arrival = arrivals.of(socket);
    if (arrival === undefined) {
      socket.destroy();
      return;
    }
    talk(socket, arrival).catch((error: unknown) => {
      // Whoever hung up is no news.
      if (!socket.destroyed) complain(`${arrival.remoteAddress}: ${toFailure(error).message}`);
      socket.destroy();
    });
  });

  async function talk(socket: TLSSocket, arrival: Arrival): Promise<void> {
    switch (socket.alpnProtocol) {
      case DIAL_ALPN:
        return greetAgent(socket, arrival, {
          ...{ gate, table, clock, log, complain, times: limits },
          ...(onRefused === undefined ? {} : { onRefused }),
        });
      case ENROLL_ALPN:
        return answerEnrollment(socket, arrival, enroll, limits.answerTimeout);
      default:
        throw fail('bad-request', 'a connection that is neither of an agent nor for an enrolment');
    }
  }

  async function watch(): Promise<void> {
    for (let told = clock.monotonic(); (await clock.sleep(limits.pingInterval, closing.signal)) === 'elapsed'; ) {
      for (const link of table.links) link.check();
      if (clock.monotonic() - told < minute) continue;
      told = clock.monotonic();
      for (const { host, remoteAddress } of table.links) gate.seen(host, remoteAddress, clock.now());
    }
  }

  let address: string;
  try {
    address = await listen(server, place);
  } catch (error) {
    closing.abort();
    throw error;
  }
  // Without it an error of accepting, such as too many open files, would end the process.
  server.on('error', (error) => complain(`taking a connection: ${error.message}`));
  const watching = watch();
  return {
    address,
    transport: dialInTransport(table),
    connected: () => table.connected(),
    async close() {
      closing.abort();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      arrivals.end();
      await Promise.all([closed, watching]);
    },
  };
}

interface Place {
  /** As it was written, without the port. */
  readonly text: string;
  readonly host: string;
  readonly port: number;
}

function parsePlace(text: string): Place {
  const found = /^(\[([0-9a-fA-F:.]+)\]|[^:\s[\]]+):(\d{1,5})$/.exec(text);
  const port = Number(found?.[3]);
  if (found === null || port > 65_535) {
    throw fail(
      'bad-request',
      `${JSON.stringify(text)} is no HOST:PORT to listen on for agents`,
      'for example 0.0.0.0:7452',
    );
  }
  return { text: found[1], host: found[2] ?? found[1], port };
}

/** @returns where, the port as bound */
function listen(server: net.Server, { text, host, port }: Place): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      reject(
        fail('conflict', `cannot listen on ${text}:${port} for agents: ${cause.message}`, 'choose another', cause),
      );
    });
    server.listen({ host, port, backlog: 1024 }, () => {
      const bound = server.address();
      resolve(`${text}:${typeof bound === 'object' && bound !== null ? bound.port : port}`);
    });
  });
}
