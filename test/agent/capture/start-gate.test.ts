// A capture waits for the agreed start: how far ahead that may lie, that a stop ends the waiting, and what is told of the start.
import { describe, expect, it } from 'vitest';
import { LONGEST_WAIT, StartGate } from '../../../agent/capture/start-gate.js';
import { FailureError } from '../../../proto/failure.js';

const now = 1_700_000_000_000;
const never = new AbortController().signal;

describe('a start gate', () => {
  it('opens no sooner than agreed, and tells the start on the clock of the request', async () => {
    const gate = new StartGate(now + 40, now);
    await gate.open(never);
    const { time, late } = gate.startNow();
    expect(late).toBeGreaterThanOrEqual(0);
    expect(time).toBeCloseTo(now + 40 + late, 3);
  });

  it('is open already when the start is past, and says how late that is', async () => {
    const gate = new StartGate(now - 5000, now);
    await gate.nearly(never);
    await gate.open(never);
    expect(gate.startNow().late).toBeGreaterThanOrEqual(5000);
  });

  it('is left when the capture is stopped', async () => {
    const stop = new AbortController();
    const gate = new StartGate(now + LONGEST_WAIT, now);
    const waiting = Promise.all([gate.nearly(stop.signal), gate.open(stop.signal)]);
    stop.abort();
    await waiting;
    expect(gate.left).toBeGreaterThan(0);
  });

  it.each([[now + LONGEST_WAIT + 1], [Number.NaN], [Number.POSITIVE_INFINITY]])(
    'refuses a start at %s',
    async (startAt) => {
      let refused: unknown;
      try {
        new StartGate(startAt, now);
      } catch (error) {
        refused = error;
      }
      expect(refused instanceof FailureError && refused.failure.code).toBe('bad-request');
    },
  );
});
