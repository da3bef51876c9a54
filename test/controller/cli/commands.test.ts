// The commands that look after jobs, hosts and certificates: jobs, import, hosts, doctor, ca, completion.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AppOptions } from '../../../controller/cli/context.js';
import type { ScheduleDefinition } from '../../../controller/schedule/schedule.js';
import type { HostDescription } from '../../../proto/capture.js';
import { FakeApp, jobOf, run, SCRIPT, WEB1, WEB2 } from './fake-app.js';

let directory: string;
let app: FakeApp;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'perftrawl-cli-'));
  app = new FakeApp();
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

describe('jobs', () => {
  it('are listed', async () => {
    const { stdout } = await run(['jobs'], { app });
    expect(stdout).toMatch(/job1 +2023-11-14 22:13:20 +succeeded +5\.0 s +2 +record page-faults, whole system, 1\.0 s/);
  });

  it('that lost their controller are listed with the command that goes on with them', async () => {
    app.known = jobOf('interrupted');
    expect((await run(['jobs'], { app })).stderr).toContain('  perftrawl jobs resume job1\n');
    app.known = jobOf('succeeded');
    expect((await run(['jobs'], { app })).stderr).toBe('');
  });

  it('are cancelled, resumed and removed', async () => {
    expect((await run(['jobs', 'cancel', 'last'], { app })).stdout).toBe('job job1 is cancelled\n');
    app.endState = 'partial';
    expect((await run(['jobs', 'resume', 'job'], { app })).code).toBe(3);
    expect((await run(['jobs', 'rm', 'last'], { app })).code).toBe(0);
    expect(app.calls).toEqual(['cancel job1', 'resume job1', 'delete job1']);
  });

  it('are removed once each, and none when one of the names is wrong', async () => {
    expect((await run(['jobs', 'rm', 'last', 'job1'], { app })).code).toBe(0);
    expect(app.calls).toEqual(['delete job1']);
    expect((await run(['jobs', 'rm', 'last', 'nosuch'], { app })).code).toBe(4);
    expect(app.calls).toEqual(['delete job1']);
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
    const { code, stderr } = await run(['import', join(directory, 'none')], { app });
    expect(code).toBe(4);
    expect(stderr).toMatch(/there is no file .*none/);
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
    kernelBuildId: 'abc',
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

describe('doctor --stap', () => {
  const host = {
    ...{
      hostname: 'web1',
      kernelRelease: '6.1.0',
      kernelBuildId: '',
      architecture: 'x86_64',
      cpuCount: 2,
      memoryBytes: 1,
    },
    ...{ osName: 'Debian 12', agentVersion: '0.1.0', tools: [], perfEventParanoid: 2, kptrRestrict: 0, isRoot: true },
    ...{ clock: 1_700_000_000_000, runningCaptures: [], usableEvents: [], unusableEvents: [], problems: [] },
  };
  const nothing = { problems: [], commandLines: [], processes: [] };
  const plan = {
    ...{
      script: 'runq-latency',
      variant: 'v',
      scriptSha256: '',
      kernelRelease: '6.1.0',
      kernelBuildId: '',
      machine: '',
    },
    ...{ canCompile: true, canRun: true },
  };

  beforeEach(() => {
    app.descriptions = [WEB1, WEB2].map((at) => ({ host: at, ok: true, value: host }));
    app.preflights = [WEB1, WEB2].map((at) => ({ host: at, ok: true, value: nothing }));
  });

  it('says which host runs the script, and what mends the others', async () => {
    const problem = { code: 'no-stap', message: 'stap is missing', remedy: 'apt-get install systemtap', isFatal: true };
    app.stapPreflights = [
      { host: WEB1, ok: true, value: { ...nothing, stap: plan } },
      { host: WEB2, ok: true, value: { ...nothing, problems: [problem], stap: { ...plan, canRun: false } } },
    ];
    const { code, stdout } = await run(['doctor', '--stap', 'runq-latency'], { app });
    expect(code).toBe(1);
    expect(stdout).toMatch(/✓ web1[\s\S]*stap runq-latency \(v\) runs here[\s\S]*✗ web2[\s\S]*does not run here/);
    expect(stdout).toContain('mend it with: apt-get install systemtap');
    const json = JSON.parse((await run(['doctor', '--stap', '--json'], { app })).stdout);
    expect(json.hosts[1].stap).toMatchObject({ script: 'pagefault-latency', runs: 'no' });
  });

  it('says when it must be compiled elsewhere; nobody is asked about scripts without the option', async () => {
    app.stapPreflights = [{ host: WEB1, ok: true, value: { ...nothing, stap: { ...plan, canCompile: false } } }];
    expect((await run(['doctor', '--stap'], { app })).stdout).toContain('compiled elsewhere with --build-on');
    expect((await run(['doctor'], { app })).stdout).not.toContain('stap');
  });
});

describe('ca', () => {
  it('makes a root and issues certificates', async () => {
    const ca = join(directory, 'ca');
    expect((await run(['ca', 'init', '--dir', ca], { app })).code).toBe(0);
    const issued = await run(['ca', 'issue', 'web1', '--address', '10.0.0.1,web1.lan', '--dir', ca, '--json'], { app });
    expect(JSON.parse(issued.stdout)).toMatchObject({ certPath: join(ca, 'web1.crt'), keyPath: join(ca, 'web1.key') });
    expect((await run(['ca', 'issue', 'web2', '--dir', ca], { app })).stdout).toContain(
      '--ca ca.crt --cert web2.crt --key web2.key',
    );
    expect((await run(['ca', 'init', '--dir', ca], { app })).code).toBe(2);
    const listed = await run(['ca', 'ls', '--dir', ca, '--json'], { app });
    expect(JSON.parse(listed.stdout).map((one: { name: string }) => one.name)).toEqual(['web1', 'web2']);
    expect((await run(['ca', 'ls', '--dir', ca], { app })).stdout).toMatch(
      /^web1 {2}agent {2}(good|expired) {2}until .* UTC {2}serial [0-9a-f]+$/m,
    );
    expect((await run(['ca', 'issue', '../x', '--dir', ca], { app })).code).toBe(2);
    expect((await run(['ca', 'issue', 'web2', '--days', '0', '--dir', ca], { app })).code).toBe(2);
  });
});

describe('completion', () => {
  beforeEach(() => {
    app.catalogue = [{ host: WEB1, ok: true, value: [SCRIPT] }];
    names('nightly', 'weekly');
  });

  function names(...schedules: string[]): void {
    const { hosts: _all, requester, buildHost: _none, sample: _nor, ...job } = jobOf('succeeded').request;
    const definition: Omit<ScheduleDefinition, 'name'> = {
      ...{ timing: { kind: 'at', time: 1 }, timeZone: 'UTC', windows: [], blackouts: [], jitter: 0, overlap: 'skip' },
      ...{ missed: 'skip', tolerance: 0, retention: {}, job },
    };
    app.schedules.list = async () =>
      schedules.map((name) => ({
        ...{ definition: { ...definition, name }, state: 'active', requester, created: 1, nextDue: 1 },
      }));
  }

  const complete = async (...words: string[]) =>
    (await run(['complete-words', '--', ...words], { app })).stdout.trimEnd().split('\n');

  it.each([
    [['re'], ['record']],
    [
      ['jobs', ''],
      ['approve', 'cancel', 'ls', 'reject', 'resume', 'rm', 'show'],
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
    [
      ['export', 'last', '--format', 'p'],
      ['perf-script', 'pprof'],
    ],
    [['export', '--color', 'ja'], ['java']],
    [['import', 'x', '--format', 'perf-d'], ['perf-data']],
    [['import', 'x', '--format', 's'], ['stap-text']],
    [
      ['stap', ''],
      ['ls', 'pagefault-latency', 'show'],
    ],
    [['stap', 'show', 'page'], ['pagefault-latency']],
    [['stap', 'pagefault-latency', '--build-on', 'web1'], ['web1']],
    [['stap', 'pagefault-latency', '--comm', ''], ['']],
    [
      ['hist', ''],
      ['job1', 'last'],
    ],
    [['hist', 'job1', '--diff', 'l'], ['last']],
    [
      ['text', 'last', '--stream', ''],
      ['stderr', 'stdout'],
    ],
    [['export', 'last', '--of', 'h'], ['histograms']],
    [
      ['show', '--sort', ''],
      ['self', 'total'],
    ],
    [['jobs', 'ls', '--state', 'inter'], ['interrupted']],
    [['ca', 'issue', 'x', '--role', 'c'], ['controller']],
    [['schedule', 'pause', 'n'], ['nightly']],
    [['schedule', 'history', 'w'], ['weekly']],
    [['schedule', 'next', 'nightly', ''], ['']],
    [
      ['schedule', 'rm', 'nightly', ''],
      ['nightly', 'weekly'],
    ],
    [['schedule', 'add', ''], ['']],
    [
      ['pull', ''],
      ['job1', 'last', 'nightly', 'weekly'],
    ],
    [['jobs', 'ls', '--schedule', 'w'], ['weekly']],
    [['teams', 'set', ''], ['db']],
    [['teams', 'reset', 'd'], ['db']],
    [['users', 'add', 'bob', '--team', ''], ['db']],
    [['record', '--team=d'], ['--team=db']],
    [
      ['diff', 'job1', 'job1:'],
      ['job1:web1', 'job1:web2'],
    ],
    [['diff', 'last:web2'], ['last:web2']],
    [
      ['diff', 'job1:web1', 'last', '--host', 'w'],
      ['web1', 'web2'],
    ],
    [['hosts', 'forget', 'web1'], ['web1']],
    [['audit', 'ls', '--job', 'l'], ['last']],
    [['fold', '--'], ['--help']],
    [['completion', 'f'], ['fish']],
    [['import', ''], ['']],
    [['nonsense', 'x', ''], ['']],
  ])('of %j is %j', async (words, expected) => {
    expect(await complete(...words)).toEqual(expected);
  });

  it('of hosts after a job is those of the job', async () => {
    app.known = jobOf('succeeded', undefined, [WEB2]);
    expect(await complete('show', 'job1', '--host', '')).toEqual(['web2']);
    expect(await complete('diff', 'job1:')).toEqual(['job1:web2']);
    expect(await complete('show', '--host', '')).toEqual(['web1', 'web2']);
  });

  it('asks the server and the store that the command line names', async () => {
    const asked: unknown[] = [];
    const onOpen = ({ server, dataDirectory }: AppOptions) => asked.push([server?.url, dataDirectory]);
    const of = (...words: string[]) => run(['complete-words', '--', ...words], { app, onOpen });
    expect((await of('--server', 'https://perf:7450', 'schedule', 'pause', '')).stdout).toBe('nightly\nweekly\n');
    await of('--data', '/srv/perf', 'schedule', 'pause', '');
    // Which the shell would still change.
    await of('--data', '~/perf', 'schedule', 'pause', '');
    expect(asked).toEqual([
      ['https://perf:7450', undefined],
      [undefined, '/srv/perf'],
      [undefined, undefined],
    ]);
  });

  it('offers nothing that a shell would take for more than a name', async () => {
    names('good', '$(reboot)', 'a b', 'x;y', '`id`', 'a\nb', "'", '\u001b[31m', 'ü');
    expect(await complete('schedule', 'pause', '')).toEqual(['good']);
  });

  it('offers no more than a person looks through, and never more of a name than is sure', async () => {
    names(...Array.from({ length: 3000 }, (_, i) => `a${String(i).padStart(4, '0')}`), 'b');
    const offered = await complete('schedule', 'pause', '');
    expect([offered.length, offered[0], offered.at(-1)]).toEqual([1000, 'a0000', 'b']);
    expect(await complete('schedule', 'pause', 'a2')).toHaveLength(1000);
    expect((await complete('schedule', 'pause', 'a2')).at(-1)).toBe('a2999');
  });

  it.each(['bash', 'zsh', 'fish'])('has a script for %s', async (shell) => {
    const { code, stdout } = await run(['completion', shell], { app });
    expect(code).toBe(0);
    expect(stdout).toContain('perftrawl complete-words -- ');
  });
});
