// A kit with real perf on a real process, beside a staprun that prints what the real one printed, or that is not there.
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CaptureService, DEFAULT_LIMITS } from '../../../agent/capture-service.js';
import { localMachine } from '../../../agent/host/machine.js';
import { defaultPolicy } from '../../../agent/policy/policy.js';
import { Spool } from '../../../agent/spool/spool.js';
import { countOf } from '../../../profile/histogram.js';
import type { KitPart, KitSpec, StapSpec, Target } from '../../../proto/capture.js';
import { FakeStapHost, FIXTURES, scriptThat, stapOf } from '../stap/fake-stap.js';
import {
  all,
  capture,
  faultsOf,
  followed,
  LiveHost,
  profileOf,
  the,
  total,
  waitFor,
  waitForSamples,
} from './live-host.js';
import { UNRESTRAINED } from './unrestrained.js';

let live: LiveHost;
let fake: FakeStapHost;
let service: CaptureService;
let faulty: number;
/** By its path: other tests run programs of that name. */
let selected: Target;

beforeAll(async () => {
  live = await LiveHost.create();
  fake = await FakeStapHost.create();
  faulty = await live.startWorkload('faults', '1000000000', '12', '50', '0', '4000');
  selected = { kind: 'processes', selector: { comms: ['faults'], cmdline: basename(live.directory) } };
  service = await serviceWith(`${fake.programs}:${process.env.PATH ?? ''}`);
});
afterAll(async () => {
  await service.stopAll();
  await live.dispose();
  await fake.dispose();
});

async function serviceWith(path: string): Promise<CaptureService> {
  return new CaptureService({
    machine: localMachine({ path }),
    spool: await Spool.open({ directory: live.state, limit: 1e9, now: Date.now }),
    stateDirectory: live.state,
    policy: defaultPolicy(false),
    name: 'kit',
    limits: DEFAULT_LIMITS,
    ...UNRESTRAINED,
    onDefect: (_captureId, error) => {
      throw error;
    },
  });
}

const printing = scriptThat({ do: 'print', file: join(FIXTURES, '50_two_keys.stdout') });

function kit(script: StapSpec['script'], duration = 1500, target = selected): KitSpec {
  const parts: KitPart[] = [
    faultsOf(faulty, { target, duration }),
    { kind: 'stat', target, duration, events: [{ name: 'page-faults' }], interval: 200, perCpu: false },
    stapOf(script, { target, duration }),
  ];
  return { kind: 'kit', target, duration, parts };
}

describe('a kit', () => {
  it('has all of its parts in one log, of the same processes at the same time', async () => {
    const events = await capture(service, 'kit', kit(printing));
    expect(the(events, 'done')).toMatchObject({ outcome: 'finished' });
    expect(all(events, 'state').map(({ state }) => state)).toEqual([
      'resolving',
      'compiling',
      'running',
      'symbolizing',
    ]);
    expect(all(events, 'state')[2]?.detail).toContain(`faults (${faulty})`);
    expect(
      all(events, 'part')
        .map(({ part, outcome }) => `${part} ${outcome}`)
        .sort(),
    ).toEqual([...['record finished', 'stap finished', 'stat finished']]);
    expect(total(profileOf(events), 'page-faults')).toBeGreaterThan(0);
    expect(all(events, 'counters').flatMap(({ points }) => points).length).toBeGreaterThanOrEqual(4);
    const histograms = all(events, 'histograms').flatMap(({ points }) => points);
    expect(histograms.every(({ histogram }) => countOf(histogram) > 0)).toBe(true);
    expect(histograms.length).toBeGreaterThan(0);
    const { commandLines } = the(events, 'done');
    for (const tool of [/perf record/, /perf stat/, /stap -p4/, /staprun -R -x/]) {
      expect(commandLines).toContainEqual(expect.stringMatching(tool));
    }
    expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, index) => index + 1));
    expect(the(events, 'cost').cost.recordedBytes).toBeGreaterThan(1000);
  });

  it('goes on without a part that cannot run, and says why', async () => {
    const without = await serviceWith(process.env.PATH ?? '');
    const events = await capture(without, 'no-stap', kit(printing));
    expect(the(events, 'done')).toMatchObject({ outcome: 'finished' });
    const stap = all(events, 'part').find(({ part }) => part === 'stap');
    expect(stap).toMatchObject({
      outcome: 'failed',
      failure: { code: 'tool-missing', message: expect.stringContaining('staprun is not on this host') },
    });
    expect(total(profileOf(events), 'page-faults')).toBeGreaterThan(0);
    expect(the(events, 'losses').losses).toContainEqual({
      kind: 'missing-parts',
      count: 1,
      detail: `stap: ${stap?.failure?.message}`,
    });
  });

  it('fails when none can run, with all the reasons', async () => {
    const bare = await serviceWith('/nonexistent');
    const { failure, outcome } = the(await capture(bare, 'bare', kit(printing)), 'done');
    expect(outcome).toBe('failed');
    expect(failure).toMatchObject({ code: 'tool-missing' });
    expect(failure?.message).toMatch(/record: perf is not .*stat: perf is not .*stap: .*staprun is not /);
  });

  it('has one profile: stacks of a script beside those of perf record are a loss', async () => {
    const script = scriptThat({ do: 'print', file: join(FIXTURES, '57_both_stacks.stdout') });
    const events = await capture(service, 'stacks', kit(script));
    expect(total(profileOf(events), 'page-faults')).toBeGreaterThan(0);
    expect(the(events, 'losses').losses).toContainEqual(
      expect.objectContaining({ kind: 'missing-parts', detail: expect.stringMatching(/one profile/) }),
    );
  });

  it('counts as one of each of its kinds, ends early as a whole, and keeps what there is', async () => {
    const script = scriptThat({ do: 'wait' }, { do: 'print', file: join(FIXTURES, '50_two_keys.stdout') });
    await service.startCapture({ captureId: 'long', spec: kit(script, 600_000), requester: 'test' });
    await waitFor(service, 'long', 'counters');
    await waitForSamples(service, 'long');
    const start = service.startCapture({ captureId: 'second', spec: faultsOf(faulty), requester: 'test' });
    await expect(start).rejects.toMatchObject({
      failure: { code: 'busy', message: 'this host runs a record capture already: long' },
    });
    await service.stopCapture('long', false);
    const events = await followed(service, 'long');
    expect(the(events, 'done').outcome).toBe('stopped');
    expect(all(events, 'part').map(({ outcome }) => outcome)).toEqual(['stopped', 'stopped', 'stopped']);
    expect(all(events, 'histograms').length).toBeGreaterThan(0);
    expect(all(events, 'profile-chunk').length).toBeGreaterThan(0);
  });

  it.each<[string, (spec: KitSpec) => KitSpec, RegExp]>([
    ['without parts', (spec) => ({ ...spec, parts: [] }), /no parts/],
    [
      'with two parts of a kind',
      (spec) => ({ ...spec, parts: [...spec.parts, ...spec.parts] }),
      /two parts of one kind/,
    ],
    ['whose part is of another time', (spec) => ({ ...spec, duration: 7 }), /another target or duration/],
    [
      'whose part is of another target',
      (spec) => ({ ...spec, target: { kind: 'system' } }),
      /another target or duration/,
    ],
  ])('%s is refused', async (_what, change, message) => {
    const start = service.startCapture({ captureId: 'refused', spec: change(kit(printing)), requester: 'test' });
    await expect(start).rejects.toMatchObject({
      failure: { code: 'bad-request', message: expect.stringMatching(message) },
    });
  });
});

describe('what stap printed, in a file', () => {
  const detail = { split: 'comm', keepTimestamps: false, lines: false } as const;

  it.each(['detect', 'stap-text'] as const)('is read as %s, all of it', async (format) => {
    const path = join(FIXTURES, '54_intervals.stdout');
    const events = await capture(service, `file-${format}`, { kind: 'file', path, format, detail });
    expect(the(events, 'done')).toMatchObject({ outcome: 'finished' });
    const points = all(events, 'histograms').flatMap((batch) => batch.points);
    expect(points.length).toBeGreaterThan(1);
    expect(new Set(points.map(({ time }) => time)).size).toBeGreaterThan(1);
  });

  it('with stacks becomes a profile', async () => {
    const path = join(FIXTURES, '55_kernel_stacks.stdout');
    const events = await capture(service, 'file-stacks', { kind: 'file', path, format: 'stap-text', detail });
    expect(the(events, 'done')).toMatchObject({ outcome: 'finished' });
    expect(profileOf(events).samples.length).toBeGreaterThan(0);
  });
});
