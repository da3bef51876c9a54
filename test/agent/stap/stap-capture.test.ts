// A capture of kind `stap` from the request to its done event, with programs that print what the real stap printed.

import { createHash } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BudgetAccounting } from '../../../agent/capture/budget-accounting.js';
import { DEFAULT_BUDGET } from '../../../agent/capture/budget-limits.js';
import { CaptureContext } from '../../../agent/capture/capture-context.js';
import { CaptureStop } from '../../../agent/capture/capture-stop.js';
import { CostMeter } from '../../../agent/capture/cost-meter.js';
import { SpoolRoom } from '../../../agent/capture/spool-room.js';
import { runStap } from '../../../agent/capture/stap-run.js';
import type { CaptureService } from '../../../agent/capture-service.js';
import { defaultPolicy } from '../../../agent/policy/policy.js';
import { Spool } from '../../../agent/spool/spool.js';
import { countOf } from '../../../profile/histogram.js';
import { all, capture, fetched, followed, never, the, waitFor } from '../capture/live-host.js';
import { FakeStapHost, FIXTURES, RELEASE, scriptThat, stapOf } from './fake-stap.js';

let host: FakeStapHost;
let service: CaptureService;

beforeEach(async () => {
  host = await FakeStapHost.create();
  service = await host.service();
});
afterEach(async () => {
  await host.dispose();
});

const fixture = (name: string) => join(FIXTURES, name);
const loaded = async () => (await readFile(join(host.root, 'proc/modules'), 'utf8')).match(/perftrawl_\w+/g) ?? [];
const compiled = async () => (await readFile(join(host.root, 'compiled'), 'utf8')).trim().split('\n');

describe('a script that runs well', () => {
  it('is compiled, gives its histograms and text, and leaves no module', async () => {
    const script = scriptThat({ do: 'print', file: fixture('50_two_keys.stdout') });
    const events = await capture(service, 'good', stapOf(script));
    expect(all(events, 'state').map(({ state }) => state)).toEqual(['resolving', 'compiling', 'running']);
    const points = all(events, 'histograms').flatMap((batch) => batch.points);
    expect(points.length).toBeGreaterThan(0);
    for (const { histogram } of points) expect(countOf(histogram)).toBeGreaterThan(0);
    const done = the(events, 'done');
    expect(done).toMatchObject({ outcome: 'finished' });
    expect(done.commandLines[0]).toMatch(
      /stap -p4 -m perftrawl_[0-9a-f]{32} -r 6\.1\.0-56-cloud-amd64 -D STP_OVERLOAD_/,
    );
    expect(done.commandLines[1]).toMatch(/staprun -R \S+\/perftrawl_[0-9a-f]{32}\.ko perftrawl_duration_ms=5000$/);
    expect(await loaded()).toEqual([]);
    expect(the(events, 'cost').cost.recordedBytes).toBe((await readFile(fixture('50_two_keys.stdout'))).length);
  });

  it('tells which stap there is, for modules of another one are not the same', async () => {
    const stap = (await service.describe(new AbortController().signal)).tools.find(({ name }) => name === 'stap');
    expect(stap).toMatchObject({ version: '4.8/0.188, Debian version 4.8-2' });
  });

  it('is compiled once, and again for another overhead', async () => {
    const script = scriptThat({ do: 'arguments' });
    await capture(service, 'first', stapOf(script));
    const events = await capture(service, 'second', stapOf(script, { duration: 7000 }));
    expect(all(events, 'state').map(({ state }) => state)).toEqual(['resolving', 'running']);
    expect(await compiled()).toHaveLength(1);
    await capture(service, 'third', stapOf(script, { overheadPercent: 2 }));
    const [, third] = await compiled();
    expect(JSON.parse(third ?? '')).toEqual(
      expect.arrayContaining([
        'STP_OVERLOAD_INTERVAL=1000000000LL',
        'STP_OVERLOAD_THRESHOLD=20000000LL',
        'MAXSKIPPED=2000',
      ]),
    );
  });

  it('keeps all that was printed when asked to', async () => {
    const events = await capture(
      service,
      'raw',
      stapOf(scriptThat({ do: 'print', file: fixture('54_intervals.stdout') }), { keepRaw: true }),
    );
    expect(the(events, 'artifact').artifact.name).toBe('stap.out');
    expect((await fetched(service, 'raw', 'stap.out')).equals(await readFile(fixture('54_intervals.stdout')))).toBe(
      true,
    );
  });

  it('has what it said on stderr as text and as losses', async () => {
    const file = join(host.directory, 'stderr');
    await writeFile(file, 'WARNING: Number of errors: 0, skipped probes: 9\n');
    const events = await capture(service, 'skipped', stapOf(scriptThat({ do: 'print', file, to: 'stderr' })));
    expect(all(events, 'text').flatMap(({ lines }) => lines)).toEqual([
      expect.objectContaining({ stream: 'stderr', number: 1, text: 'WARNING: Number of errors: 0, skipped probes: 9' }),
    ]);
    expect(the(events, 'losses').losses).toEqual([expect.objectContaining({ kind: 'skipped-probes', count: 9 })]);
  });

  it('prints its last when it is stopped early', async () => {
    const script = scriptThat(
      { do: 'arguments' },
      { do: 'wait' },
      { do: 'print', file: fixture('52_log_extremes.stdout') },
    );
    await service.startCapture({ captureId: 'stopped', spec: stapOf(script), requester: 'test' });
    await waitFor(service, 'stopped', 'text');
    await service.stopCapture('stopped', false);
    const events = await followed(service, 'stopped');
    expect(the(events, 'done').outcome).toBe('stopped');
    expect(all(events, 'histograms').length).toBeGreaterThan(0);
    expect(await loaded()).toEqual([]);
  });

  it('keeps nothing when it is discarded, and unloads', async () => {
    const script = scriptThat({ do: 'arguments' }, { do: 'wait' });
    await service.startCapture({ captureId: 'gone', spec: stapOf(script, { keepRaw: true }), requester: 'test' });
    await waitFor(service, 'gone', 'text');
    await service.stopCapture('gone', true);
    expect(the(await followed(service, 'gone'), 'done').outcome).toBe('discarded');
    expect(await loaded()).toEqual([]);
  });
});

describe('targets', () => {
  const argumentsOf = async (captureId: string, change: Parameters<typeof stapOf>[1], prefix = '') => {
    const script = scriptThat({ do: 'arguments' });
    const events = await capture(service, captureId, stapOf({ ...script, text: prefix + script.text }, change));
    const { outcome, failure } = the(events, 'done');
    if (outcome !== 'finished') return failure;
    const args: string[] = JSON.parse(all(events, 'text')[0]?.lines[0]?.text ?? '');
    return args;
  };

  it('one process becomes target(), several a list', async () => {
    expect(await argumentsOf('one', { target: { kind: 'pids', pids: [12] } })).toEqual(
      expect.arrayContaining(['-x', '12', 'perftrawl_duration_ms=5000']),
    );
    const selector = { comms: ['postgres'] };
    const several = { target: { kind: 'processes', selector } } as const;
    expect(await argumentsOf('several', several)).toMatchObject({
      code: 'bad-request',
      message: expect.stringMatching(/2 processes/),
    });
    const args = await argumentsOf('list', several, 'global pids = ""\n');
    expect(args).toContain('pids=12,34');
    expect(args).not.toContain('-x');
  });

  it.each([
    ['tids', { target: { kind: 'tids', tids: [12] } }, 'bad-request', /threads/],
    ['cgroup', { target: { kind: 'cgroup', path: '/a' } }, 'bad-request', /cgroup/],
    ['cpus', { target: { kind: 'system', cpus: '0-1' } }, 'bad-request', /CPUs/],
    ['both', { target: { kind: 'pids', pids: [12] }, command: ['true'] }, 'bad-request', /command is the target/],
    ['empty', { command: [''] }, 'bad-request', /empty/],
    ['overhead', { overheadPercent: 0 }, 'bad-request', /overhead of 0/],
    ['interval', { interval: 3 }, 'bad-request', /interval of 3/],
    ['duration', { duration: Number.NaN }, 'bad-request', /duration/],
  ] as const)('%s is refused at once', async (captureId, change, code, message) => {
    const start = service.startCapture({ captureId, spec: stapOf(scriptThat(), change), requester: 'test' });
    await expect(start).rejects.toMatchObject({ failure: { code, message: expect.stringMatching(message) } });
  });

  it('a process that is not there is told before stap is bothered', async () => {
    const events = await capture(service, 'dead', stapOf(scriptThat(), { target: { kind: 'pids', pids: [77] } }));
    expect(the(events, 'done').failure).toMatchObject({ code: 'not-found', message: 'no process 77 on this host' });
    await expect(compiled()).rejects.toThrow();
  });

  it('ends with the processes that it looks at, and says so', async () => {
    const script = scriptThat(
      { do: 'arguments' },
      { do: 'wait' },
      { do: 'print', file: fixture('52_log_extremes.stdout') },
    );
    const spec = stapOf(script, { target: { kind: 'pids', pids: [12] }, duration: 600_000 });
    await service.startCapture({ captureId: 'ends', spec, requester: 'test' });
    await waitFor(service, 'ends', 'text');
    await rm(join(host.root, 'proc/12'), { recursive: true });
    const events = await followed(service, 'ends');
    expect(the(events, 'done').outcome).toBe('finished');
    const lines = all(events, 'text').flatMap((batch) => batch.lines);
    const said = expect.stringMatching(/processes .* have ended/);
    expect(lines).toContainEqual(expect.objectContaining({ stream: 'stderr', text: said }));
    expect(all(events, 'histograms').length).toBeGreaterThan(0);
  });

  it('a command is quoted word by word, and its own output is not the script`s', async () => {
    const command = ['printf', '%s\n', '$(reboot)', "it's", '; rm -rf /', '~', '*'];
    const script = scriptThat({ do: 'command-prints' }, { do: 'arguments' });
    const events = await capture(service, 'command', stapOf(script, { command }));
    expect(the(events, 'done')).toMatchObject({ outcome: 'finished' });
    const [line, ...more] = all(events, 'text').flatMap(({ lines }) => lines);
    expect(more).toEqual([]);
    const args: string[] = JSON.parse(line?.text ?? '');
    expect(args[args.indexOf('-c') + 1]).toBe(`'printf' '%s\n' '$(reboot)' 'it'"'"'s' '; rm -rf /' '~' '*'`);
    expect(the(events, 'losses').losses).toEqual([
      { kind: 'dropped-lines', count: 1, detail: 'printed by the command, not by the script' },
    ]);
  });

  it('arguments of a script are arguments, whatever they look like', async () => {
    const script = { ...scriptThat({ do: 'arguments' }), arguments: ['-g', '--vp', '; reboot', '-DMAXACTION=1'] };
    await capture(service, 'hostile', stapOf(script));
    const args: string[] = JSON.parse((await compiled())[0] ?? '');
    expect(args.slice(args.indexOf('--') + 2)).toEqual(script.arguments);
    expect(args.slice(0, args.indexOf('--'))).not.toContain('-g');
  });
});

describe('a script of the catalogue', () => {
  const KALLSYMS = 'ffffffff81003000 T handle_mm_fault\n';
  const faults = (parameters: Readonly<Record<string, string>> = {}) =>
    ({ from: 'catalogue', name: 'pagefault-latency', parameters }) as const;

  it('is told its interval, duration and processes', async () => {
    await host.add('/proc/kallsyms', KALLSYMS);
    const target = { kind: 'processes', selector: { comms: ['postgres'] } } as const;
    const done = the(await capture(service, 'faults', stapOf(faults(), { target })), 'done');
    expect(done).toMatchObject({ outcome: 'finished' });
    expect(done.commandLines[1]).toMatch(/\.ko interval=1000 duration=5000 pids=12,34$/);
    expect(await compiled()).toEqual([expect.stringContaining('"MAXACTION=20000"')]);
  });

  it('is not run where nothing of it fits, with what each variant misses', async () => {
    await host.add('/proc/kallsyms', 'ffffffff81003000 T other\n');
    const spec = stapOf({ from: 'catalogue', name: 'futex-contention', parameters: {} });
    expect(the(await capture(service, 'nothing', spec), 'done').failure).toMatchObject({
      code: 'refused',
      message: expect.stringMatching(/no variant of futex-contention fits this host \(.*no function do_futex/),
    });
    const { problems, stap } = await service.preflight(spec, never);
    expect(problems).toContainEqual(expect.objectContaining({ code: 'refused', isFatal: true }));
    expect(stap).toBeUndefined();
  });

  it('that needs debuginfo can be compiled elsewhere', async () => {
    const { problems, stap } = await service.preflight(stapOf(faults()), never);
    expect(stap).toMatchObject({ variant: 'debuginfo', canCompile: false, canRun: true });
    expect(problems).toContainEqual(
      expect.objectContaining({
        code: 'debuginfo-missing',
        remedy: expect.stringContaining(`linux-image-${RELEASE}-dbg`),
      }),
    );
  });

  it.each<[string, Readonly<Record<string, string>>, RegExp]>([
    ['pagefault-latency', { nope: '1' }, /no parameter "nope"/],
    ['pagefault-latency', { duration: '5s' }, /gets its duration from the capture/],
    ['pagefault-latency', { pids: '1; reboot' }, /gets its pids/],
    ['../../etc/passwd', {}, /no script/],
    ['futex-contention', { locks: '1 x=2' }, /no value for the parameter locks/],
  ])('%s with %j is refused', async (name, parameters, message) => {
    const { failure } = the(await capture(service, 'wrong', stapOf({ from: 'catalogue', name, parameters })), 'done');
    expect(failure?.message).toMatch(message);
  });

  it('is listed with its variants, as they are compiled', async () => {
    const scripts = await service.listScripts();
    expect(scripts.map(({ name }) => name)).toContain('pagefault-latency');
    for (const { variants } of scripts) {
      for (const { text, sha256 } of variants) expect(createHash('sha256').update(text).digest('hex')).toBe(sha256);
    }
  });
});

describe('what goes wrong', () => {
  it('says why a script does not compile, and loads nothing', async () => {
    const file = join(host.directory, 'stderr');
    await writeFile(
      file,
      'parse error: expected statement\n        saw: operator \'}\' at own.stp:1:30\n     source: probe begin { println("a" }\n                                          ^\n\n1 parse error.\nPass 1: parse failed.  [man error::pass1]\n',
    );
    const done = the(await capture(service, 'syntax', stapOf(scriptThat({ do: 'fail', file }))), 'done');
    expect(done).toMatchObject({ outcome: 'failed', failure: { code: 'bad-request' } });
    expect(done.failure?.message).toMatch(/expected statement/);
    expect(await loaded()).toEqual([]);
  });

  it.each([
    ['60_maxaction', /MAXACTION/],
    ['61_map_full', /overflow/i],
    ['62_overload', /overhead .* exceeded threshold/],
  ])('%s ends with stap`s own reason, and what it printed before is kept', async (name, message) => {
    const script = scriptThat(
      { do: 'print', file: fixture('52_log_extremes.stdout') },
      { do: 'print', file: fixture(`${name}.stderr`), to: 'stderr' },
      { do: 'exit', code: 1 },
    );
    const events = await capture(service, name, stapOf(script));
    const done = the(events, 'done');
    expect(done.outcome).toBe('failed');
    expect(done.failure?.message).toMatch(message);
    expect(done.failure?.remedy).not.toBe('');
    expect(all(events, 'histograms').length).toBeGreaterThan(0);
    expect(await loaded()).toEqual([]);
  });

  it('ends a script that goes on after its duration, whatever it does, and unloads it', async () => {
    const spec = stapOf(scriptThat({ do: 'arguments' }, { do: 'wait', isDeaf: true }), { duration: 1 });
    const spool = await Spool.open({ directory: host.state, limit: 1e9, now: Date.now });
    const made = await spool.create({ captureId: 'deaf', kind: 'stap', spec: '', requester: '' }, () => undefined);
    if (made === undefined) throw new Error('not made');
    const settings = { policy: defaultPolicy(false), stateDirectory: host.state, budget: DEFAULT_BUDGET };
    const cost = new CostMeter();
    const context = new CaptureContext({
      machine: host.machine(),
      capture: made,
      stop: new CaptureStop(),
      spool: new SpoolRoom(spool, made.log, 0),
      settings,
      cost,
      accounting: new BudgetAccounting(spec, settings.budget, cost, 2),
    });
    await expect(runStap(context, spec, { slack: 500, grace: 500 })).rejects.toMatchObject({
      failure: { code: 'deadline', message: expect.stringMatching(/after its duration/) },
    });
    await spool.finish(made);
    expect(await loaded()).toEqual([]);
  });

  it('is stopped while it compiles', async () => {
    const spec = stapOf(scriptThat({ do: 'compile-for-ever' }));
    await service.startCapture({ captureId: 'compiling', spec, requester: 'test' });
    for await (const { body } of service.followCapture('compiling', 1, never)) {
      if (body.kind === 'state' && body.state === 'compiling') await service.stopCapture('compiling', false);
    }
    const events = await followed(service, 'compiling');
    expect(the(events, 'done').outcome).toBe('stopped');
    expect(all(events, 'state').map(({ state }) => state)).toEqual(['resolving', 'compiling']);
  });

  it('a full spool ends the script, with that reason', async () => {
    const small = await host.service(defaultPolicy(false), undefined, 20_000);
    const done = the(
      await capture(small, 'full', stapOf(scriptThat({ do: 'flood', lines: 100_000 }, { do: 'wait' }))),
      'done',
    );
    expect(done).toMatchObject({ outcome: 'failed', failure: { code: 'exhausted' } });
    expect(await loaded()).toEqual([]);
  });

  it('takes a module away whose staprun was killed', async () => {
    const done = the(await capture(service, 'killed', stapOf(scriptThat({ do: 'arguments' }, { do: 'die' }))), 'done');
    expect(done).toMatchObject({ outcome: 'failed' });
    expect(done.failure?.message).toMatch(/SIGKILL/);
    expect(await loaded()).toEqual([]);
  });

  it('takes away at the start what a killed agent left, but not what still runs', async () => {
    const modules = [
      'perftrawl_0123456789abcdef01234567_4001 1449984 2 - Live 0x0',
      'perftrawl_0123456789abcdef01234567_4002 1449984 2 - Live 0x0',
      'stap_0123456789abcdef 1 0 - Live 0x0',
    ];
    await host.add('/proc/modules', `${modules.join('\n')}\n`);
    await host.add('/proc/4002/comm', 'stapio\n');
    expect(await service.unloadLeftovers()).toEqual([]);
    expect(await loaded()).toEqual(['perftrawl_0123456789abcdef01234567_4002']);
    expect(await readFile(join(host.root, 'proc/modules'), 'utf8')).toContain('stap_0123456789abcdef ');
  });

  it('a flood is bounded and told, and does not hold the script up', async () => {
    const events = await capture(
      service,
      'flood',
      stapOf(scriptThat({ do: 'flood', lines: 1_000_000 }), { keepRaw: true }),
    );
    const { losses } = the(events, 'losses');
    const dropped = losses.filter(({ kind }) => kind === 'dropped-lines').reduce((sum, { count }) => sum + count, 0);
    const kept = all(events, 'text').reduce((sum, { lines }) => sum + lines.length, 0);
    expect(kept + dropped).toBe(1_000_000);
    expect(kept).toBeGreaterThan(10_000);
    expect(all(events, 'text').every(({ lines }) => lines.length <= 500)).toBe(true);
    expect(the(events, 'artifact').artifact.size).toBeLessThan(56_000_000);
    expect(the(events, 'done').outcome).toBe('finished');
  });

  it('names what is missing and how to get it', async () => {
    const bare = await host.service(defaultPolicy(false), '/nonexistent');
    const done = the(await capture(bare, 'bare', stapOf(scriptThat())), 'done');
    expect(done.failure).toEqual({
      code: 'tool-missing',
      message: 'staprun is not on this host',
      remedy: 'apt-get install systemtap-runtime',
    });
  });

  it('says that there is no such script before anything else that is missing', async () => {
    const bare = await host.service(defaultPolicy(false), '/nonexistent');
    const spec = stapOf(scriptThat(), { script: { from: 'catalogue', name: 'nope', parameters: {} } });
    const done = the(await capture(bare, 'unknown', spec), 'done');
    expect(done.failure).toMatchObject({ code: 'not-found', message: expect.stringContaining('nope') });
  });

  it('a policy`s no names the line that would make it a yes', async () => {
    const remote = await host.service(defaultPolicy(true));
    const start = remote.startCapture({ captureId: 'no', spec: stapOf(scriptThat()), requester: 'test' });
    await expect(start).rejects.toMatchObject({
      failure: { code: 'refused', remedy: expect.stringMatching(/policy\.yaml .*"scripts: \[[0-9a-f]{64}\]"/) },
    });
    expect((await remote.listCaptures()).map(({ captureId }) => captureId)).not.toContain('no');
  });
});
