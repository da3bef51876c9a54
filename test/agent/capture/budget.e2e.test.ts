// Budgets enforced on real captures with real perf: first a lower rate, then an end that keeps what there is, marked.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NO_ADMISSION } from '../../../agent/host/admission.js';
import type { BudgetLimits } from '../../../proto/budget.js';
import type { CaptureEvent, RecordSpec } from '../../../proto/capture.js';
import { mountTracefs } from '../../oracle/perf-tools.js';
import { all, capture, faultsOf, LiveHost, never, profileOf, the, total } from './live-host.js';
import { UNRESTRAINED } from './unrestrained.js';

let host: LiveHost;
/** Faults as fast as it can. */
let greedy: number;

beforeAll(async () => {
  await mountTracefs();
  host = await LiveHost.create();
  greedy = await host.startWorkload('faults', '1000000000', '12', '50', '0', '4000');
});
afterAll(async () => {
  await host.dispose();
});

/** Every tick of the CPUs, which no budget of half a second or so can pay for. */
const clocks = (duration: number, change: Partial<RecordSpec> = {}): RecordSpec =>
  faultsOf(greedy, {
    ...{ target: { kind: 'system' }, events: [{ name: 'cpu-clock' }], rate: { frequency: 90_000 }, duration },
    ...change,
  });

const losses = (events: readonly CaptureEvent[]) => all(events, 'losses').flatMap((batch) => batch.losses);
const outOfBudget = (events: readonly CaptureEvent[]) =>
  losses(events).filter(({ kind, detail }) => kind === 'out-of-budget' && /over budget/.test(detail));
const accountOf = (events: readonly CaptureEvent[]) => the(events, 'cost').cost.budget;

describe('a capture that costs too much', () => {
  it('is recorded at a lower rate or ended, whichever comes first, and says so', async () => {
    const service = await host.service();
    const duration = 60_000;
    const events = await capture(service, 'greedy', clocks(duration, { budget: { cpuPercent: 0.001 } }));
    const told = outOfBudget(events).map(({ detail }) => detail);
    expect(told.length).toBeGreaterThan(0);
    for (const detail of told)
      expect(detail).toMatch(/^(rate lowered from \d+ to \d+ Hz at|ended before its time, over budget|ended at)/);
    const { outcome, commandLines } = the(events, 'done');
    const isEnded = told.some((detail) => detail.startsWith('ended before'));
    expect(outcome).toBe(isEnded ? 'stopped' : 'finished');
    expect(accountOf(events)?.overBudget !== '').toBe(isEnded);
    const records = commandLines.filter((line) => line.includes(' record '));
    expect(records).toHaveLength(1 + told.filter((detail) => detail.startsWith('rate lowered')).length);
    expect(total(profileOf(events), 'samples:cpu-clock')).toBeGreaterThan(0);
    expect(accountOf(events)?.allowedCpu).toBe(2000 + Math.round((duration * host.cpuCount) / 100_000));
  });

  it('ends when nothing is left, with what there is, and says so', async () => {
    const service = await host.service();
    // Kept raw, it is one file of perf and cannot be begun anew.
    const spec = clocks(60_000, { budget: { cpuPercent: 0.001 }, keepRaw: true });
    const events = await capture(service, 'ended', spec);
    expect(the(events, 'done')).toMatchObject({ outcome: 'stopped' });
    const account = accountOf(events);
    expect(account?.overBudget).toMatch(/of CPU time were used after \d+\.\d s, 2\.0 s are allowed$/);
    expect(account?.recordingCpu).toBeGreaterThanOrEqual(2000);
    expect(outOfBudget(events).map(({ detail }) => detail)).toEqual([
      `ended before its time, over budget: ${account?.overBudget}`,
    ]);
    const profile = profileOf(events);
    expect(total(profile, 'samples:cpu-clock')).toBeGreaterThan(1000);
    expect(profile.duration).toBeLessThan(60_000);
  });

  it('ends when agent and tools need more memory than it may', async () => {
    const service = await host.service();
    const spec = faultsOf(greedy, { duration: 60_000, budget: { cpuPercent: 0, memoryBytes: 1024 ** 2 } });
    const events = await capture(service, 'memory', spec);
    expect(the(events, 'done')).toMatchObject({ outcome: 'stopped' });
    expect(accountOf(events)?.overBudget).toMatch(/^\d+\.\d MiB of memory were in use, 1\.0 MiB are allowed$/);
  });

  it('ends when it spools more than it may, and keeps no half a perf.data', async () => {
    const service = await host.service();
    const budget = { cpuPercent: 0, spoolBytes: 100_000 };
    const stat = {
      ...{ kind: 'stat' as const, target: { kind: 'system' as const }, duration: 60_000, interval: 10, perCpu: true },
      events: ['page-faults', 'context-switches', 'cpu-migrations', 'task-clock'].map((name) => ({ name })),
    };
    const counted = await capture(service, 'spool', { ...stat, budget });
    expect(the(counted, 'done')).toMatchObject({ outcome: 'stopped' });
    expect(accountOf(counted)?.overBudget).toMatch(/^0\.1 MiB were spooled, 0\.1 MiB are allowed$/);
    const raw = await capture(service, 'raw', faultsOf(greedy, { duration: 3000, keepRaw: true, budget }));
    expect(all(raw, 'artifact')).toEqual([]);
    expect(losses(raw).map(({ detail }) => detail)).toContainEqual(
      expect.stringMatching(/^perf.data was not kept: the capture has reached the 100000 bytes that it may spool/),
    );
  });

  it('of a kit does so with all its parts together', async () => {
    const service = await host.service();
    const target = { kind: 'system' as const };
    const duration = 60_000;
    const same = { kind: 'stat' as const, target, duration };
    const stat = { ...same, events: [{ name: 'page-faults' }], interval: 500, perCpu: false };
    const parts = [clocks(duration), stat];
    const events = await capture(service, 'kit', { ...same, kind: 'kit', parts, budget: { cpuPercent: 0.001 } });
    const account = accountOf(events);
    // Each part has an allowance for its start.
    expect(account?.allowedCpu).toBe(4000 + Math.round((duration * host.cpuCount) / 100_000));
    expect(outOfBudget(events).length).toBeGreaterThan(0);
    const { outcome } = the(events, 'done');
    expect(outcome).toBe(account?.overBudget === '' ? 'finished' : 'stopped');
    expect(all(events, 'part').map((part) => part.outcome)).toEqual([outcome, outcome]);
    expect(total(profileOf(events), 'samples:cpu-clock')).toBeGreaterThan(0);
  });
});

describe('an ordinary capture', () => {
  const standard: BudgetLimits = { cpuPercent: 1, memoryBytes: 0, spoolBytes: 0 };

  it('is left alone by the default budget, and told what it costs while it runs', async () => {
    const service = await host.service({}, { standard, most: { cpuPercent: 0, memoryBytes: 0, spoolBytes: 0 } });
    const events = await capture(service, 'ordinary', clocks(3000, { rate: { frequency: 99 } }));
    expect(the(events, 'done').outcome).toBe('finished');
    expect(outOfBudget(events)).toEqual([]);
    const account = accountOf(events);
    expect(account).toMatchObject({ limits: standard, overBudget: '', allowedCpu: 2000 + 30 * host.cpuCount });
    const costs = all(events, 'progress').map(({ cost }) => cost?.budget?.recordingCpu ?? Number.NaN);
    expect(costs.length).toBeGreaterThan(1);
    expect(costs).toEqual([...costs].sort((a, b) => a - b));
    expect(costs.at(-1)).toBeGreaterThan(0);
    const { toolCpu, agentCpu, peakMemoryBytes } = the(events, 'cost').cost;
    expect(toolCpu + agentCpu).toBeGreaterThanOrEqual(account?.recordingCpu ?? Number.NaN);
    expect(peakMemoryBytes).toBeGreaterThan(10 * 1024 ** 2);
  });

  it('never gets more than the host allows', async () => {
    const most = { cpuPercent: 1, memoryBytes: 1024 ** 3, spoolBytes: 0 };
    const service = await host.service({}, { standard, most });
    const spec = faultsOf(greedy, { duration: 200, budget: { cpuPercent: 0, spoolBytes: 1e9 } });
    expect(accountOf(await capture(service, 'capped', spec))?.limits).toEqual({
      ...{ cpuPercent: 1, memoryBytes: 1024 ** 3, spoolBytes: 1e9 },
    });
  });
});

describe('admission', () => {
  it('refuses a capture on a host without enough of what it wants, and tells preflight and describe the same', async () => {
    const strict = { ...NO_ADMISSION, memoryPercent: 100 };
    const service = await host.service({}, UNRESTRAINED.budget, strict);
    const spec = faultsOf(greedy, { duration: 100, evenIfBusy: true });
    await expect(capture(service, 'refused', spec)).rejects.toMatchObject({
      failure: {
        code: 'refused',
        message: expect.stringMatching(
          /^this host takes no captures now: \d+ MiB of \d+ MiB of memory are available, the limit is/,
        ),
        remedy: 'free memory on that host',
      },
    });
    expect(await service.listCaptures()).not.toContainEqual(expect.objectContaining({ captureId: 'refused' }));
    const problem = expect.objectContaining({ code: 'little-memory', isFatal: true });
    expect((await service.preflight(spec, never)).problems).toContainEqual(problem);
    expect((await service.describe(never)).problems).toContainEqual(problem);
  });

  it('asks nothing of who only reads a file', async () => {
    const service = await host.service({}, UNRESTRAINED.budget, { ...NO_ADMISSION, memoryPercent: 100 });
    const detail = { split: 'comm' as const, keepTimestamps: false, lines: false };
    const spec = { kind: 'file' as const, path: '/nowhere', format: 'detect' as const, detail };
    expect(the(await capture(service, 'reading', spec), 'done').failure?.code).toBe('not-found');
  });
});
