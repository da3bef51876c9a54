// The commands that look at jobs and hosts, and what holds for every command: help with examples, JSON, exit codes.
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AppOptions } from '../../../controller/cli/context.js';
import { EXIT_CODE_TABLE } from '../../../controller/cli/exit-codes.js';
import { OUTPUT_CLOSED } from '../../../controller/cli/io.js';
import type { CaptureSpec, HostDescription } from '../../../proto/capture.js';
import { fail } from '../../../proto/failure.js';
import { drawProfile } from '../../profile/draw-profile.js';
import { FakeApp, jobOf, run, runOf, WEB1, WEB2 } from './fake-app.js';

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

describe('jobs', () => {
  it('are listed', async () => {
    const { stdout } = await run(['jobs'], { app });
    expect(stdout).toMatch(/job1 +2023-11-14 22:13:20 +succeeded +5\.0 s +2 +record page-faults, whole system, 1\.0 s/);
  });

  it('are cancelled, resumed and removed', async () => {
    expect((await run(['jobs', 'cancel', 'last'], { app })).stdout).toBe('job job1 is cancelled\n');
    app.endState = 'partial';
    expect((await run(['jobs', 'resume', 'job'], { app })).code).toBe(3);
    expect((await run(['jobs', 'rm', 'last'], { app })).code).toBe(0);
    expect(app.calls).toEqual(['cancel job1', 'resume job1', 'delete job1']);
  });

  it.each(['show', 'cancel', 'resume', 'rm'])('%s of one that is not there ends with 4', async (verb) => {
    expect((await run(['jobs', verb, 'nosuch'], { app })).code).toBe(4);
  });
});

describe('import', () => {
  it('makes a job of a file on this machine, whatever the inventory holds', async () => {
    const file = join(directory, 'perf.data');
    await writeFile(file, '');
    app.inventory = [];
    const { code } = await run(['import', file, '--format', 'perf-data'], { app });
    expect(code).toBe(0);
    expect(app.submitted).toMatchObject({
      spec: { kind: 'file', path: file, format: 'perf-data' },
      hosts: [{ name: 'localhost', address: { transport: 'local' } }],
    });
  });

  it('ends with 4 when there is no such file', async () => {
    expect((await run(['import', join(directory, 'none')], { app })).code).toBe(4);
  });
});

describe('hosts', () => {
  it('are listed with address and labels', async () => {
    expect((await run(['hosts'], { app })).stdout).toMatch(/web1 +tls +10\.0\.0\.1:7451 +role=web/);
  });

  it('tell their processes; those that do not answer are named', async () => {
    const process = { pid: 7, comm: 'nginx', cmdline: 'nginx: \x1b[31mmaster', cgroup: '/', uid: 0 };
    const failure = { code: 'unreachable', message: 'no answer', remedy: '' } as const;
    app.processes = [
      { host: WEB1, ok: true, value: [process] },
      { host: WEB2, ok: false, failure },
    ];
    const { code, stdout, stderr } = await run(['hosts', 'ps', '--comm', 'nginx', '--comm', 'php'], { app });
    expect(code).toBe(3);
    expect(app.selector).toEqual({ comms: ['nginx', 'php'] });
    expect(stdout).toMatch(/web1 +7 +0 +nginx +nginx: .*master/);
    expect(stdout).not.toContain('\x1b');
    expect(stderr).toContain('web2: no answer');
    app.processes = [{ host: WEB2, ok: false, failure }];
    expect((await run(['hosts', 'ps'], { app })).code).toBe(5);
  });
});

describe('doctor', () => {
  const description: HostDescription = {
    hostname: 'web1',
    kernelRelease: '6.1.0',
    architecture: 'x86_64',
    cpuCount: 2,
    memoryBytes: 2 ** 33,
    osName: 'Debian 12',
    agentVersion: '0.1.0',
    tools: [{ name: 'perf', version: '6.1.140', path: '/usr/bin/perf' }],
    perfEventParanoid: 2,
    kptrRestrict: 0,
    isRoot: true,
    clock: 1_700_000_000_000,
    runningCaptures: [],
    usableEvents: ['page-faults'],
    unusableEvents: ['cycles'],
    problems: [],
  };
  const ready = { host: WEB1, ok: true as const, value: { problems: [], commandLines: [], processes: [] } };

  it('is content with a healthy host', async () => {
    app.descriptions = [{ host: WEB1, ok: true, value: description }];
    app.preflights = [ready];
    const { code, stdout } = await run(['doctor'], { app });
    expect(code).toBe(0);
    expect(stdout).toContain('✓ web1  Debian 12, Linux 6.1.0 x86_64, 2 CPUs, 8.00 GiB, perf 6.1.140, agent 0.1.0');
    expect(stdout).toContain('ready to capture');
    expect(stdout).toContain('events that do not work there: cycles');
  });

  it('names the command that mends what is missing', async () => {
    const problem = {
      code: 'no-perf',
      message: 'perf is not installed',
      remedy: 'apt-get install linux-perf',
      isFatal: true,
    };
    app.descriptions = [
      { host: WEB1, ok: true, value: { ...description, clock: 1_700_000_010_000, problems: [problem] } },
      { host: WEB2, ok: false, failure: { code: 'unreachable', message: 'no answer', remedy: 'start its agent' } },
    ];
    app.preflights = [{ ...ready, value: { ...ready.value, problems: [problem] } }];
    const { code, stdout } = await run(['doctor'], { app });
    expect(code).toBe(1);
    expect(stdout.match(/mend it with: apt-get install linux-perf/g)).toHaveLength(1);
    expect(stdout).toContain("its clock is 10,000 ms ahead of this machine's");
    expect(stdout).toContain('mend it with: start its agent');
  });
});

describe('ca', () => {
  it('makes a root and issues certificates', async () => {
    const ca = join(directory, 'ca');
    expect((await run(['ca', 'init', '--dir', ca], { app })).code).toBe(0);
    const issued = await run(['ca', 'issue', 'web1', '--address', '10.0.0.1,web1.lan', '--dir', ca, '--json'], { app });
    expect(JSON.parse(issued.stdout)).toMatchObject({ certPath: join(ca, 'web1.crt'), keyPath: join(ca, 'web1.key') });
    expect((await run(['ca', 'init', '--dir', ca], { app })).code).toBe(2);
    expect((await run(['ca', 'issue', '../x', '--dir', ca], { app })).code).toBe(2);
    expect((await run(['ca', 'issue', 'web2', '--days', '0', '--dir', ca], { app })).code).toBe(2);
  });
});

describe('completion', () => {
  const complete = async (...words: string[]) =>
    (await run(['complete-words', '--', ...words], { app })).stdout.trimEnd().split('\n');

  it.each([
    [['re'], ['record']],
    [
      ['jobs', ''],
      ['cancel', 'ls', 'resume', 'rm', 'show'],
    ],
    [['record', '--cm'], ['--cmdline']],
    [['record', '--inv'], ['--inventory']],
    [
      ['show', ''],
      ['job1', 'last'],
    ],
    [['show', 'last', '--host', 'web2'], ['web2']],
    [
      ['record', '-e', 'page-faults', '--on', ''],
      ['name=web1', 'name=web2'],
    ],
    [
      ['record', '--split', ''],
      ['comm', 'pid', 'tid'],
    ],
    [['completion', 'f'], ['fish']],
    [['import', ''], ['']],
    [['nonsense', 'x', ''], ['']],
  ])('of %j is %j', async (words, expected) => {
    expect(await complete(...words)).toEqual(expected);
  });

  it.each(['bash', 'zsh', 'fish'])('has a script for %s', async (shell) => {
    const { code, stdout } = await run(['completion', shell], { app });
    expect(code).toBe(0);
    expect(stdout).toContain('perftrawl complete-words -- ');
  });
});

describe('every command', () => {
  const COMMANDS = [
    'record',
    'stat',
    'import',
    'show',
    'export',
    'artifacts',
    'jobs',
    'jobs ls',
    'jobs show',
    'jobs cancel',
    'jobs resume',
    'jobs rm',
    'hosts',
    'hosts ls',
    'hosts ps',
    'doctor',
    'ca',
    'ca init',
    'ca issue',
    'completion',
    'version',
    'help',
  ];

  it.each(COMMANDS)('%s has help with examples and --json', async (command) => {
    const { code, stdout } = await run([...command.split(' '), '--help'], { app });
    expect(code).toBe(0);
    expect(stdout).toMatch(/Examples:\n {2}# .*\n {2}.*perftrawl /);
    expect(stdout).toContain('--json');
  });

  it('is in the help', async () => {
    const { stdout } = await run(['--help'], { app });
    for (const name of [...COMMANDS.filter((command) => !command.includes(' ')), 'fold', 'agent']) {
      expect(stdout).toMatch(new RegExp(`^  ${name}\\b`, 'm'));
    }
    expect(stdout).not.toContain('complete-words');
    expect((await run(['help', 'jobs', 'rm'], { app })).stdout).toContain('Usage: perftrawl jobs rm');
    expect((await run(['help', 'fold'], { app })).stdout).toContain('perf.data > out.folded');
  });

  it.each([
    ['record'],
    ['stat'],
    ['show'],
    ['artifacts', 'last'],
    ['jobs', 'ls'],
    ['jobs', 'show', 'last'],
    ['jobs', 'cancel', 'last'],
    ['jobs', 'resume', 'last'],
    ['jobs', 'rm', 'last'],
    ['hosts', 'ls'],
    ['hosts', 'ps'],
    ['doctor'],
    ['version'],
    ['completion', 'bash'],
  ])('%s %s %s prints one JSON document', async (...argv) => {
    const { code, stdout } = await run([...argv, '--json'], { app });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toBeTypeOf('object');
  });

  it('says what went wrong in JSON too', async () => {
    const unknown = await run(['jobs', 'show', 'nosuch', '--json'], { app });
    expect(unknown.code).toBe(4);
    expect(JSON.parse(unknown.stdout)).toEqual({
      error: {
        code: 'not-found',
        message: 'there is no job nosuch',
        remedy: '`perftrawl jobs ls` lists them',
        exitCode: 4,
      },
    });
    expect(JSON.parse((await run(['recrod', '--json'], { app })).stdout).error.exitCode).toBe(2);
  });

  it('is suggested where it was mistyped', async () => {
    const { code, stderr } = await run(['recrod'], { app });
    expect(code).toBe(2);
    expect(stderr).toMatch(/unknown command 'recrod'.*Did you mean record/);
    expect((await run([], { app })).code).toBe(2);
  });
});

describe('exit codes', () => {
  it.each([
    ['bad-request', 2],
    ['not-found', 4],
    ['unreachable', 5],
    ['untrusted', 5],
    ['bad-data', 6],
    ['permission', 7],
    ['refused', 7],
    ['tool-missing', 7],
    ['tool-failed', 1],
    ['deadline', 1],
    ['exhausted', 1],
    ['cancelled', 130],
    ['internal', 70],
  ] as const)('a failure %s ends with %d', async (failureCode, expected) => {
    app.job = async () => {
      throw fail(failureCode, 'it went wrong', 'mend it');
    };
    const { code, stderr } = await run(['show'], { app });
    expect(code).toBe(expected);
    expect(stderr).toContain('perftrawl: it went wrong (mend it)');
    expect(app.isClosed).toBe(true);
  });

  it('of what is no failure of ours is that of a defect, with the stack', async () => {
    app.job = async () => {
      throw new TypeError('x is not a function');
    };
    const { code, stderr } = await run(['show'], { app });
    expect(code).toBe(70);
    expect(stderr).toMatch(/this is a defect of perftrawl[\s\S]*at .*commands\.test\.ts/);
  });

  it('is 141, without a word, when the reader of the output went away', async () => {
    const stop = new AbortController();
    app.job = async () => {
      stop.abort(OUTPUT_CLOSED);
      throw fail('cancelled', 'fetching was cancelled', '');
    };
    expect(await run(['show'], { app, stop })).toEqual({ code: 141, stdout: '', stderr: '' });
  });

  it('are documented: `help exit-codes`, docs/exit-codes.md and the table agree', async () => {
    const { stdout } = await run(['help', 'exit-codes'], { app });
    const document = await readFile(new URL('../../../docs/exit-codes.md', import.meta.url), 'utf8');
    for (const { code, meaning } of EXIT_CODE_TABLE) {
      expect(stdout).toMatch(new RegExp(`^ +${code}  `, 'm'));
      expect(document.replaceAll(/ +/g, ' ')).toContain(`| ${code} | ${meaning} |`);
    }
  });
});

describe('global options', () => {
  it('say where the inventory and the data are, also behind the command, before the environment', async () => {
    const opened: AppOptions[] = [];
    const onOpen = (options: AppOptions) => opened.push(options);
    const env = { PERFTRAWL_INVENTORY: '/env/i.yaml', PERFTRAWL_DATA: '/env/data' };
    await run(['hosts'], { app, onOpen });
    await run(['hosts'], { app, onOpen, env });
    await run(['--inventory', 'a.yaml', 'hosts', '--data', 'd'], { app, onOpen, env });
    expect(opened).toEqual([
      { inventoryFile: undefined, dataDirectory: undefined },
      { inventoryFile: '/env/i.yaml', dataDirectory: '/env/data' },
      { inventoryFile: 'a.yaml', dataDirectory: 'd' },
    ]);
  });

  it('are explained where they cannot be given', async () => {
    const { code, stderr } = await run(['--data', 'd', 'fold', 'perf.data'], { app });
    expect(code).toBe(2);
    expect(stderr).toContain('put it first, as in `perftrawl fold …`');
  });
});
