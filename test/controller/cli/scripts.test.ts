// The commands about SystemTap scripts: stap, its catalogue, faults; what they ask for, and what they show of the answer.
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CounterPoint } from '../../../profile/counter-series.js';
import type { StapPlan } from '../../../proto/capture.js';
import { drawProfile } from '../../profile/draw-profile.js';
import { drawPoint, drawSeries } from '../draw-histogram.js';
import { KIT } from '../specs.js';
import { FakeApp, jobOf, run, runOf, SCRIPT, WEB1, WEB2 } from './fake-app.js';

let directory: string;
let app: FakeApp;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'perftrawl-cli-'));
  app = new FakeApp();
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

const MINOR = { labels: [{ key: 'fault_type', value: 'MINOR' }] };
const line = (number: number, text: string) => ({ time: number, number, stream: 'stdout' as const, text });

describe('stap', () => {
  it('asks for a script of the catalogue, as the words say', async () => {
    const words = 'pagefault-latency --comm postgres --on name=web1 --for 60s --interval 10s -p by=comm --overhead 5%';
    const { code } = await run(['stap', ...words.split(' '), '--build-on', 'web2', '--keep-raw'], { app });
    expect(code).toBe(0);
    expect(app.submitted).toMatchObject({
      spec: {
        ...{ kind: 'stap', duration: 60_000, interval: 10_000, overheadPercent: 5, keepRaw: true },
        target: { kind: 'processes', selector: { comms: ['postgres'] } },
        script: { from: 'catalogue', name: 'pagefault-latency', parameters: { by: 'comm' } },
      },
      hosts: [{ name: 'web1' }],
      buildHost: WEB2,
    });
  });

  it('has defaults: the whole system, every 10 s, each host compiles for itself', async () => {
    await run(['stap', 'runq-latency'], { app });
    expect(app.submitted?.spec).toMatchObject({ target: { kind: 'system' }, interval: 10_000, overheadPercent: 10 });
    expect(app.submitted).not.toHaveProperty('buildHost');
    await run(['stap', 'runq-latency', '--for', '2s', '--build-on', 'localhost'], { app });
    expect(app.submitted).toMatchObject({ spec: { interval: 2000 }, buildHost: { name: 'localhost' } });
  });

  it('prints as often as the script itself suggests', async () => {
    const parameter = { name: 'interval', type: 'duration', unit: 'ms', doc: '' } as const;
    for (const [suggested, expected] of [
      ['0', 0],
      ['5s', 5000],
      ['often', 10_000],
    ] as const) {
      const script = { ...SCRIPT, parameters: [{ ...parameter, default: suggested }] };
      app.catalogue = [{ host: WEB1, ok: true, value: [script] }];
      await run(['stap', 'pagefault-latency'], { app });
      expect(app.submitted?.spec).toMatchObject({ interval: expected });
    }
    await run(['stap', 'pagefault-latency', '--interval', '2s'], { app });
    expect(app.submitted?.spec).toMatchObject({ interval: 2000 });
  });

  it('sends the text of a script of your own, and runs a command for it', async () => {
    const file = join(directory, 'my.stp');
    await writeFile(file, 'probe begin { exit() }\n');
    await run(['stap', file, '--arg', '5', '-g', '--', 'ls', '-l', '--json'], { app });
    expect(app.submitted?.spec).toMatchObject({
      script: { from: 'request', name: 'my.stp', text: 'probe begin { exit() }\n', arguments: ['5'], isGuru: true },
      ...{ command: ['ls', '-l', '--json'], interval: 0 },
    });
  });

  it.each<[string, number, string, string[]]>([
    ['a file that is not there', 4, 'there is no file', ['./nosuch.stp']],
    ['a name that is none', 2, 'is no name of a script', ['No_Such']],
    ['an interval longer than the run', 2, '--interval', ['runq-latency', '--for', '5s', '--interval', '10s']],
    ['a command and processes', 2, 'give no processes besides', ['runq-latency', '-x', '1', '--', 'ls']],
    ['a cgroup', 2, 'not cgroups', ['runq-latency', '--cgroup', 'x.slice']],
    ['two targets', 2, 'exclude each other', ['runq-latency', '-x', '1', '--comm', 'x']],
    ['an unknown build host', 4, "--build-on: there is no host 'nosuch'", ['runq-latency', '--build-on', 'nosuch']],
    ['no script', 2, "missing required argument 'script'", []],
  ])('refuses %s', async (_what, expected, message, argv) => {
    const { code, stderr } = await run(['stap', ...argv], { app });
    expect([code, stderr]).toEqual([expected, expect.stringContaining(message)]);
    expect(app.submitted).toBeUndefined();
  });

  it('shows histograms by key, what was printed, and what to do next', async () => {
    app.histogramsOf = {
      all: { ...drawSeries(), points: [drawPoint(1000, '1024:3', MINOR), drawPoint(1000, '4096:1')] },
    };
    app.lines = {
      web1: [line(1, 'hello \u001b[31m')],
      web2: Array.from({ length: 30 }, (_, i) => line(i + 1, `n ${i}`)),
    };
    const { stdout } = await run(['stap', 'pagefault-latency'], { app });
    expect(stdout).toMatch(/latency\n.*fault_type +count.*p50.*p99.*\n[\s\S]*MINOR +3 /);
    expect(stdout).toContain('printed\nweb1: hello \u241b[31m\nweb2: n 0\n');
    expect(stdout).toContain('… and 11 more lines');
    expect(stdout).toContain('  perftrawl hist job1\n');
    const json = JSON.parse((await run(['stap', 'pagefault-latency', '--json'], { app })).stdout);
    expect(json.histograms).toHaveLength(2);
    expect(json.histograms[0].buckets).toEqual([{ from: 1024, to: 2048, count: 3 }]);
  });

  it('says where to look when a host cannot run it', async () => {
    app.endState = 'failed';
    app.runs = [
      runOf('web1', { state: 'failed', failure: { code: 'tool-missing', message: 'no staprun', remedy: '' } }),
    ];
    const { code, stdout } = await run(['stap', 'pagefault-latency'], { app });
    expect([code, stdout]).toEqual([1, expect.stringContaining('  perftrawl doctor --stap pagefault-latency\n')]);
  });

  it('shows them while it runs, line by line, within bounds', async () => {
    app.during = async ({ onEvent }) => {
      onEvent({
        kind: 'host-run',
        run: runOf('web1', { state: 'running', captureState: 'compiling', progress: NONE }),
      });
      const points = [drawPoint(10_000, '1024:99 4096:1', MINOR)];
      onEvent({ kind: 'capture', host: 'web1', body: { kind: 'histograms', interval: 10_000, points } });
      const lines = Array.from({ length: 3000 }, (_, i) => line(i + 1, `line ${i}\u0007`));
      onEvent({ kind: 'capture', host: 'web2', body: { kind: 'text', lines } });
    };
    const { stderr } = await run(['stap', 'pagefault-latency'], { app });
    expect(stderr).toContain('web1: running (compiling)\n');
    expect(stderr).toMatch(/web1 {2}10\.000 s {2}latency fault_type=MINOR {2}n 100 {2}p50 .* p99 /);
    expect(stderr).toContain('web2: line 0\u2407\n');
    expect(stderr.match(/web2: line/g)).toHaveLength(1999);
    expect(stderr).toContain('its scripts print more than is shown here');
  });

  it('redraws the newest interval of each host on a terminal, with the last lines', async () => {
    app.during = async ({ onEvent }) => {
      for (const [time, buckets] of [
        [1000, '1:5'],
        [2000, '1:77'],
      ] as const) {
        const points = [drawPoint(time, buckets)];
        onEvent({ kind: 'capture', host: 'web1', body: { kind: 'histograms', interval: 1000, points } });
      }
      const lines = Array.from({ length: 50 }, (_, i) => line(i + 1, `line ${i}`));
      onEvent({ kind: 'capture', host: 'web2', body: { kind: 'text', lines } });
    };
    const { stderr } = await run(['stap', 'runq-latency'], { app, isTty: true });
    const last = stderr.slice(stderr.lastIndexOf('\u001b[J'));
    expect(last).toMatch(/web1 {2}2\.000 s {2}latency {2}n 77/);
    expect(last).not.toContain('n 5 ');
    expect(last.match(/web2: line \d+/g)).toEqual(Array.from({ length: 8 }, (_, i) => `web2: line ${42 + i}`));
  });
});

const NONE = { elapsed: 0, samples: 0, bytes: 0, lost: 0 };

describe('the catalogue', () => {
  const plan: StapPlan = {
    ...{ script: SCRIPT.name, variant: 'kprobe', scriptSha256: '', kernelRelease: '6.1.0', kernelBuildId: '' },
    ...{ machine: 'x86_64', canCompile: true, canRun: true },
  };

  beforeEach(() => {
    app.catalogue = [{ host: WEB1, ok: true, value: [SCRIPT] }];
  });

  it('is listed from this machine', async () => {
    const { stdout } = await run(['stap', 'ls'], { app });
    expect(stdout).toMatch(
      /SCRIPT +VARIANTS +WHAT IT SHOWS\npagefault-latency +2 +how long page faults take, by type\n/,
    );
    expect(app.calls).toEqual(['scripts of localhost']);
  });

  it('says which script fits which host, and names the hosts that do not answer', async () => {
    const nothing = { commandLines: [], processes: [], problems: [] };
    const problems = [{ code: 'x', message: 'no kprobes', remedy: 'boot another kernel', isFatal: true }];
    app.catalogue = [
      { host: WEB1, ok: true, value: [SCRIPT] },
      { host: WEB2, ok: false, failure: { code: 'unreachable', message: 'no answer', remedy: '' } },
    ];
    app.stapPreflights = [
      { host: WEB1, ok: true, value: { ...nothing, stap: plan } },
      { host: { ...WEB1, name: 'a' }, ok: true, value: { ...nothing, problems, stap: { ...plan, canCompile: false } } },
      { host: { ...WEB1, name: 'b' }, ok: true, value: { ...nothing, problems } },
    ];
    const { code, stdout, stderr } = await run(['stap', 'ls', '--on', ''], { app });
    expect([code, stderr]).toEqual([3, 'web2: no answer\n']);
    expect(stdout).toMatch(/a +pagefault-latency +runs with --build-on +kprobe +no kprobes\n/);
    expect(stdout).toMatch(/b +pagefault-latency +does not run +no kprobes\n/);
    expect(stdout).toMatch(/web1 +pagefault-latency +runs +kprobe\n/);
    const json = JSON.parse((await run(['stap', 'ls', '--on', '', '--json'], { app })).stdout);
    expect(json.fits.map((fit: { runs: string }) => fit.runs)).toEqual(['yes', 'elsewhere', 'no']);
  });

  it('tells what a script takes, needs and costs, and gives its text', async () => {
    const { stdout } = await run(['stap', 'show', 'pagefault-latency'], { app });
    for (const text of [
      'entry to return.',
      '--pid, --comm, …  which processes',
      '-p by=…',
      'integer, ns, must be given',
      'needs kprobe:handle_mm_fault',
    ]) {
      expect(stdout).toContain(text);
    }
    expect(stdout).toMatch(/run on {2}6\.1\.0-13-amd64\ncost {2}1\.2 us per fault\n$/);
    const source = await run(['stap', 'show', 'pagefault-latency', '--source'], { app });
    expect(source.stdout).toBe('probe begin {}\n');
    const unknown = await run(['stap', 'show', 'nosuch'], { app });
    expect([unknown.code, unknown.stderr]).toEqual([4, expect.stringContaining('there are pagefault-latency')]);
  });
});

describe('faults', () => {
  const point = (event: string, value: number): CounterPoint => ({
    ...{ time: 1000, event, scope: '', status: 'counted', value, unit: '', runningPercent: 100 },
  });
  const failure = {
    code: 'tool-missing',
    message: 'stap is not installed',
    remedy: 'apt-get install systemtap',
  } as const;
  const without = (host: string) =>
    runOf(host, {
      parts: [
        { part: 'stat', outcome: 'finished' },
        { part: 'stap', outcome: 'failed', failure },
      ],
      losses: [{ kind: 'missing-parts', count: 1, detail: 'stap: stap is not installed' }],
    });

  beforeEach(() => {
    app.merged = drawProfile('main;touch 5');
    app.counters = {
      points: [point('page-faults', 1000), point('minor-faults', 990), point('major-faults', 10)],
      ...{ interval: 1000, losses: [] },
    };
  });

  it('asks for the three parts at once', async () => {
    await run('faults --comm postgres --for 30s --interval 2s -c 7 --build-on web1'.split(' '), { app });
    const target = { kind: 'processes', selector: { comms: ['postgres'] } };
    expect(app.submitted).toMatchObject({
      spec: {
        ...{ kind: 'kit', target, duration: 30_000 },
        parts: [
          {
            ...{ kind: 'stat', target, duration: 30_000, interval: 2000 },
            events: [{ name: 'page-faults' }, { name: 'minor-faults' }, { name: 'major-faults' }],
          },
          { kind: 'record', target, events: [{ name: 'page-faults' }], rate: { period: 7 }, callGraph: { mode: 'fp' } },
          { kind: 'stap', target, interval: 2000, script: { name: 'pagefault-latency' } },
        ],
      },
      buildHost: WEB1,
    });
  });

  it('says why latencies are missing, once for all hosts alike, and what perf tells instead', async () => {
    app.runs = [without('web1'), without('web2')];
    const { code, stdout } = await run(['faults'], { app });
    expect(code).toBe(0);
    expect(stdout).toContain(
      'Latency by fault type is missing on web1, web2: stap is not installed (apt-get install systemtap).\n',
    );
    app.known = jobOf('succeeded', KIT);
    const later = await run(['jobs', 'show', 'last'], { app });
    expect(later.stdout).toContain('no stap of web1, web2: stap is not installed (apt-get install systemtap)\n');
    expect(stdout).toContain('990 (99.00%) minor faults, served from memory, and 10 (1.00%) major faults');
    expect(stdout).toMatch(/page-faults: 5\n[\s\S]*touch[\s\S]*minor-faults/);
    const json = JSON.parse((await run(['faults', '--json'], { app })).stdout);
    expect(json.notes).toHaveLength(2);
    expect(json.losses).toMatchObject([{ kind: 'missing-parts', count: 2 }]);
  });

  it('has no such note where every host has its latencies', async () => {
    app.histogramsOf = { all: drawSeries('1024:5') };
    const { stdout } = await run(['faults'], { app });
    expect(stdout).not.toContain('missing');
    expect(stdout).toMatch(/latency\ncount +mean/);
  });

  it('writes the report as one file, whole or not at all', async () => {
    app.runs = [without('web1'), runOf('<img src=x>')];
    const file = join(directory, 'faults.html');
    app.histogramsOf = { all: drawSeries('1024:5'), web1: drawSeries('1024:5') };
    const { code, stdout } = await run(['faults', '-o', file], { app });
    expect([code, stdout]).toEqual([0, expect.stringContaining(`wrote ${file}`)]);
    const html = await readFile(file, 'utf8');
    expect(html).toMatch(/^<!doctype html>/i);
    for (const text of [
      'Page faults',
      'stap is not installed',
      'minor faults, served from memory',
      'perftrawl 1.2.3',
      'touch',
    ]) {
      expect(html).toContain(text);
    }
    expect(html).not.toContain('<img src=x>');
    expect(await readdir(directory)).toEqual(['faults.html']);
    const nowhere = await run(['faults', '-o', join(directory, 'no', 'such.html')], { app });
    expect([nowhere.code, app.calls.filter((call) => call.startsWith('run'))]).toEqual([4, ['run job1']]);
  });

  it.each([
    [['--interval', '0'], '--interval'],
    [['--interval', '1m', '--for', '30s'], '--interval'],
    [['-c', '0'], '-c'],
  ])('refuses %j', async (argv, option) => {
    const { code, stderr } = await run(['faults', ...argv], { app });
    expect([code, stderr]).toEqual([2, expect.stringContaining(`perftrawl: ${option}: `)]);
  });
});
