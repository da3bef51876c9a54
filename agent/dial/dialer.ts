// Keeps a connection to one of the controllers that this host dials, for as long as the agent runs.
import type { Milliseconds } from '../../proto/capture.js';
import type { Failure } from '../../proto/failure.js';
import { Backoff, type BackoffRule } from './backoff.js';
import { type DialAddress, holdLink, type LinkOptions, place } from './controller-link.js';

export interface DialerOptions extends Omit<LinkOptions, 'onWelcome'> {
  readonly address: DialAddress;
  readonly backoff: BackoffRule;
  readonly random: () => number;
  /** Milliseconds of a clock that nobody sets. */
  readonly monotonic: () => number;
  /** Resolves after so long, or when the signal aborts. */
  readonly sleep: (time: Milliseconds, signal: AbortSignal) => Promise<void>;
  /** One line for the log. */
  readonly note: (line: string) => void;
}

/** The same trouble is told again after so long. */
const TELL_AGAIN: Milliseconds = 3_600_000;

/** Resolves when the signal aborts. */
export async function keepDialing(options: DialerOptions, signal: AbortSignal): Promise<void> {
  const { address, monotonic, sleep, note } = options;
  const backoff = new Backoff(options.backoff, options.random);
  const told = new Map<string, number>();
  while (!signal.aborted) {
    let welcomed: number | undefined;
    const onWelcome = (host: string) => {
      welcomed = monotonic();
      told.clear();
      note(`connected to ${place(address)}, which knows this host as ${host}`);
    };
    const { failure, isRefused } = await holdLink(address, { ...options, onWelcome }, signal);
    if (signal.aborted) return;
    tell(failure, told, monotonic(), note);
    const lasted = welcomed === undefined ? 0 : monotonic() - welcomed;
    await sleep(backoff.next(lasted, isRefused), signal);
  }
}

/** @param told when each message was told last, since there was a connection */
function tell(
  { message, remedy }: Failure,
  told: Map<string, number>,
  now: number,
  note: (line: string) => void,
): void {
  for (const [text, at] of told) if (now - at >= TELL_AGAIN) told.delete(text);
  if (told.has(message) || told.size > 100) return;
  told.set(message, now);
  note(remedy === '' ? message : `${message}\n  try: ${remedy}`);
}
