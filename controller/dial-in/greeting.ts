// The first words of a connection that a host opened, until it is let in, enrolled, or told why not.
import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { Milliseconds } from '../../proto/capture.js';
import { nameOf } from '../../proto/certificate-role.js';
import { MAX_ENROLL_BYTES } from '../../proto/dial.js';
import { encodeDialFrame, readDialFrame } from '../../proto/dial-codec.js';
import { type Failure, fail } from '../../proto/failure.js';
import { framed, readFramed } from '../../proto/framed-message.js';
import type { Clock } from '../clock.js';
import type { Admitted, AgentGate, EnrollHandler } from './agent-gate.js';
import { AgentLink, type LinkTimes } from './agent-link.js';
import type { AgentTable } from './agent-table.js';
import type { Arrival } from './arrivals.js';

/** Called for each agent that is told why it is not let in. `who`: as far as TLS has proved it, else ''. */
export type OnRefused = (refused: {
  readonly who: string;
  readonly remoteAddress: string;
  readonly failure: Failure;
}) => void;

export interface Greeter {
  readonly gate: AgentGate;
  readonly table: AgentTable;
  readonly clock: Clock;
  /** `answerTimeout`: for the gate or the handler of enrolments to decide, and for the answer to leave. */
  readonly times: LinkTimes & { readonly answerTimeout: Milliseconds };
  /** Of agents that were let in. */
  readonly log: (line: string) => void;
  /** Of those that were not. */
  readonly complain: (line: string) => void;
  readonly onRefused?: OnRefused;
}

/** @throws FailureError and errors of the connection: whoever is there is not told */
export async function greetAgent(socket: TLSSocket, arrival: Arrival, greeter: Greeter): Promise<void> {
  const { gate, table, clock, times, log } = greeter;
  const { remoteAddress } = arrival;
  const hello = await readDialFrame(socket, arrival.closed);
  arrival.allow(times.answerTimeout);
  const admitted = await admit(socket, arrival, gate, clock);
  if ('code' in admitted) return refuse(socket, arrival, admitted, greeter);
  const { host } = admitted;
  if (hello.kind !== 'hello' || hello.instance === '') throw fail('bad-data', `the agent of ${host} says no hello`);
  const link = new AgentLink(socket, { host, instance: hello.instance, remoteAddress }, clock, times);
  if (link.closed.aborted) return;
  // Of this connection, from now on: another one of the same host may have another certificate.
  const release = admitted.hold?.((failure) => {
    // Whoever waits for this host is told at once, unless another connection of it is good.
    if (table.get(host) === link) table.bar(host, failure);
    link.refuse(failure);
  });
  link.closed.addEventListener('abort', () => release?.(), { once: true });
  const refusal = await table.place(link);
  if (refusal !== undefined) return refuse(socket, arrival, refusal, greeter);
  arrival.leave();
  link.welcome();
  log(`${host} is connected from ${remoteAddress}, agent ${hello.version}`);
  link.closed.addEventListener('abort', () => log(`${host} is gone, which was connected from ${remoteAddress}`));
}

/** @throws FailureError 'refused' when nobody enrolls here, and those of readFramed */
export async function answerEnrollment(
  socket: TLSSocket,
  arrival: Arrival,
  handler: EnrollHandler | undefined,
  answerTimeout: Milliseconds,
): Promise<void> {
  if (handler === undefined) throw fail('refused', 'a host wants to enroll, which this controller does not offer');
  const request = await readFramed(socket, MAX_ENROLL_BYTES, arrival.closed);
  arrival.allow(answerTimeout);
  const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined;
  const answer = await handler.answer(request, {
    remoteAddress: arrival.remoteAddress,
    ...(certificate === undefined ? {} : { certificate }),
  });
  if (answer.length > MAX_ENROLL_BYTES) throw fail('internal', `an answer of ${answer.length} bytes to an enrolment`);
  socket.end(framed(answer));
}

async function admit(
  socket: TLSSocket,
  { remoteAddress }: Arrival,
  gate: AgentGate,
  clock: Clock,
): Promise<Admitted | Failure> {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return untrusted('no certificate was shown');
  const expired = isExpired(certificate, clock.now());
  if (!socket.authorized || expired) {
    const why: unknown = expired ? 'CERT_HAS_EXPIRED' : socket.authorizationError;
    return untrusted(`the certificate is not accepted: ${String(why instanceof Error ? why.message : why)}`);
  }
  return gate.admit(certificate, remoteAddress);
}

/** A resumed session is not verified anew: the certificate may have ended since. */
function isExpired(certificate: X509Certificate, now: number): boolean {
  return Date.parse(certificate.validTo) <= now;
}

function untrusted(message: string): Failure {
  return fail('untrusted', message, 'enroll this host: perftrawl agent enroll --token TOKEN').failure;
}

function refuse(socket: TLSSocket, arrival: Arrival, failure: Failure, greeter: Greeter): void {
  const { times, complain, onRefused } = greeter;
  const { remoteAddress } = arrival;
  complain(`refused an agent from ${remoteAddress}: ${failure.message}`);
  const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined;
  onRefused?.({ who: (certificate && nameOf(certificate)) ?? '', remoteAddress, failure });
  // To take what it still sends: a connection that is closed with something unread is reset, and the reason would be lost.
  socket.resume();
  socket.end(encodeDialFrame({ kind: 'refused', failure }));
  arrival.allow(times.pongTimeout);
}
