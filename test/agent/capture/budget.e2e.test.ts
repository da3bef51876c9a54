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
    ...{ target: { kind: 'system' }, events: [{ name: 'cpu-clock' }], rate: { frequency: 20_000 }, duration },
    ...change,
  });

const losses = (events: readonly CaptureEvent[]) => all(events, 'losses').flatMap((batch) => batch.losses);
const outOfBudget = (events: readonly CaptureEvent[]) =>
  losses(events).filter(({ kind, detail }) => kind === 'out-of-budget' && /over budget/.test(detail));
const accountOf = (events: readonly CaptureEvent[]) => the(events, 'cost').cost.budget;

describe('a capture that costs too much', () => {
  it('is recorded at a lower rate, and its weights stay right', async () => {
    const service = await host.service();
    const duration = 20_000;
    const events = await capture(service, 'lowered', clocks(duration, { budget: { cpuPercent: 2 } }));
    const lowered = outOfBudget(events).filter(({ detail }) => detail.startsWith('rate lowered from 20000 to '));
    expect(lowered).toHaveLength(1);
    expect(lowered[0].detail).toMatch(
      /at \d+\.\d s, over budget: \d+\.\d % of this host's CPU, 2 % is allowed; \d+\.\d s in between/,
    );
    const records = the(events, 'done').commandLines.filter((line) => line.includes(' record '));
    expect(records.length).toBeGreaterThanOrEqual(2);
    expect(records[0]).toContain('--freq=20000');
    const second = Number(/--freq=(\d+)/.exec(records[1])?.[1]);
    expect(second).toBeLessThanOrEqual(10_000);
    // A clock's weight is the time that passed, whatever the rate: more than the first piece alone can have.
    const profile = profileOf(events);
    expect(total(profile, 'cpu-clock')).toBeGreaterThan(0);
    expect(profile.losses).toEqual(expect.arrayContaining([lowered[0]]));
    const { allowedCpu, recording } = accountOf(events) ?? {};
    expect(allowedCpu).toBe(2000 + (duration * host.cpuCount * 2) / 100);
    expect(recording).toBeGreaterThan(0);
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

  it('of a kit lowers the rate of its perf record, and ends all its parts together', async () => {
    const service = await host.service();
    const target = { kind: 'system' as const };
    const duration = 60_000;
    const stat = {
      kind: 'stat' as const,
      target,
      duration,
      events: [{ name: 'page-faults' }],
      interval: 500,
      perCpu: false,
    };
    const kit = {
      kind: 'kit' as const,
      target,
      duration,
      parts: [clocks(duration), stat],
      budget: { cpuPercent: 0.001 },
    };
    const events = await capture(service, 'kit', kit);
    const account = accountOf(events);
    // Each part has an allowance for its start.
    expect(account?.allowedCpu).toBe(4000 + Math.round((duration * host.cpuCount) / 100_000));
    expect(the(events, 'done')).toMatchObject({ outcome: 'stopped' });
    expect(account?.overBudget).toMatch(/4\.0 s are allowed$/);
    expect(all(events, 'part').map(({ outcome }) => outcome)).toEqual(['stopped', 'stopped']);
    expect(outOfBudget(events).some(({ detail }) => detail.startsWith('rate lowered from 20000 to '))).toBe(true);
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
