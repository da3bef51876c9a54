// An answer that takes long, as JSON: spaces before it keep the connection alive, and a failure comes in the body, since the status is sent by then.
import type { Milliseconds } from '../../proto/capture.js';
import { toFailure } from '../../proto/failure.js';
import type { Clock } from '../clock.js';

const beat: Milliseconds = 15_000;

/** JSON may begin with white space (RFC 8259, 2). */
export async function* heldAnswer(value: Promise<unknown>, clock: Clock, signal: AbortSignal): AsyncGenerator<string> {
  const over = new AbortController();
  const text = value
    .then(
      (answer) => JSON.stringify(answer),
      (error: unknown) => JSON.stringify({ error: toFailure(error) }),
    )
    .finally(() => over.abort());
  const limited = AbortSignal.any([signal, over.signal]);
  while ((await clock.sleep(beat, limited)) === 'elapsed') yield ' ';
  yield await text;
}
