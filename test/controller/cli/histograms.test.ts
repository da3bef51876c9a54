// The commands that show what scripts brought: hist, text, show, export.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { drawProfile } from '../../profile/draw-profile.js';
import { drawPoint, drawSeries } from '../draw-histogram.js';
import { KIT, SPECS, STAP } from '../specs.js';
import { FAILED_RUN, FakeApp, jobOf, run, runOf } from './fake-app.js';

let directory: string;
let app: FakeApp;

const type = (value: string) => ({ labels: [{ key: 'fault_type', value }] });

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'perftrawl-cli-'));
  app = new FakeApp();
  app.known = jobOf('succeeded', STAP);
  const points = [
    ...[drawPoint(1000, '1024:3 2048:1', type('MINOR')), drawPoint(1000, '65536:1', type('MAJOR'))],
    drawPoint(2000, '1024:4', type('MINOR')),
  ];
  const losses = [{ kind: 'skipped-probes' as const, count: 12, detail: '' }];
  app.histogramsOf = {
    all: { points, interval: 1000, losses },
    web1: { points: points.slice(0, 2), interval: 1000, losses: [] },
    web2: { points: points.slice(2), interval: 1000, losses: [] },
  };
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

describe('hist', () => {
  it('draws each key with all its intervals, the largest first, and tells what is missing', async () => {
    const { code, stdout } = await run(['hist'], { app });
    expect(code).toBe(0);
    expect(stdout).toContain('job1  2 histograms, 2 intervals of 1000 ms\n');
    expect(stdout).toMatch(/MAJOR +1 [\s\S]*MINOR +8 /);
    expect(stdout.indexOf('latency fault_type=MINOR')).toBeLessThan(stdout.indexOf('latency fault_type=MAJOR'));
    expect(stdout).toContain('not in these figures:\n  12 probe hits skipped by SystemTap\n');
    const one = (await run(['hist', '--top', '1'], { app })).stdout;
    expect(one).toContain('… and 1 more');
    expect(one).not.toContain('latency fault_type=MAJOR');
  });

  it('gives exact buckets as JSON, interval by interval and added up', async () => {
    const json = JSON.parse((await run(['hist', '--json', '--label', 'fault_type=MINOR'], { app })).stdout);
    expect(json).toMatchObject({ of: 'job1', job: 'job1', interval: 1000, losses: [{ count: 12 }] });
    expect(json.histograms).toMatchObject([
      {
        ...{
          time: 1000,
          interval: 1000,
          title: 'latency',
          unit: 'ns',
          scale: { kind: 'log2' },
          underflow: 0,
          overflow: 0,
        },
        buckets: [
          { from: 1024, to: 2048, count: 3 },
          { from: 2048, to: 4096, count: 1 },
        ],
      },
      { time: 2000, buckets: [{ from: 1024, to: 2048, count: 4 }] },
    ]);
    expect(json.totals).toHaveLength(1);
  });

  it('chooses by title and label, and says what there is when nothing is left', async () => {
    const { stdout } = await run(['hist', '--title', '^lat', '--label', 'fault_type=MAJOR'], { app });
    expect([stdout.includes('MAJOR'), stdout.includes('MINOR')]).toEqual([true, false]);
    const { code, stderr } = await run(['hist', '--title', 'nosuch'], { app });
    expect([code, stderr]).toEqual([4, expect.stringContaining('there are latency')]);
  });

  it('sets hosts side by side', async () => {
    const { stdout } = await run(['hist', '--by-host', '--label', 'fault_type=MINOR'], { app });
    expect(stdout).toMatch(/web1 +4 [\s\S]*web2 +4 /);
    const json = JSON.parse((await run(['hist', '--by-host', '--json'], { app })).stdout);
    expect(json.hosts.map(({ host }: { host: string }) => host)).toEqual(['web1', 'web2']);
    expect(json.byKey[0]).toMatchObject({ judgement: 'too-few-hosts' });
  });

  it('goes over time, on wide and narrow terminals', async () => {
    for (const isTty of [true, false]) {
      const { stdout } = await run(['hist', '--over-time'], { app, isTty, env: { LANG: 'C' } });
      expect(stdout).toContain('fault_type=MINOR');
      // biome-ignore lint/suspicious/noControlCharactersInRegex: all but escape sequences, in a terminal without UTF-8
      expect(stdout).toMatch(/^[\u0000-\u007f]*$/);
    }
  });

  it('says what changed between two jobs', async () => {
    const { stdout } = await run(['hist', 'job1', '--diff', 'last'], { app });
    expect(stdout).toMatch(/before: job1, after: job1[\s\S]*did not move/);
    const json = JSON.parse((await run(['hist', 'job1', '--diff', 'last', '--json'], { app })).stdout);
    expect([json.pairs.length, json.onlyBefore]).toEqual([2, []]);
  });

  it('reads a file as a job of this machine, which is gone afterwards', async () => {
    const file = join(directory, 'stap.out');
    await writeFile(file, 'x');
    app.inventory = [];
    app.runs = [runOf('localhost')];
    const json = JSON.parse((await run(['hist', file, '--json'], { app })).stdout);
    expect([json.of, json.job]).toEqual(['stap.out', null]);
    expect(app.submitted).toMatchObject({
      spec: { kind: 'file', path: file, format: 'stap-text' },
      hosts: [{ name: 'localhost', address: { transport: 'local' } }],
    });
    expect(app.calls).toEqual(['run job1', 'delete job1']);
  });

  it('deletes that job too when the file cannot be read', async () => {
    const file = join(directory, 'stap.out');
    await writeFile(file, 'x');
    app.endState = 'failed';
    const failure = { code: 'bad-data', message: 'line 3: not text', remedy: '' } as const;
    app.runs = [{ ...FAILED_RUN, failure }];
    const { code, stderr } = await run(['hist', file], { app });
    expect([code, stderr]).toEqual([6, 'perftrawl: line 3: not text\n']);
    expect(app.calls.at(-1)).toBe('delete job1');
  });

  it('refuses what is no text', async () => {
    const file = join(directory, 'perf.data');
    await writeFile(file, 'PERFILE2\0\0');
    const { code, stderr } = await run(['hist', file], { app });
    expect([code, stderr]).toEqual([6, expect.stringContaining(`${file} is no text`)]);
    expect(app.submitted).toBeUndefined();
  });

  it.each<[string[], number, string]>([
    [['./nosuch.out'], 4, 'nosuch.out'],
    [['nosuch'], 4, 'there is no job nosuch'],
    [['--by-host', '--over-time'], 2, 'exclude each other'],
    [['--top', 'x'], 2, '--top'],
  ])('refuses %j', async (argv, expected, message) => {
    const { code, stderr } = await run(['hist', ...argv], { app });
    expect([code, stderr]).toEqual([expected, expect.stringContaining(message)]);
  });

  it('says that a job of perf has none', async () => {
    app.histogramsOf = {};
    const { code, stderr } = await run(['hist'], { app });
    expect([code, stderr]).toEqual([4, expect.stringContaining('job job1 has no histograms')]);
  });

  it('says when nothing was counted', async () => {
    app.histogramsOf = { all: drawSeries() };
    expect(await run(['hist'], { app })).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('nothing was counted'),
    });
  });
});

describe('text', () => {
  beforeEach(() => {
    app.lines = {
      web1: [
        { time: 1, number: 1, stream: 'stdout', text: 'a \u001b[2J' },
        { time: 2, number: 1, stream: 'stderr', text: 'WARNING: b' },
      ],
      web2: [{ time: 1, number: 1, stream: 'stdout', text: '' }],
    };
  });

  it('is printed host by host, harmless to the terminal', async () => {
    expect((await run(['text'], { app })).stdout).toBe('web1: a ␛[2J\nweb1: WARNING: b\nweb2: \n');
    expect((await run(['text', '--host', 'web1'], { app })).stdout).toBe('a ␛[2J\nWARNING: b\n');
    expect((await run(['text', '--stream', 'stderr'], { app })).stdout).toBe('web1: WARNING: b\n');
    const json = JSON.parse((await run(['text', '--json'], { app })).stdout);
    expect(json.hosts[0].lines[0]).toEqual({ time: 1, number: 1, stream: 'stdout', text: 'a \u001b[2J' });
  });

  it('says when there is none, and when there is no such host', async () => {
    app.lines = {};
    expect(await run(['text'], { app })).toEqual({ code: 0, stdout: '', stderr: 'job job1 printed no text\n' });
    expect((await run(['text', '--host', 'nosuch'], { app })).code).toBe(4);
  });
});

describe('show', () => {
  it('of a script shows histograms and text, or its stacks', async () => {
    app.lines = { web1: [{ time: 1, number: 1, stream: 'stdout', text: 'hello' }] };
    const { stdout } = await run(['show'], { app });
    expect(stdout).toMatch(/latency\n[\s\S]*MINOR +8 [\s\S]*printed\nweb1: hello\n[\s\S]*perftrawl hist job1/);
    expect(JSON.parse((await run(['show', '--json'], { app })).stdout).histograms).toHaveLength(2);
    app.merged = drawProfile('main;sleep 5');
    expect((await run(['show'], { app })).stdout).toContain('SELF%');
  });

  it('of a script that printed nothing says so', async () => {
    app.histogramsOf = { all: drawSeries() };
    expect((await run(['show'], { app })).stdout).toBe('it printed nothing\n');
  });

  it('of a kit shows stacks, or the counters', async () => {
    app.known = jobOf('succeeded', KIT);
    app.merged = drawProfile('main;touch 5');
    app.counters = { points: [], interval: 1000, losses: [] };
    expect((await run(['show'], { app })).stdout).toContain('touch');
    expect((await run(['show', '--counters'], { app })).stdout).toContain('every 1000 ms');
  });
});

describe('export', () => {
  const exported = async (...argv: string[]) => run(['export', 'last', '--format', ...argv], { app });

  it.each([
    ['json', /"buckets"/],
    ['csv', /fault_type/],
    ['openmetrics', /_bucket\{.*le="[\s\S]*# EOF\n$/],
    ['svg', /^<\?xml|^<svg/],
  ])('writes histograms as %s', async (format, expected) => {
    const { code, stdout } = await exported(format);
    expect([code, stdout]).toEqual([0, expect.stringMatching(expected)]);
  });

  it('writes a heat map over time', async () => {
    const [bars, map] = [await exported('svg'), await exported('svg', '--heat-map')];
    expect(map.code).toBe(0);
    expect(map.stdout).not.toBe(bars.stdout);
  });

  it('writes text, with the host where there are several', async () => {
    app.lines = { web1: [{ time: 1, number: 1, stream: 'stdout', text: 'hello' }] };
    expect((await exported('text')).stdout).toBe('web1: hello\n');
    expect((await exported('text', '--host', 'web1')).stdout).toBe('hello\n');
  });

  it('takes the stacks of a script where the format wants them, and of a kit what was asked for', async () => {
    app.merged = drawProfile('main;sleep 5');
    expect((await exported('folded')).stdout).toContain('main;sleep 5');
    app.known = jobOf('succeeded', KIT);
    app.counters = {
      points: [{ time: 1, event: 'e', scope: '', status: 'counted', value: 7, unit: '', runningPercent: 100 }],
      ...{ interval: 1, losses: [] },
    };
    expect((await exported('svg')).stdout).toContain('sleep');
    expect((await exported('svg', '--of', 'histograms')).stdout).toContain('MAJOR');
    expect((await exported('csv')).stdout).toContain('7');
    expect((await exported('csv', '--of', 'histograms')).stdout).toContain('MAJOR');
  });

  it.each([
    ['record', 'openmetrics', 'job job1 holds a profile'],
    ['stat', 'folded', 'job job1 holds counters'],
    ['stap', 'text --of profile', '--of profile: job job1 holds histograms, a profile, text'],
  ] as const)('of a %s job as %s is refused', async (kind, words, message) => {
    app.known = jobOf('succeeded', SPECS[kind]);
    const { code, stderr } = await exported(...words.split(' '));
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
  });
});
