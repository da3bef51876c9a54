// The commands that show what a job brought: show, export, artifacts.
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CaptureSpec } from '../../../proto/capture.js';
import { drawProfile } from '../../profile/draw-profile.js';
import { FakeApp, jobOf, run, runOf } from './fake-app.js';

const PROFILE = drawProfile(`
  main;load_table;touch   600
  main;build_hash;touch   250
  main;copy_rows          50
`);
const STAT: CaptureSpec = {
  kind: 'stat',
  target: { kind: 'system' },
  duration: 1000,
  events: [{ name: 'page-faults' }],
  interval: 500,
  perCpu: false,
};
const ARTIFACT = { name: 'perf.data', size: 10, sha256: 'aa', mediaType: 'application/octet-stream' };

let directory: string;
let app: FakeApp;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'perftrawl-cli-'));
  app = new FakeApp();
  app.merged = PROFILE;
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

describe('show', () => {
  it('lists functions by self', async () => {
    const { code, stdout } = await run(['show', 'last', '--top', '1'], { app });
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /page-faults: 900\n.*SELF%.*\n *94\.4% +850 +94\.4% +850 +touch +app\n… and 4 more functions/,
    );
  });

  it('filters by a function on the stack and says how much that is', async () => {
    const { stdout } = await run(['show', '--filter', '^build_', '--sort', 'total'], { app });
    expect(stdout).toContain('shown below: 27.8%');
    expect(stdout).not.toContain('load_table');
  });

  it('draws the tree, and upside down', async () => {
    const { stdout } = await run(['show', '--tree'], { app });
    expect(stdout).toMatch(/66\.7% .*load_table/);
    const inverted = await run(['show', '--inverted', '--json'], { app });
    const { tree } = JSON.parse(inverted.stdout);
    expect(tree.children.map((child: { name: string; total: number }) => [child.name, child.total])).toEqual([
      ['touch', 850],
      ['copy_rows', 50],
    ]);
  });

  it('leaves small parts of the tree out of the JSON', async () => {
    const { stdout } = await run(['show', '--tree', '--min-percent', '10', '--json'], { app });
    expect(stdout).not.toContain('copy_rows');
  });

  it('shows one host', async () => {
    app.ofHost = drawProfile('main;only_here 5');
    expect((await run(['show', '--host', 'web1'], { app })).stdout).toContain('only_here');
  });

  it.each([
    [['show', 'nosuch'], 4, /there is no job nosuch/],
    [['show', '--event', 'cycles'], 2, /no event "cycles" in this profile; it has page-faults/],
    [['show', '--filter', '['], 2, /--filter: Invalid regular expression/],
    [['show', '--top', 'many'], 2, /--top: 'many'/],
  ])('%j ends with %d', async (argv, code, message) => {
    const outcome = await run(argv, { app });
    expect(outcome.code).toBe(code);
    expect(outcome.stderr).toMatch(message);
  });

  it('says why there is nothing', async () => {
    app.merged = undefined;
    const { code, stderr } = await run(['show'], { app });
    expect(code).toBe(4);
    expect(stderr).toContain('job job1 has no profile (`perftrawl jobs show job1` says why)');
  });
});

describe('export', () => {
  it('writes to stdout', async () => {
    const { code, stdout } = await run(['export', '--format', 'folded'], { app });
    expect(code).toBe(0);
    expect(stdout.split('\n').sort()).toEqual([
      '',
      'app;main;build_hash;touch 250',
      'app;main;copy_rows 50',
      'app;main;load_table;touch 600',
    ]);
  });

  it('writes a file at once or not at all', async () => {
    const file = join(directory, 'a.svg');
    const argv = [
      'export',
      'last',
      '--format',
      'svg',
      '--color',
      'mem',
      '--title',
      '<b>',
      '--countname',
      'pages',
      '-o',
      file,
    ];
    const { code, stdout } = await run([...argv, '--json'], { app });
    const svg = await readFile(file, 'utf8');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ file, format: 'svg', bytes: Buffer.byteLength(svg) });
    expect(svg).toContain('&lt;b&gt;');
    await run(['export', '--format', 'perf-script', '--host', 'web1', '-o', file], { app });
    expect(await readFile(file, 'utf8')).toBe(svg);
    expect(await readdir(directory)).toEqual(['a.svg']);
  });

  it('is itself the JSON document where that is the format', async () => {
    const { code, stdout } = await run(['export', '--format', 'json', '--json'], { app });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ format: 'perftrawl-profile' });
  });

  it('names the directory that is not there', async () => {
    const { code, stderr } = await run(['export', '--format', 'folded', '-o', join(directory, 'no', 'x')], { app });
    expect(code).toBe(4);
    expect(stderr).toMatch(/there is no directory .*\/no\b.*mkdir/);
  });

  it.each([
    ['--pid', 'pid'],
    ['--tid', 'tid'],
  ])('refuses %s when the samples are not kept apart so', async (flag, split) => {
    const { code, stderr } = await run(['export', '--format', 'folded', flag], { app });
    expect(code).toBe(2);
    expect(stderr).toContain(`record with --split ${split}`);
    app.merged = drawProfile('{comm=app pid=7 tid=8} main;touch 5');
    expect((await run(['export', '--format', 'folded', flag], { app })).stdout).toMatch(/^app-7/);
  });

  it('keeps binary from the terminal', async () => {
    const { code, stdout, stderr } = await run(['export', '--format', 'pprof'], { app, isTty: true });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('-o FILE.pb.gz');
    expect((await run(['export', '--format', 'pprof'], { app })).code).toBe(0);
  });

  it('takes single samples from the timed profile of one host', async () => {
    app.ofHost = drawProfile('main;touch 2', { timed: true });
    const { stdout } = await run(['export', '--format', 'perf-script', '--host', 'web1'], { app });
    expect(stdout.match(/touch/g)).toHaveLength(2);
    const undecided = await run(['export', '--format', 'perf-script'], { app });
    expect(undecided.code).toBe(2);
    expect(undecided.stderr).toContain('say --host, one of web1, web2');
  });

  it('takes single samples from the text the agent keeps otherwise', async () => {
    app.ofHost = PROFILE;
    app.runs = [runOf('web1', { artifacts: [ARTIFACT] })];
    expect((await run(['export', '--format', 'perf-script'], { app })).stdout).toBe('0123456789');
    expect(app.calls).toEqual(['fetch web1 perf-script.txt from 0']);
    app.runs = [runOf('web1')];
    const none = await run(['export', '--format', 'perf-script'], { app });
    expect(none.code).toBe(4);
    expect(none.stderr).toContain('record with --timestamps or --keep-raw');
  });

  it('knows the formats of counters', async () => {
    app.known = jobOf('succeeded', STAT);
    app.counters = { interval: 500, points: [], losses: [] };
    expect((await run(['export', '--format', 'csv'], { app })).stdout).toMatch(/^time/);
    const wrong = await run(['export', '--format', 'svg'], { app });
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain('holds counters, which svg cannot show; use json, csv');
  });

  it.each([
    [['export'], /required option '--format/],
    [['export', '--format', 'png'], /--format: 'png' is not one of folded, svg/],
    [['export', '--format', 'svg', '--color', 'pink'], /--color: 'pink'/],
    [['export', '--format', 'svg', '--minwidth', 'x'], /--minwidth/],
    [['export', '--format', 'folded', '--json'], /give -o FILE/],
  ])('%j is refused', async (argv, message) => {
    const { code, stderr } = await run(argv, { app });
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});

describe('artifacts', () => {
  beforeEach(() => {
    app.runs = [runOf('web1', { artifacts: [ARTIFACT] })];
  });

  it('are listed', async () => {
    expect((await run(['artifacts', 'last'], { app })).stdout).toMatch(/web1 +perf\.data +10 B +aa/);
  });

  it('are fetched, from where an earlier attempt ended', async () => {
    const file = join(directory, 'web1.data');
    await writeFile(`${file}.part`, '012');
    const { code } = await run(['artifacts', 'last', 'perf.data', '--host', 'web1', '-o', file], { app });
    expect(code).toBe(0);
    expect(app.calls).toEqual(['fetch web1 perf.data from 3']);
    expect(await readFile(file, 'utf8')).toBe('0123456789');
    expect(await readdir(directory)).toEqual(['web1.data']);
  });

  it('are thrown away when they are not what the agent has', async () => {
    const file = join(directory, 'web1.data');
    await writeFile(`${file}.part`, 'xyz');
    const { code, stderr } = await run(['artifacts', 'last', '--host', 'web1', '-o', file], { app });
    expect(code).toBe(6);
    expect(stderr).toMatch(/perf\.data of web1 arrived damaged.*fetch it again/);
    expect(await readdir(directory)).toEqual([]);
  });

  it.each([
    [['artifacts', 'last', '--host', 'web9'], 4, /no host web9/],
    [['artifacts', 'last', '-o', 'x'], 2, /--host HOST/],
    [['artifacts', 'last', 'perf.data'], 2, /-o FILE/],
  ])('%j ends with %d', async (argv, code, message) => {
    const outcome = await run(argv, { app });
    expect(outcome.code).toBe(code);
    expect(outcome.stderr).toMatch(message);
  });
});
