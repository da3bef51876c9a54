// Whether the CPU time of a capture will last: readings as they would come, twice a second.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CpuPurse, type CpuVerdict } from '../../../agent/capture/cpu-purse.js';

/** Judged every half second while `cpuAt` (of milliseconds since the start) is used. */
function verdicts(purse: CpuPurse, until: number, cpuAt: (at: number) => number): CpuVerdict[] {
  const list: CpuVerdict[] = [];
  for (let at = 500; at <= until; at += 500) list.push(purse.judge(at, cpuAt(at)));
  return list;
}

describe('CpuPurse', () => {
  it('lets a short capture be that is mostly start', () => {
    const purse = new CpuPurse(2060, 3000, 2);
    expect(new Set(verdicts(purse, 3000, (at) => Math.min(900, at) + at * 0.02).map(({ kind }) => kind))).toEqual(
      new Set(['within']),
    );
  });

  it('lets a long capture be that keeps its share, whatever its start costs', () => {
    const purse = new CpuPurse(2000 + 60_000 * 2 * 0.01, 60_000, 2);
    const found = verdicts(purse, 60_000, (at) => 1500 + at * 0.02);
    expect(found.every(({ kind }) => kind === 'within')).toBe(true);
  });

  it('asks for a lower rate as soon as it would be overdrawn by far, and says the pace', () => {
    const purse = new CpuPurse(2200, 10_000, 2);
    const found = verdicts(purse, 1500, (at) => 300 + at * 0.5);
    expect(found.map(({ kind }) => kind)).toEqual(['within', 'within', 'too-fast']);
    // Half of one CPU is a quarter of two.
    expect(found[2]).toMatchObject({ percent: 25 });
  });

  it('measures anew after the rate was lowered', () => {
    const purse = new CpuPurse(2200, 10_000, 2);
    verdicts(purse, 1500, (at) => 300 + at * 0.5);
    purse.restart(1500);
    const slow = [2000, 2500, 3000, 5000, 9000].map((at) => purse.judge(at, 1050 + 300 + (at - 1500) * 0.05).kind);
    expect(new Set(slow)).toEqual(new Set(['within']));
  });

  it('is empty at its last millisecond, and not when the recording is over', () => {
    const purse = new CpuPurse(2200, 10_000, 2);
    expect(purse.judge(9000, 2199).kind).toBe('within');
    expect(purse.judge(9500, 2200).kind).toBe('empty');
    expect(purse.judge(10_000, 2300).kind).toBe('within');
  });

  it('without a bound never says anything', () => {
    expect(new CpuPurse(0, 10_000, 2).judge(9000, 1e9)).toEqual({ kind: 'within' });
  });

  it('never lets more be used than there is, and asks for less where that helps', () => {
    const share = fc.double({ min: 0.001, max: 2, noNaN: true });
    const start = fc.integer({ min: 0, max: 1500 });
    const property = fc.property(share, start, fc.integer({ min: 3, max: 120 }), (pace, startCpu, seconds) => {
      const allowed = 2000 + seconds * 1000 * 0.02;
      const purse = new CpuPurse(allowed, seconds * 1000, 2);
      for (let at = 500; at < seconds * 1000; at += 500) {
        const cpu = startCpu + pace * at;
        const verdict = purse.judge(at, cpu);
        if (verdict.kind === 'empty') return cpu >= allowed;
        if (cpu >= allowed) return false;
        if (verdict.kind === 'too-fast') {
          const isNeeded = cpu + pace * (seconds * 1000 - at) > allowed;
          return isNeeded && verdict.factor > 0 && verdict.factor <= 0.5;
        }
      }
      return true;
    });
    fc.assert(property);
  });
});
