// `perftrawl diff`: what it prints, what it writes, and what it refuses to compare.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Job } from '../../../controller/api.js';
import { mergeProfiles } from '../../../profile/merge.js';
import type { Profile } from '../../../profile/profile.js';
import type { CaptureSpec, RecordSpec } from '../../../proto/capture.js';
import { fail } from '../../../proto/failure.js';
import { type DrawOptions, drawProfile } from '../../profile/draw-profile.js';
import { drawSeries } from '../draw-histogram.js';
import { RECORD, SPECS, STAT } from '../specs.js';
import { FAILED_RUN, FakeApp, jobOf, run, runOf } from './fake-app.js';

let directory: string;
let app: FakeApp;
/** Jobs by id; profiles by job, and by `job host`. */
let jobs: Record<string, Job>;
let profiles: Record<string, Profile>;

const TEN_SECONDS: DrawOptions = { duration: 10_000 };
const OLD = drawProfile('main;parse 600\nmain;write 400', TEN_SECONDS);
const NEW = drawProfile('main;parse 1800\nmain;write 200', TEN_SECONDS);

function job(id: string, created: number, spec: CaptureSpec = RECORD): Job {
  return { ...jobOf('succeeded', spec), id, created };
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'perftrawl-cli-'));
  app = new FakeApp();
  jobs = { old: job('old', 1_700_000_000_000), new: job('new', 1_700_000_100_000) };
  profiles = { old: OLD, new: NEW };
  app.job = async (id) => {
    const found = jobs[id];
    if (found === undefined) throw fail('not-found', `there is no job ${id}`, '');
    return found;
  };
  app.profile = async (id, host) => profiles[host === undefined ? id : `${id} ${host}`];
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

const diff = (...argv: string[]) => run(['diff', ...argv], { app });

describe('diff', () => {
  it('says what the sides are, what changed, and what the figures mean', async () => {
    const { code, stdout, stderr } = await diff('old', 'new');
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toBe(`   JOB  CREATED (UTC)        COUNTED             HOSTS         RECORDED
A  old  2023-11-14 22:13:20  page-faults: 1,000      2  20.0 s together
B  new  2023-11-14 22:15:00  page-faults: 2,000      2  20.0 s together

SELF A  SELF B     CHANGE  RATIO  ERRORS    FUNCTION  OBJECT
60.00%  90.00%  +30.00 pp   1.50    18.7    parse     app
40.00%  10.00%  -30.00 pp  0.250   -18.7    write     app

figures are of each side's own total (--normalise time: per second and host)
ERRORS are standard errors of sampling; ~ marks what chance explains (fewer than 3). Two runs of the same may differ by more.
`);
  });

  it('goes by time and host where asked, and then tells of all together', async () => {
    const { stdout } = await diff('old', 'new', '--normalise', 'time');
    expect(stdout).toContain('all functions: A 50/s, B 100/s, +50/s, ratio 2.00, 18.5 standard errors');
    expect(stdout).toMatch(/30\/s +90\/s +\+60\/s +3\.00 +[\d.]+ +parse/);
    expect(stdout).toContain('figures are of weight per second and host');
    profiles.new = drawProfile('main 5');
    const unknown = await diff('old', 'new', '--normalise', 'time');
    expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining('how long new recorded is not known')]);
  });

  it('gives all of it as JSON', async () => {
    const json = JSON.parse((await diff('old', 'new', '--json', '--top', '1')).stdout);
    expect(json).toMatchObject({
      normalisation: 'shares',
      a: { name: 'old', job: 'old', host: null, hosts: ['web1', 'web2'], weight: 1000, recorded: 20_000 },
      b: { name: 'new', event: 'page-faults', samples: 2000, effective: 2000 },
      ...{ warnings: [], functionCount: 3 },
    });
    expect(json.functions).toMatchObject([
      { name: 'parse', weights: { a: { self: 600 }, b: { self: 1800 } }, self: { ratio: 1.5, isNoise: false } },
    ]);
  });

  it('says so when A is the younger one', async () => {
    const { stdout } = await diff('new', 'old');
    expect(stdout).toContain('note: A (new) was recorded after B (old)');
  });

  it('compares one host with another, and one with the rest', async () => {
    const of = (host: string, text: string) =>
      drawProfile(text.replaceAll(/^/gm, `{comm=app host=${host}} `), TEN_SECONDS);
    const [web1, web2, web3] = [of('web1', 'f 50\ng 50'), of('web2', 'f 52\ng 48'), of('web3', 'f 90\ng 10')];
    profiles = {
      new: mergeProfiles([web1, web2, web3]),
      ...{ 'new web1': web1, 'new web2': web2, 'new web3': web3 },
    };
    app.runs = [runOf('web1'), runOf('web2'), runOf('web3'), { ...FAILED_RUN, host: 'web4' }];
    const rest = JSON.parse((await diff('new', '--host', 'web3', '--against-rest', '--json')).stdout);
    expect(rest).toMatchObject({
      a: { name: 'new without web3', hosts: ['web1', 'web2'], weight: 200, recorded: 20_000 },
      b: { name: 'new:web3', hosts: ['web3'], weight: 100, recorded: 10_000 },
    });
    expect(rest.functions[0]).toMatchObject({ name: 'f', self: { a: 0.51, b: 0.9 } });
    const two = JSON.parse((await diff('new:web1', 'new:web2', '--json')).stdout);
    expect([two.a.name, two.b.name, two.functions[0].self.isNoise]).toEqual(['new:web1', 'new:web2', true]);
    const same = JSON.parse((await diff('new', 'new', '--host', 'web1', '--json')).stdout);
    expect([same.a.name, same.b.name]).toEqual(['new:web1', 'new:web1']);
    expect((await diff('new:web9', 'new')).code).toBe(4);
  });

  it('writes what flamegraph.pl draws, A scaled to B', async () => {
    expect((await diff('old', 'new', '--format', 'folded')).stdout).toBe(
      'app;main;parse 1200 1800\napp;main;write 800 200\n',
    );
    const byTime = await diff('old', 'new', '--format', 'folded', '--normalise', 'time');
    expect(byTime.stdout).toBe('app;main;parse 600 1800\napp;main;write 400 200\n');
  });

  it('draws a picture into a file, and tells about it', async () => {
    const file = join(directory, 'diff.svg');
    const told = JSON.parse((await diff('old', 'new', '--format', 'svg', '-o', file, '--json')).stdout);
    expect(told).toMatchObject({ a: 'old', b: 'new', normalisation: 'shares', format: 'svg', file });
    const svg = await readFile(file, 'utf8');
    expect(told.bytes).toBe(Buffer.byteLength(svg));
    expect(svg).toContain('<title>parse (A 60.00%, B 90.00%; own: +30.00 pp)</title>');
    expect(svg).toMatch(/A: old, 2023-11-14 22:13:20, page-faults: 1,000, 2 hosts, 20\.0 s together/);
    const fill = (text: string, name: string) => new RegExp(`<title>${name} .*?fill="(#\\w+)"`, 's').exec(text)?.[1];
    expect([fill(svg, 'parse'), fill(svg, 'write'), fill(svg, 'main')]).toEqual(['#ff5448', '#6884ff', '#e8e8e4']);
    const negated = (await diff('old', 'new', '--format', 'svg', '--negate')).stdout;
    expect([fill(negated, 'parse'), fill(negated, 'write')]).toEqual(['#6884ff', '#ff5448']);
  });

  it('puts the table and both pictures into one page', async () => {
    profiles.old = drawProfile('main;parse 600\nmain;old<img> 400', TEN_SECONDS);
    const { code, stdout } = await diff('new', 'old', '--format', 'html', '--title', 'A & B');
    expect(code).toBe(0);
    expect(stdout).toContain('<title>A &amp; B</title>');
    expect(stdout.match(/<svg /g)).toHaveLength(2);
    expect(stdout).toContain('<p class="note" role="note">A (new) was recorded after B (old)');
    expect(stdout).toMatch(/<td class="number">\+40\.00 pp<\/td><td class="number">new<\/td>.*old&lt;img&gt;/);
    expect(stdout).not.toContain('<img>');
  });

  it('draws what is gone where A gives the widths', async () => {
    profiles.new = drawProfile('main;parse 2000', TEN_SECONDS);
    const has = async (...more: string[]) =>
      (await diff('old', 'new', '--format', 'svg', ...more)).stdout.includes('<title>write (');
    expect([await has(), await has('--widths', 'a')]).toEqual([false, true]);
  });
});

describe('what cannot be compared', () => {
  const unlike = (more: Partial<RecordSpec>) => job('new', 1_700_000_100_000, { ...RECORD, ...more });

  it.each([
    ['rates', { rate: { period: 1 } }, 'sampled in unlike ways: old at 4000 Hz, new every event'],
    ['call graphs', { callGraph: { mode: 'dwarf', stackBytes: 8192 } }, 'old by fp, new by dwarf'],
    ['targets', { target: { kind: 'pids', pids: [7] } }, 'old recorded the whole system, new processes by pid'],
  ] as const)('unlike %s are refused, unless forced', async (_what, more, reason) => {
    jobs.new = unlike(more);
    const refused = await diff('old', 'new');
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining(reason)]);
    expect(refused.stderr).toContain('--force');
    const forced = await diff('old', 'new', '--force');
    expect(forced.code).toBe(0);
    expect(forced.stdout).toContain('note: ');
    expect(forced.stdout).toContain(reason);
  });

  it('other events and units are, and by time they cannot be forced', async () => {
    profiles.new = drawProfile('main 5', { event: 'minor-faults', ...TEN_SECONDS });
    expect((await diff('old', 'new')).stderr).toContain('events differ: old counted page-faults, new minor-faults');
    expect((await diff('old', 'new', '--force')).code).toBe(0);
    profiles.new = drawProfile('main 5', { event: 'cpu-clock', ...TEN_SECONDS });
    expect((await diff('old', 'new')).stderr).toContain('units differ');
    expect((await diff('old', 'new', '--force')).code).toBe(0);
    expect((await diff('old', 'new', '--force', '--normalise', 'time')).stderr).toContain('by time: units differ');
  });

  it('a clock is the same by frequency and by period', async () => {
    const clock = { events: [{ name: 'cpu-clock' }] };
    jobs = {
      old: job('old', 1, { ...RECORD, ...clock, rate: { frequency: 99 } }),
      new: job('new', 2, { ...RECORD, ...clock, rate: { period: 10_000_000 } }),
    };
    profiles = {
      old: drawProfile('f 90/9', { event: 'cpu-clock' }),
      new: drawProfile('f 90/9', { event: 'cpu-clock' }),
    };
    const { code, stdout } = await diff('old', 'new');
    expect([code, stdout]).toEqual([0, expect.stringContaining('note: sampled at unlike rates')]);
  });

  it('nothing is compared with nothing', async () => {
    profiles.new = drawProfile('');
    const { code, stderr } = await diff('old', 'new', '--force');
    expect([code, stderr]).toEqual([2, expect.stringContaining('new has no samples to compare')]);
    expect((await diff('old', 'new', '--comm', 'nosuch')).stderr).toContain('old has no samples');
  });

  it('counters and histograms have commands of their own', async () => {
    jobs.new = job('new', 2, STAT);
    expect((await diff('old', 'new')).stderr).toContain('perftrawl show new');
    jobs.new = job('new', 2, SPECS.stap);
    delete profiles.new;
    app.histogramsOf = { all: drawSeries('1:1') };
    expect((await diff('old', 'new')).stderr).toContain('use perftrawl hist new --diff JOB');
  });

  it('losses are warned of, and forbid nothing', async () => {
    profiles.old = drawProfile('main;parse 600\nmain;write 400', {
      ...TEN_SECONDS,
      losses: [{ kind: 'lost-events', count: 500, detail: '' }],
    });
    const { code, stdout } = await diff('old', 'new');
    expect([code, stdout]).toEqual([
      0,
      expect.stringContaining('old is not whole: 500 events lost (33.3% of its samples)'),
    ]);
  });

  it('the shell is told what could come next', async () => {
    const words = async (...typed: string[]) =>
      (await run(['complete-words', '--', ...typed], { app })).stdout.trimEnd().split('\n');
    expect(await words('diff', '--format', '')).toEqual(['folded', 'html', 'svg', 'table']);
    expect(await words('diff', '--normalise', '')).toEqual(['shares', 'time']);
    expect(await words('diff', 'last', 'la')).toEqual(['last']);
    expect(await words('top', '--by', '')).toEqual(['comm', 'dso', 'self', 'total']);
    expect(await words('top', '--format', 'c')).toEqual(['csv']);
    expect(await words('outliers', '--h')).toEqual(['--heat-map', '--help', '--host']);
  });

  it('the command line says what it takes', async () => {
    expect((await diff('old')).stderr).toContain('give two jobs');
    expect((await diff('old', 'new', 'newer')).stderr).toContain('two jobs are compared, not more');
    expect((await diff('old', '--against-rest')).stderr).toContain('say which host');
    expect((await diff('old', 'new', '--host', 'web1', '--against-rest')).stderr).toContain('give one job');
    expect((await diff('old', 'new', '--json', '--format', 'svg')).stderr).toContain('give -o FILE');
    expect((await diff('old', 'new', '-o', 'x')).stderr).toContain('--format folded, svg or html');
  });
});
