// The agent's service with real perf on real processes.
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AgentApi } from '../../../proto/agent-api.js';
import type { CaptureSpec, StatSpec } from '../../../proto/capture.js';
import { FailureError } from '../../../proto/failure.js';
import { mountTracefs, output } from '../../oracle/perf-tools.js';
import {
  all,
  capture,
  faultsOf,
  fetched,
  followed,
  LiveHost,
  never,
  profileOf,
  the,
  total,
  waitFor,
  waitForSamples,
} from './live-host.js';

let host: LiveHost;
let service: AgentApi;
/** Faults some thousand pages a second, for as long as the tests run. */
let faulty: number;

beforeAll(async () => {
  await mountTracefs();
  host = await LiveHost.create();
  service = await host.service();
  faulty = await host.startWorkload('faults', '1000000000', '12', '50', '0', '4000');
});
afterAll(async () => {
  await host.dispose();
});

async function failureOf(work: Promise<unknown>) {
  try {
    await work;
  } catch (error) {
    if (error instanceof FailureError) return error.failure;
    throw error;
  }
  throw new Error('no failure');
}

const stat = (change: Partial<StatSpec> = {}): StatSpec => ({
  kind: 'stat',
  target: { kind: 'pids', pids: [faulty] },
  duration: 1000,
  events: [{ name: 'page-faults' }, { name: 'cpu-clock' }],
  interval: 200,
  perCpu: false,
  ...change,
});

describe('record', () => {
  it('gives a symbolized profile with every sample that perf wrote, and what it cost', async () => {
    const events = await capture(service, 'live', faultsOf(faulty, { keepRaw: true }));
    const profile = profileOf(events);
    expect(all(events, 'state').map(({ state }) => state)).toEqual(['resolving', 'running', 'symbolizing']);
    expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, i) => i + 1));
    expect(profile.strings).toEqual(expect.arrayContaining(['hash_join', 'touch', 'main']));

    // perf's own count of the same stream.
    const perfData = join(host.directory, 'live.data');
    await writeFile(perfData, await fetched(service, 'live', 'perf.data'));
    const samples = (await output('perf', ['script', '-i', perfData, '-G', '-F', 'comm,event']))
      .toString()
      .trim()
      .split('\n');
    expect(total(profile, 'samples:page-faults')).toBe(samples.length);
    expect(total(profile, 'page-faults')).toBe(samples.length);

    const { artifact } = the(events, 'artifact');
    const content = await readFile(perfData);
    expect(artifact).toMatchObject({ name: 'perf.data', size: content.length });
    expect(artifact.sha256).toBe(createHash('sha256').update(content).digest('hex'));
    const { cost } = the(events, 'cost');
    expect(cost).toMatchObject({ recordedBytes: content.length });
    expect(cost.peakMemoryBytes).toBeGreaterThan(10e6);
    expect(the(events, 'done')).toMatchObject({
      outcome: 'finished',
      commandLines: [expect.stringMatching(/perf record .* -- sleep 1$/)],
    });
  });

  it('gives raw stacks as text from the perf.data that was kept, as perf prints them', async () => {
    const text = await fetched(service, 'live', 'perf-script.txt');
    const perfData = join(host.directory, 'live.data');
    expect(text.equals(await output('perf', ['script', '--no-inline', '--ns', '-i', perfData]))).toBe(true);
    expect((await failureOf(fetched(service, 'live', 'nothing'))).code).toBe('not-found');
  });

  it('can be followed from any event, again and again', async () => {
    const events = await followed(service, 'live');
    expect(await followed(service, 'live', events.length - 1)).toEqual(events.slice(-2));
  });

  it('finds processes by selector, several events with filters, and keeps timestamps', async () => {
    const events = await capture(
      service,
      'selected',
      faultsOf(faulty, {
        target: { kind: 'processes', selector: { comms: ['faults'] } },
        events: [{ name: 'page-faults' }, { name: 'sched:sched_switch', filter: 'prev_pid != 0' }],
        detail: { split: 'tid', keepTimestamps: true, lines: false },
      }),
    );
    const profile = profileOf(events);
    expect(all(events, 'state')[1]?.detail).toContain(`faults (${faulty})`);
    expect(profile.labelSets.flat()).toContainEqual({ key: 'tid', value: String(faulty) });
    expect(total(profile, 'page-faults')).toBeGreaterThan(0);
    expect(total(profile, 'sched:sched_switch')).toBeGreaterThan(0);
    expect(profile.timed?.length).toBe(
      total(profile, 'samples:page-faults') + total(profile, 'samples:sched:sched_switch'),
    );
  });

  it('unwinds with dwarf through perf script', async () => {
    const change = {
      callGraph: { mode: 'dwarf', stackBytes: 8192 },
      rate: { period: 7 },
      duration: 500,
      keepRaw: true,
    } as const;
    const events = await capture(service, 'dwarf', faultsOf(faulty, change));
    const profile = profileOf(events);
    expect(profile.strings).toEqual(expect.arrayContaining(['hash_join', 'main']));
    expect(total(profile, 'page-faults')).toBe(7 * total(profile, 'samples:page-faults'));
    expect(all(events, 'artifact').map(({ artifact }) => artifact.name)).toEqual(['perf.data', 'perf-script.txt']);
    expect(the(events, 'done').commandLines).toHaveLength(2);
  });

  it('ends early when asked, with what there is', async () => {
    await service.startCapture(
      { captureId: 'stopped', spec: faultsOf(faulty, { duration: 600_000 }), requester: 'test' },
      never,
    );
    await waitForSamples(service, 'stopped');
    expect(await service.stopCapture('stopped', false, never)).toBe('running');
    const events = await followed(service, 'stopped');
    expect(the(events, 'done').outcome).toBe('stopped');
    expect(total(profileOf(events), 'page-faults')).toBeGreaterThan(0);
  });

  it('keeps nothing when discarded', async () => {
    const spec = faultsOf(faulty, { duration: 600_000, keepRaw: true });
    await service.startCapture({ captureId: 'discarded', spec, requester: 'test' }, never);
    await waitFor(service, 'discarded', 'progress');
    await service.stopCapture('discarded', true, never);
    const events = await followed(service, 'discarded');
    expect(the(events, 'done').outcome).toBe('discarded');
    expect(all(events, 'profile-chunk')).toEqual([]);
    expect((await failureOf(fetched(service, 'discarded', 'perf.data'))).code).toBe('not-found');
  });

  it('says when perf recorded a clock because there is no counter for cycles', async () => {
    const events = await capture(service, 'cycles', faultsOf(faulty, { events: [{ name: 'cycles' }] }));
    const types = profileOf(events).sampleTypes.map(({ type }) => type);
    const said = all(events, 'losses').flatMap(({ losses }) => losses.filter(({ kind }) => kind === 'not-supported'));
    // One or the other, whichever kind of host this is.
    expect(said).toHaveLength(types.some((type) => type.includes('cycles')) ? 0 : 1);
    if (said.length > 0) expect(said[0].detail).toContain('perf recorded cpu-clock in its place');
  });

  it('ends with the processes it observes', async () => {
    const short = await host.startWorkload('faults', '6000', '5', '5', '0', '2000');
    const events = await capture(service, 'short', faultsOf(short, { duration: 600_000 }));
    expect(the(events, 'done')).toMatchObject({ outcome: 'finished' });
    expect(total(profileOf(events), 'page-faults')).toBeGreaterThan(0);
  });
});

describe('stat', () => {
  it('gives each interval of each event', async () => {
    const events = await capture(service, 'stat', stat());
    const points = all(events, 'counters').flatMap((batch) => batch.points);
    const faults = points.filter((point) => point.event === 'page-faults');
    expect(faults.length).toBeGreaterThanOrEqual(4);
    // What is left of the last interval is short: the process may not have run in it.
    const whole = faults.slice(0, -1);
    expect(whole.map(({ status }) => status)).toEqual(whole.map(() => 'counted'));
    expect(whole.reduce((sum, { value }) => sum + value, 0)).toBeGreaterThan(0);
    expect(points.find((point) => point.event === 'cpu-clock')?.unit).toBe('msec');
    expect(all(events, 'losses').filter(({ losses }) => losses.some(({ kind }) => kind !== 'not-counted'))).toEqual([]);
    expect(the(events, 'done').outcome).toBe('finished');
  });

  it('per CPU, with a counter that this kind of host may not have', async () => {
    const spec = stat({
      target: { kind: 'system' },
      perCpu: true,
      events: [{ name: 'page-faults' }, { name: 'cpu-clock' }],
    });
    const points = all(await capture(service, 'per-cpu', spec), 'counters').flatMap((batch) => batch.points);
    const cpus = (await output('getconf', ['_NPROCESSORS_ONLN'])).toString().trim();
    expect(new Set(points.map((point) => point.scope)).size).toBe(Number(cpus));
  });

  it('of a cgroup says which', async () => {
    const points = all(await capture(service, 'cgroup', stat({ target: { kind: 'cgroup', path: '/' } })), 'counters');
    expect(points.flatMap((batch) => batch.points)[0]?.scope).toBe('/');
  });
});

describe('file', () => {
  const file = (path: string): CaptureSpec => ({
    kind: 'file',
    path,
    format: 'detect',
    detail: { split: 'comm', keepTimestamps: false, lines: false },
  });

  it('reads perf.data and the text of perf script to the same weights', async () => {
    const live = total(profileOf(await followed(service, 'live')), 'page-faults');
    const perfData = join(host.directory, 'live.data');
    const text = join(host.directory, 'live.txt');
    await writeFile(text, await output('perf', ['script', '--no-inline', '-F', '+period', '-i', perfData]));
    expect(total(profileOf(await capture(service, 'file-data', file(perfData))), 'page-faults')).toBe(live);
    expect(total(profileOf(await capture(service, 'file-text', file(text))), 'page-faults')).toBe(live);
  });

  it.each([
    ['/no/such/file', 'not-found'],
    ['relative/perf.data', 'bad-request'],
    ['/dev/zero', 'bad-request'],
    ['/etc', 'bad-request'],
    ['/bin/true', 'bad-data'],
  ])('refuses %s as %s', async (path, code) => {
    const events = await capture(service, `file-${path.replaceAll('/', '_')}`, file(path));
    expect(the(events, 'done')).toMatchObject({ outcome: 'failed', failure: { code } });
  });
});

describe('what cannot run', () => {
  it.each<[string, () => CaptureSpec, string, RegExp]>([
    ['unknown-event', () => faultsOf(faulty, { events: [{ name: 'no-such-event' }] }), 'bad-request', /no-such-event/],
    [
      'bad-filter',
      () => faultsOf(faulty, { events: [{ name: 'sched:sched_switch', filter: 'nope == 1' }] }),
      'bad-request',
      /nope == 1/,
    ],
    ['dead-pid', () => faultsOf(4_194_303), 'not-found', /no process 4194303/],
    [
      'nobody',
      () => faultsOf(1, { target: { kind: 'processes', selector: { comms: ['absent'] } } }),
      'not-found',
      /--comm absent/,
    ],
    ['no-counter', () => faultsOf(faulty, { callGraph: { mode: 'lbr' } }), 'tool-failed', /branch stack/],
    ['stat-event', () => stat({ events: [{ name: 'nosuch:event' }] }), 'bad-request', /nosuch/],
  ])('%s says why', async (captureId, spec, code, message) => {
    const done = the(await capture(service, captureId, spec()), 'done');
    expect(done).toMatchObject({ outcome: 'failed', failure: { code } });
    expect(done.failure?.message).toMatch(message);
  });

  it('is refused at once when no command line can be made of it', async () => {
    const spec = faultsOf(faulty, { events: [{ name: '; rm -rf /' }] });
    const failure = await failureOf(service.startCapture({ captureId: 'hostile', spec, requester: 'test' }, never));
    expect(failure.code).toBe('bad-request');
    expect((await service.listCaptures(never)).map((info) => info.captureId)).not.toContain('hostile');
  });

  it('says how to install perf where there is none', async () => {
    const bare = await host.service({ path: '/nonexistent' });
    const done = the(await capture(bare, 'bare', faultsOf(faulty)), 'done');
    expect(done.failure).toMatchObject({ code: 'tool-missing', remedy: expect.stringMatching(/install/) });
    const { problems } = await bare.describe(never);
    expect(problems.map((problem) => problem.code)).toContain('perf-missing');
  });
});

describe('several captures', () => {
  it('one of a kind at a time, each id once', async () => {
    const spec = faultsOf(faulty, { duration: 600_000 });
    const start = (captureId: string, what: CaptureSpec) =>
      service.startCapture({ captureId, spec: what, requester: 'test' }, never);
    expect(await start('first', spec)).toEqual({ isNew: true });
    expect(await start('first', { ...spec })).toEqual({ isNew: false });
    expect((await failureOf(start('first', { ...spec, duration: 5 }))).code).toBe('conflict');
    expect((await failureOf(start('second', spec))).code).toBe('busy');
    expect(await start('counting', stat({ duration: 600_000 }))).toEqual({ isNew: true });
    const { runningCaptures } = await service.describe(never);
    expect(runningCaptures).toEqual(['first', 'counting']);
    expect((await failureOf(service.releaseCapture('first', never))).code).toBe('refused');
    await service.stopCapture('first', true, never);
    await service.stopCapture('counting', false, never);
    expect(the(await followed(service, 'counting'), 'done').outcome).toBe('stopped');
    await followed(service, 'first');
    expect(await service.releaseCapture('first', never)).toBe(true);
    expect(await service.releaseCapture('first', never)).toBe(false);
  });
});

describe('preflight', () => {
  it('finds nothing wrong with what runs, and shows the command line and processes', async () => {
    const spec = faultsOf(faulty, { target: { kind: 'processes', selector: { comms: ['faults'] } } });
    const { problems, commandLines, processes } = await service.preflight(spec, never);
    expect(problems.filter((problem) => problem.isFatal)).toEqual([]);
    expect(commandLines).toEqual([expect.stringMatching(new RegExp(`--pid=\\S*\\b${faulty}\\b`))]);
    expect(processes).toContainEqual(expect.objectContaining({ pid: faulty, comm: 'faults' }));
  });

  it('says which event does not open, and why', async () => {
    const events = [{ name: 'page-faults' }, { name: 'nosuch' }, { name: 'sched:sched_switch', filter: 'nope == 1' }];
    const { problems } = await service.preflight(faultsOf(faulty, { events }), never);
    expect(problems.filter((problem) => problem.isFatal).map((problem) => problem.message)).toEqual([
      expect.stringContaining('opening nosuch'),
      expect.stringContaining('nope == 1'),
    ]);
  });
});
