// A deadline outlives garbage collections, which Node 20's own combination of signals does not.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { timeoutSignal } from '../../proto/timeout-signal.js';

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

const aborted = (signal: AbortSignal) =>
  new Promise<string>((resolve) =>
    signal.addEventListener('abort', () => resolve((signal.reason as Error).name), { once: true }),
  );

it.each([true, false])('comes although nobody else holds it (combined: %s)', async (isCombined) => {
  const over = aborted(timeoutSignal(300, isCombined ? new AbortController().signal : undefined));
  for (let i = 0; i < 5; i++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    collect();
  }
  expect(await over).toBe('TimeoutError');
});

it('comes with the other signal too', async () => {
  const other = new AbortController();
  const over = aborted(timeoutSignal(60_000, other.signal));
  other.abort(new RangeError('enough'));
  expect(await over).toBe('RangeError');
});
