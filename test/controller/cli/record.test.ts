// `record` and `stat`: from the command line to the request, from the events of the job to the screen and the exit code.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RunOptions } from '../../../controller/api.js';
import { drawProfile } from '../../profile/draw-profile.js';
import { FAILED_RUN, FakeApp, run, runOf, WEB1 } from './fake-app.js';

let directory: string;
let app: FakeApp;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'perftrawl-cli-'));
  app = new FakeApp();
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

const PROFILE = drawProfile(`
  main;load_table;touch   600
  main;build_hash;touch   250
  main;copy_rows          50
`);

describe('record asks for', () => {
  it('a clock at a low rate on the whole system of all hosts when nothing is said', async () => {
    await run(['record'], { app });
    expect(app.submitted).toMatchObject({
      spec: {
        kind: 'record',
        target: { kind: 'system' },
        duration: 10_000,
        events: [{ name: 'cpu-clock' }],
        rate: { frequency: 99 },
        callGraph: { mode: 'fp' },
        detail: { split: 'comm', keepTimestamps: false, lines: false },
        keepRaw: false,
      },
      hosts: [{ name: 'web1' }, { name: 'web2' }],
      selectorText: '',
      maxParallel: 32,
      grace: 60_000,
    });
    expect(app.submitted?.requester).toMatch(/^me@/);
  });

  it("perf's own rate when an event is given", async () => {
    await run(['record', '-e', 'page-faults'], { app });
    expect(app.submitted?.spec).not.toHaveProperty('rate');
  });

  it('everything else that perf users write', async () => {
    const line =
      'record -e page-faults:u,sched:sched_switch --filter prev_prio>100 -c 1 -g --call-graph dwarf,4096 -p 1,2 -m 1024 --timestamps --lines --keep-raw --for 30s --on name=web1 --max-parallel 4 --grace 5m --note why';
    const { code } = await run(line.split(' '), { app });
    expect(code).toBe(0);
    expect(app.submitted).toMatchObject({
      spec: {
        target: { kind: 'pids', pids: [1, 2] },
        duration: 30_000,
        events: [{ name: 'page-faults:u' }, { name: 'sched:sched_switch', filter: 'prev_prio>100' }],
        rate: { period: 1 },
        callGraph: { mode: 'dwarf', stackBytes: 4096 },
        mmapPages: 1024,
        detail: { split: 'tid', keepTimestamps: true, lines: true },
        keepRaw: true,
      },
      hosts: [WEB1],
      selectorText: 'name=web1',
      maxParallel: 4,
      grace: 300_000,
      note: 'why',
    });
  });

  it('hostile names as data', async () => {
    await run(['record', '--comm', '$(reboot)', '--cmdline', '`x`; y', '--unit', '-rf'], { app });
    expect(app.submitted?.spec).toMatchObject({
      target: { selector: { comms: ['$(reboot)'], cmdline: '`x`; y', unit: '-rf' } },
    });
  });
});

describe('record refuses', () => {
  it.each([
    [['-e', '; rm -rf /'], /-e: "; rm -rf \/" is not an event name/],
    [['-F', '99', '-c', '1'], /-F and -c exclude each other/],
    [['-m', '1000'], /-m: 1000 is not a power of two; give 512 or 1024/],
    [['--for', '30'], /--for: '30' is not a duration/],
    [['--split', 'host'], /--split: 'host' is not one of comm, pid, tid/],
    [['--split', 'comm', '--timestamps'], /--timestamps keeps every thread apart/],
    [['--max-parallel', '0'], /--max-parallel/],
    [['--evnt', 'x'], /unknown option '--evnt'.*Did you mean --event/],
    [['sleep', '5'], /too many arguments/],
  ])('%j', async (argv, message) => {
    const { code, stderr, stdout } = await run(['record', ...argv], { app });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(message);
    expect(app.submitted).toBeUndefined();
  });

  it('a selector without hosts, and says where to look', async () => {
    const { code, stderr } = await run(['record', '--on', 'name=nowhere'], { app });
    expect(code).toBe(4);
    expect(stderr).toContain("no host matches 'name=nowhere' (`perftrawl hosts` lists the hosts and their labels)");
  });

  it('a result file in a directory that is not there, before anything runs', async () => {
    const { code } = await run(['record', '--svg', join(directory, 'missing', 'a.svg')], { app });
    expect(code).toBe(4);
    expect(app.submitted).toBeUndefined();
  });
});

describe('record ends', () => {
  it('with a summary, the top functions, losses and what to do next', async () => {
    app.merged = { ...PROFILE, losses: [{ kind: 'lost-events', count: 12, detail: 'ring buffer' }] };
    const { code, stdout } = await run(['record', '-e', 'page-faults'], { app });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^job job1 succeeded {2}record page-faults, whole system, 10\.0 s/);
    expect(stdout).toMatch(/web1 +succeeded +1,234 +0/);
    expect(stdout).toMatch(/page-faults: 900\n/);
    expect(stdout).toMatch(/94\.4% +850 +94\.4% +850 +touch +app/);
    expect(stdout).toContain('12 events lost: ring buffer');
    expect(stdout).toContain('perftrawl show job1 --tree');
    expect(app.isClosed).toBe(true);
  });

  it('with the files that were asked for', async () => {
    app.merged = PROFILE;
    const svg = join(directory, 'a.svg');
    const folded = join(directory, 'a.folded');
    const { stdout } = await run(['record', '--svg', svg, '--folded', folded], { app });
    expect(await readFile(svg, 'utf8')).toContain('<svg');
    expect(await readFile(folded, 'utf8')).toContain('app;main;load_table;touch 600\n');
    expect(stdout).toContain(`wrote ${svg}\nwrote ${folded}\n`);
  });

  it.each([
    ['succeeded', 0],
    ['failed', 1],
    ['partial', 3],
    ['cancelled', 130],
  ] as const)('%s with exit code %d', async (state, expected) => {
    app.endState = state;
    expect((await run(['record'], { app })).code).toBe(expected);
  });

  it('with the reason of each host that failed', async () => {
    app.endState = 'partial';
    app.runs = [runOf('web1'), FAILED_RUN];
    const { stdout } = await run(['record'], { app });
    expect(stdout).toMatch(/web2 +failed .*web2 does not answer \(start its agent\)/);
    expect(stdout).toContain('1 host missing: web2');
    expect(stdout).toContain('perftrawl doctor');
  });

  it('with one JSON document on stdout and progress elsewhere', async () => {
    app.merged = PROFILE;
    app.during = async (options) => options.onEvent({ kind: 'host-run', run: runOf('web1') });
    const { stdout, stderr } = await run(['record', '--json'], { app });
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({
      job: { id: 'job1', state: 'succeeded' },
      hosts: [{ host: 'web1' }, { host: 'web2' }],
    });
    expect(report.top[0].top.functions[0]).toMatchObject({ name: 'touch', self: 850 });
    expect(stderr).toContain('web1: succeeded');
  });
});

describe('while a job runs', () => {
  const progress = (samples: number) => ({ elapsed: 100 * samples, samples, bytes: 300 * samples, lost: 0 });
  const events = async (options: RunOptions): Promise<void> => {
    for (const state of ['waiting', 'connecting', 'running', 'running', 'succeeded'] as const) {
      const run = runOf('web1', { state, progress: progress(state === 'waiting' || state === 'connecting' ? 0 : 7) });
      options.onEvent({ kind: 'host-run', run });
    }
    options.onEvent({ kind: 'host-run', run: FAILED_RUN });
  };

  it('a pipe gets one line per change of a host', async () => {
    app.during = events;
    const { stderr } = await run(['record'], { app });
    expect(stderr.split('\n')).toEqual([
      'job job1: 2 hosts',
      'web1: waiting',
      'web1: connecting',
      'web1: running  700 ms, 7 samples, 2.05 KiB',
      'web1: succeeded  700 ms, 7 samples, 2.05 KiB',
      'web2: failed  web2 does not answer (start its agent)',
      '',
    ]);
  });

  it('a terminal gets lines that are drawn over', async () => {
    app.during = events;
    const { stderr } = await run(['record'], { app, isTty: true });
    expect(stderr).toContain('\x1b[J');
    const last = stderr.slice(stderr.lastIndexOf('\x1b[J') + 3);
    expect(last).toContain('job job1  2 hosts: 1 succeeded, 1 failed');
    expect(last.indexOf('web2: failed')).toBeLessThan(last.indexOf('web1: succeeded'));
  });

  it('a name cannot write to the terminal', async () => {
    const evil = runOf('web1', {
      failure: { code: 'internal', message: 'a\x1b]0;owned\x07\r\nb', remedy: '' },
      state: 'failed',
    });
    app.during = async (options) => options.onEvent({ kind: 'host-run', run: evil });
    app.runs = [evil];
    const { stdout, stderr } = await run(['record'], { app });
    expect(stdout + stderr).toContain('owned');
    for (const control of ['\x1b', '\x07', '\r']) expect(stdout + stderr).not.toContain(control);
  });

  it('colours are left out when NO_COLOR says so', async () => {
    app.merged = PROFILE;
    const plain = await run(['show'], { app, isTty: true, env: { NO_COLOR: '1' } });
    const painted = await run(['show'], { app, isTty: true });
    expect(plain.stdout).not.toContain('\x1b[');
    expect(painted.stdout).toContain('\x1b[1m');
  });

  it('the first Ctrl-C stops and keeps, the second cancels', async () => {
    const stop = new AbortController();
    const cancel = new AbortController();
    app.during = async (options, fake) => {
      stop.abort();
      fake.calls.push(`stop asked: ${options.signal.aborted}`);
      cancel.abort();
    };
    const { code, stderr } = await run(['record'], { app, stop, cancel });
    expect(app.calls).toEqual(['run job1', 'stop asked: true', 'cancel job1']);
    expect(stderr).toContain('stopping; what there is will be kept');
    expect(code).toBe(130);
  });

  it('one Ctrl-C alone ends with what there was, and exit code 0', async () => {
    const stop = new AbortController();
    app.during = async () => stop.abort();
    app.merged = PROFILE;
    const { code, stdout } = await run(['record'], { app, stop });
    expect(code).toBe(0);
    expect(stdout).toContain('touch');
  });
});

describe('stat', () => {
  const point = (time: number, event: string, value: number | undefined) => ({
    time,
    event,
    scope: '',
    status: value === undefined ? ('not-supported' as const) : ('counted' as const),
    value: value ?? 0,
    unit: '',
    runningPercent: 100,
  });
  const series = {
    interval: 500,
    losses: [],
    points: [point(500, 'cycles', undefined), point(500, 'page-faults', 10), point(1000, 'page-faults', 30)],
  };

  it('asks for software counters each second when nothing is said', async () => {
    await run(['stat'], { app });
    expect(app.submitted?.spec).toEqual({
      kind: 'stat',
      target: { kind: 'system' },
      duration: 10_000,
      events: [
        { name: 'task-clock' },
        { name: 'context-switches' },
        { name: 'cpu-migrations' },
        { name: 'page-faults' },
      ],
      interval: 1000,
      perCpu: false,
    });
  });

  it('refuses an interval that does not fit', async () => {
    const { code, stderr } = await run(['stat', '-I', '20s', '--for', '5s'], { app });
    expect(code).toBe(2);
    expect(stderr).toMatch(/-I: an interval of 20s does not fit in --for 5s/);
  });

  it('shows what cannot be counted as such', async () => {
    app.counters = series;
    const { stdout } = await run(['stat', '-e', 'cycles,page-faults', '-I', '500'], { app });
    expect(stdout).toMatch(/cycles .*<not supported>/);
    expect(stdout).toMatch(/page-faults +10 +20 +30 +30 .*[▁▂▃▄▅▆▇█]/);
  });

  it('draws the sum over hosts while it goes on', async () => {
    app.during = async (options) => {
      for (const host of ['web1', 'web2']) {
        options.onEvent({ kind: 'capture', host, body: { kind: 'counters', interval: 500, points: series.points } });
      }
    };
    const { stderr } = await run(['stat'], { app, isTty: true });
    const last = stderr.slice(stderr.lastIndexOf('\x1b[J') + 3);
    expect(last).toMatch(/cycles +<not supported>/);
    expect(last).toMatch(/page-faults +60 +80 /);
  });

  it('has rows in JSON', async () => {
    app.counters = series;
    const { stdout } = await run(['stat', '--json'], { app });
    expect(JSON.parse(stdout).counters).toMatchObject([
      { event: 'cycles', status: 'not-supported' },
      { event: 'page-faults', sum: 40 },
    ]);
  });
});
