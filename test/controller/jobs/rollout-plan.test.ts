// Waves hold each host once, in order; a failing canary or too many failures halt the rest.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Host, HostRun, HostRunState, Rollout, Share } from '../../../controller/api.js';
import { checkRollout, planWaves, reasonToHalt } from '../../../controller/jobs/rollout-plan.js';

const fleet = (count: number): Host[] =>
  Array.from({ length: count }, (_, i) => ({ name: `h${i}`, labels: {}, address: { transport: 'local' } }));

const percent = (...list: number[]): Share[] => list.map((value) => ({ kind: 'percent', percent: value }));
const sizes = (count: number, rollout: Partial<Rollout>) =>
  planWaves(fleet(count), { waves: [], settle: 0, ...rollout }).map((wave) => wave.length);

const share: fc.Arbitrary<Share> = fc.oneof(
  fc.record({ kind: fc.constant('hosts' as const), hosts: fc.integer({ min: 1, max: 300 }) }),
  fc.record({ kind: fc.constant('percent' as const), percent: fc.double({ min: 0.1, max: 100, noNaN: true }) }),
);

describe('waves', () => {
  it('count what has started before', () => {
    expect(sizes(40, { waves: percent(5, 25, 100) })).toEqual([2, 8, 30]);
    expect(sizes(40, { canary: { kind: 'hosts', hosts: 1 }, waves: percent(5, 25) })).toEqual([1, 1, 8, 30]);
    expect(sizes(3, { canary: { kind: 'percent', percent: 1 } })).toEqual([1, 2]);
    expect(planWaves(fleet(3), undefined).map((wave) => wave.length)).toEqual([3]);
  });

  it('hold each host once, in the order of the job, and none is empty', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.array(share, { maxLength: 8 }), (count, waves) => {
        const planned = planWaves(fleet(count), { waves, settle: 0, canary: { kind: 'hosts', hosts: 1 } });
        expect(planned.flat()).toEqual(fleet(count));
        expect(planned.every((wave) => wave.length > 0)).toBe(true);
      }),
    );
  });
});

describe('a rollout', () => {
  const runs = (...states: HostRunState[]): HostRun[] =>
    states.map((state, i) => ({
      ...{ jobId: 'j', host: `h${i}`, captureId: `j.h${i}`, state, captureState: undefined, sequence: 0 },
      ...{ started: 0, ended: 0, failure: undefined, progress: { elapsed: 0, samples: 0, bytes: 0, lost: 0 } },
      ...{ losses: [], cost: undefined, artifacts: [], commandLines: [], parts: [], module: undefined },
    }));
  const rollout: Rollout = { waves: [], settle: 0, failFast: 20 };

  it.each<[string, HostRunState[], string | undefined]>([
    [
      'goes on at exactly the rate',
      ['succeeded', 'succeeded', 'succeeded', 'succeeded', 'failed', 'waiting'],
      undefined,
    ],
    ['waits for enough hosts', ['failed', 'failed', 'waiting', 'waiting', 'waiting', 'waiting'], undefined],
    [
      'halts above it',
      ['succeeded', 'succeeded', 'lost', 'failed', 'succeeded', 'waiting'],
      '2 of 5 hosts failed, more than 20 %',
    ],
    [
      'counts no host that a person cancelled',
      ['cancelled', 'cancelled', 'cancelled', 'cancelled', 'failed'],
      undefined,
    ],
  ])('%s', (_, states, reason) => {
    expect(reasonToHalt(rollout, runs(...states))).toBe(reason);
  });

  it('halts at a failed canary, and only at that', () => {
    const canary: Rollout = { waves: [], settle: 0, canary: { kind: 'hosts', hosts: 1 } };
    expect(reasonToHalt(canary, runs('failed', 'waiting'))).toBe('the canary failed on h0');
    expect(reasonToHalt(canary, runs('succeeded', 'failed', 'failed', 'waiting'))).toBeUndefined();
  });

  it.each<Partial<Rollout>>([
    { canary: { kind: 'hosts', hosts: 0 } },
    { waves: percent(0) },
    { waves: percent(101) },
    { failFast: 101 },
    { settle: -1 },
    { settle: Number.NaN },
  ])('is refused as %j', (change) => {
    expect(() => checkRollout({ ...rollout, ...change })).toThrow();
  });
});
