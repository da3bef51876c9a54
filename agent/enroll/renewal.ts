// Keeps the certificate of an enrolled host fresh: at two thirds of its life a new one, for a new key, by the present one.
import { X509Certificate } from 'node:crypto';
import type { Milliseconds } from '../../proto/capture.js';
import { type Failure, toFailure } from '../../proto/failure.js';
import { timeoutSignal } from '../../proto/timeout-signal.js';
import { renewHost } from './enroll.js';
import { ENROLL_DEADLINE, placeText, type ServerPlace } from './enroll-client.js';
import { type AgentIdentity, readAgentIdentity } from './identity-directory.js';

export interface RenewalOptions {
  readonly state: string;
  /** Tried in order. */
  readonly servers: readonly ServerPlace[];
  /** Milliseconds since 1970 UTC. */
  readonly now: () => number;
  /** Resolves after that time, or at once when `signal` aborts. */
  readonly sleep: (duration: Milliseconds, signal: AbortSignal) => Promise<unknown>;
  /** From 0 up to, not including, 1. */
  readonly random: () => number;
  /** For the agent's log. */
  readonly note: (text: string) => void;
}

/** How often the clock and the files are looked at, however far the next renewal is: clocks jump, and hosts are enrolled anew. */
const LOOK_INTERVAL: Milliseconds = 3_600_000;
const FIRST_PAUSE: Milliseconds = 30_000;
const LONGEST_PAUSE: Milliseconds = 3_600_000;
/** Of the time that is left; a failed renewal is tried some ten times before the certificate ends. */
const PAUSE_SHARE = 0.1;
/** Hosts that were enrolled together renew spread over so much of the life of their certificates. */
const SPREAD = 0.05;

/** Until `signal` aborts. */
export async function keepRenewed(options: RenewalOptions, signal: AbortSignal): Promise<void> {
  const { now, sleep, random, note } = options;
  const spread = random() * SPREAD;
  let failures = 0;
  let toldEnd = 0;
  while (!signal.aborted) {
    const present = await readPresent(options);
    if (present === undefined) {
      await sleep(LOOK_INTERVAL / 6, signal);
      continue;
    }
    const { from, until } = lifeOf(present);
    const due = until - (until - from) * (1 / 3 + spread);
    if (now() >= until) {
      if (toldEnd !== until) note(endedText(until));
      toldEnd = until;
      await sleep(LOOK_INTERVAL / 6, signal);
    } else if (now() < due) {
      await sleep(Math.min(due - now(), LOOK_INTERVAL), signal);
    } else {
      const failure = await renewAnywhere(options, present, signal);
      failures = failure === undefined ? 0 : failures + 1;
      // A clock that is wrong by most of a certificate's life takes each new one for due again.
      if (failure === undefined) await sleep(Math.min((until - from) * PAUSE_SHARE, LOOK_INTERVAL), signal);
      if (failure !== undefined && !signal.aborted) {
        const pause = pauseAfter(failures, until - now(), random());
        note(
          `cannot renew the certificate, which ends at ${moment(until)}: ${failureText(failure)}; next try in ${seconds(pause)}`,
        );
        await sleep(pause, signal);
      }
    }
  }
}

/**
 * Full jitter under a limit that doubles, at most an hour and at most a tenth of what is left of the certificate's life.
 * @param draw from 0 up to 1
 */
export function pauseAfter(failures: number, left: Milliseconds, draw: number): Milliseconds {
  const most = Math.min(
    LONGEST_PAUSE,
    Math.max(1000, left * PAUSE_SHARE),
    FIRST_PAUSE * 2 ** Math.min(failures - 1, 20),
  );
  return Math.max(500, Math.round(draw * most));
}

/** Undefined when there is none, or none that can be read; told each time. */
async function readPresent({ state, note }: RenewalOptions): Promise<AgentIdentity | undefined> {
  try {
    const present = await readAgentIdentity(state);
    if (present === undefined) note('there is no identity of this host to renew any more: perftrawl agent enroll');
    else lifeOf(present);
    return present;
  } catch (error) {
    note(`cannot renew the certificate: ${failureText(toFailure(error))}`);
    return undefined;
  }
}

/** The last failure, or undefined. */
async function renewAnywhere(
  { servers, state, note }: RenewalOptions,
  present: AgentIdentity,
  signal: AbortSignal,
): Promise<Failure | undefined> {
  let last: Failure | undefined;
  for (const place of servers) {
    try {
      const limited = timeoutSignal(ENROLL_DEADLINE, signal);
      const { notAfter } = await renewHost(place, present, state, limited);
      note(`renewed the certificate at ${placeText(place)}; it is good until ${moment(notAfter)}`);
      return undefined;
    } catch (error) {
      last = toFailure(error);
    }
  }
  return last;
}

function lifeOf({ cert }: AgentIdentity): { readonly from: number; readonly until: number } {
  const { validFrom, validTo } = new X509Certificate(cert);
  return { from: Date.parse(validFrom), until: Date.parse(validTo) };
}

function endedText(until: number): string {
  return `the certificate of this host has ended at ${moment(until)}: enroll it again, with a token that says --replace: perftrawl agent enroll`;
}

function moment(time: number): string {
  return new Date(time).toISOString();
}

function seconds(duration: Milliseconds): string {
  return `${Math.ceil(duration / 1000)} s`;
}

function failureText({ message, remedy }: Failure): string {
  return remedy === '' ? message : `${message} (${remedy})`;
}
