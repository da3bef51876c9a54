// Which failures are worth another try, how often, and why. What is not in the table is final.
import type { Milliseconds } from '../../proto/capture.js';
import { type Failure, type FailureCode, toFailure } from '../../proto/failure.js';

export interface RetryRule {
  /** Tries after the first one, without any success in between. */
  readonly retries: number;
  readonly firstDelay: Milliseconds;
  /** Delays double up to this. */
  readonly longestDelay: Milliseconds;
  readonly reason: string;
}

export type RetryTable = Partial<Record<FailureCode, RetryRule>>;

/** For short questions (Describe, …): somebody waits for the answer. */
export const askingRetries: RetryTable = {
  unreachable: {
    retries: 2,
    firstDelay: 250,
    longestDelay: 1_000,
    reason: 'an agent that restarts is back within a second',
  },
};

/** For a capture on a host that runs as many as it may: each of them ends by itself. A deadline bounds it. */
export const busyRetries: RetryTable = {
  busy: {
    retries: Number.POSITIVE_INFINITY,
    firstDelay: 250,
    longestDelay: 5_000,
    reason: 'hosts take one capture of a kind at a time, and another one ends after its duration',
  },
};

/** For a raw file that is fetched: somebody waits for it, and what has come is kept. */
export const fetchingRetries: RetryTable = {
  unreachable: {
    retries: 8,
    firstDelay: 250,
    longestDelay: 15_000,
    reason: 'networks and agents come back; the file is on the disk of the agent',
  },
};

/** For a capture that runs: the agent goes on and keeps everything, so that patience costs nothing. Only the deadline ends it. */
export const followingRetries: RetryTable = {
  unreachable: {
    retries: Number.POSITIVE_INFINITY,
    firstDelay: 250,
    longestDelay: 15_000,
    reason: 'networks and agents come back, also after minutes; the log is on the disk of the agent',
  },
};

/**
 * How long to wait before try number `attempt` (1 for the first retry), or undefined when there shall be none. Half of the delay is
 * random, so that hosts that failed together do not come back together.
 * @param random a number from 0 up to, not including, 1
 */
export function retryDelay(
  table: RetryTable,
  code: FailureCode,
  attempt: number,
  random: () => number,
): Milliseconds | undefined {
  const rule = table[code];
  if (rule === undefined || attempt > rule.retries) return undefined;
  const delay = Math.min(rule.longestDelay, rule.firstDelay * 2 ** (attempt - 1));
  return delay / 2 + (random() * delay) / 2;
}

/**
 * What a failed call says about the connection: a call that is cancelled, though not by our `signal`, was ended by an agent that shuts
 * down, or by another user of the same connection who found it broken.
 */
export function callFailure(error: unknown, signal: AbortSignal): Failure {
  const failure = toFailure(error);
  // How gRPC reports some broken streams; an internal error of the agent has its own words.
  const isReset = failure.code === 'internal' && failure.message.includes('RST_STREAM');
  if (signal.aborted || (failure.code !== 'cancelled' && !isReset)) return failure;
  return { ...failure, code: 'unreachable', message: `the connection was closed: ${failure.message}`, remedy: '' };
}
