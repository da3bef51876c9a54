// The names of addresses that a script prints of real processes and of this kernel: what `perf script` names them. What the script prints is
// what perf recorded, as addresses.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { CaptureService } from '../../../agent/capture-service.js';
import type { CaptureEvent, StapSpec } from '../../../proto/capture.js';
import { all, capture, followed, LiveHost, profileOf, the, waitFor } from '../capture/live-host.js';
import { nameOf } from '../symbolize/symbolized.js';
import { FakeStapHost, scriptThat, stapOf } from './fake-stap.js';

interface PerfStack {
  /** Innermost first; lower-case hex. */
  readonly addresses: readonly string[];
  readonly names: readonly string[];
}

let live: LiveHost;
let host: FakeStapHost;
let service: CaptureService;

beforeEach(async () => {
  live = await LiveHost.create();
  host = await FakeStapHost.create();
  await symlink('/proc/kallsyms', join(host.root, 'proc/kallsyms'));
  service = await host.service();
});
afterEach(async () => {
  await host.dispose();
  await live.dispose();
});

/** The process is one of the made-up host too. */
async function show(pid: number): Promise<void> {
  await mkdir(join(host.root, 'proc'), { recursive: true });
  await rm(join(host.root, `proc/${pid}`), { recursive: true, force: true });
  await symlink(`/proc/${pid}`, join(host.root, `proc/${pid}`));
}

/** Until it is at its work: what it had mapped when it started may be gone. */
async function until(isAtWork: () => Promise<boolean>): Promise<void> {
  while (!(await isAtWork())) await sleep(50);
}

async function startFaults(): Promise<number> {
  const pid = await live.startWorkload('faults', '2000000000', '12', '50', '0', '2000');
  // Behind the name: state, ppid, pgrp, session, tty, tpgid, flags, minor faults.
  await until(async () => Number((await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ')[7]) > 1000);
  await show(pid);
  return pid;
}

function perfStacks(pid: number, event: readonly string[]): PerfStack[] {
  const file = join(live.directory, 'perf.data');
  const record = ['record', '-q', '-N', '-B', ...event, '-g', '-p', String(pid), '-o', file, '--', 'sleep', '1'];
  process.kill(pid, 'SIGCONT');
  execFileSync('perf', record, { stdio: 'ignore' });
  // So that perf and we look at the same maps.
  process.kill(pid, 'SIGSTOP');
  const script = (...options: string[]) =>
    execFileSync('perf', ['script', '--no-inline', '-i', file, ...options], {
      encoding: 'utf8',
      maxBuffer: 1 << 28,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  const names = script('-F', 'comm,ip,sym')
    .split('\n\n')
    .map((sample) => [...sample.matchAll(/^\s+[0-9a-f]+ (.*)$/gm)].map(([, name]) => name));
  // It prints offsets for user code; the addresses themselves, with marks of kernel and user between them, are in its dump.
  const addresses = script('-D')
    .split(/^\.\.\. FP chain: .*\n/m)
    .slice(1)
    .map((dump) => dump.slice(0, dump.search(/^ \.\.\. thread/m)))
    .map((chain) => [...chain.matchAll(/^\.+ +\d+: ([0-9a-f]{16})$/gm)].map(([, address]) => address))
    .map((chain) => chain.filter((address) => !address.startsWith('fffffffffffff')));
  const stacks = names.filter((list) => list.length > 0).map((list, at) => ({ names: list, addresses: addresses[at] }));
  expect(stacks.map(({ addresses }) => addresses.length)).toEqual(stacks.map(({ names }) => names.length));
  // Frame pointers of code without any: stap ends a stack with 0 as well.
  const isCode = (address: string) => !/^0+$/.test(address);
  return stacks
    .map(({ names, addresses }) => ({
      names: names.filter((_, at) => isCode(addresses[at])),
      addresses: addresses.filter(isCode),
    }))
    .filter(({ addresses }) => addresses.length > 0);
}

/** As the scripts of the catalogue print them, but for long stacks, which they cut: kernel addresses in one line, those of user code behind. */
function printed(stacks: readonly PerfStack[], pid: number): string {
  const lines = stacks.flatMap(({ addresses }) => {
    const short = addresses.map((address) => `0x${address.replace(/^0+/, '')}`);
    const inKernel = short.filter((address) => address.startsWith('0xffff')).join(' ');
    const text = [
      ...(inKernel === '' ? [] : [`${inKernel} `]),
      ...short.filter((address) => !address.startsWith('0xffff')),
    ];
    return [`#pt1 stack count=1 value=1000 type=off-cpu unit=ns comm="it" pid=${pid}`, ...text];
  });
  return `${['#pt1 start name=off-cpu-stacks interval_ms=0', '#pt1 begin t_ms=5', ...lines, '#pt1 end'].join('\n')}\n`;
}

function add(counts: Map<string, number>, key: string, count: number): void {
  counts.set(key, (counts.get(key) ?? 0) + count);
}

/** Root first. */
function ourStacks(events: readonly CaptureEvent[]): Map<string, number> {
  const profile = profileOf(events);
  const { stacks, samples } = profile;
  const texts: string[] = [];
  for (let row = 0; row < stacks.length; row++) {
    const name = nameOf(profile, stacks.location[row]);
    texts.push(stacks.parent[row] < 0 ? name : `${texts[stacks.parent[row]]};${name}`);
  }
  const counts = new Map<string, number>();
  Array.from(samples.stack, (stack, row) => add(counts, texts[stack], samples.values[1][row] / 1000));
  return counts;
}

function perfsStacks(stacks: readonly PerfStack[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { names } of stacks) add(counts, names.toReversed().join(';'), 1);
  return counts;
}

async function written(text: string): Promise<StapSpec['script']> {
  const file = join(host.directory, 'printed');
  await writeFile(file, text);
  return scriptThat({ do: 'print', file });
}

it('a C program and the kernel, root first, kernel at the leaves', async () => {
  const pid = await startFaults();
  const stacks = perfStacks(pid, ['-e', 'cpu-clock', '-F', '999']).concat(
    perfStacks(pid, ['-e', 'page-faults', '-c', '1']),
  );
  const target = { kind: 'pids', pids: [pid] } as const;
  const events = await capture(service, 'faults', stapOf(await written(printed(stacks, pid)), { target }));
  expect(all(events, 'state').map(({ state }) => state)).toEqual(['resolving', 'compiling', 'running', 'symbolizing']);
  const ours = ourStacks(events);
  expect(Object.fromEntries(ours)).toEqual(Object.fromEntries(perfsStacks(stacks)));
  expect([...ours.keys()].filter((stack) => /^(?:.*;)?main;walk;.*;touch;asm_exc_page_fault/.test(stack))).not.toEqual(
    [],
  );
  const unnamed = stacks.flatMap(({ names }) => names).filter((name) => name === '[unknown]').length;
  const losses = all(events, 'losses').flatMap((batch) => batch.losses);
  const told = losses.filter(({ kind }) => kind === 'unsymbolized-frames').reduce((sum, { count }) => sum + count, 0);
  expect(told).toBe(unnamed);
});

it('generated code, by the map that its process writes, of a process that no target named', async () => {
  const script = join(import.meta.dirname, '../../oracle/workloads/spin.mjs');
  const node = [process.execPath, '--perf-basic-prof', '--interpreted-frames-native-stack', script, '600000'];
  const pid = await live.start(node);
  const map = `/tmp/perf-${pid}.map`;
  await until(async () => existsSync(map) && /\*fibonacci/.test(await readFile(map, 'utf8')));
  await show(pid);
  const stacks = perfStacks(pid, ['-e', 'cpu-clock', '-F', '999']);
  const events = await capture(service, 'node', stapOf(await written(printed(stacks, pid))));
  await rm(map, { force: true });
  const [ours, perfs] = [ourStacks(events), perfsStacks(stacks)];
  const same = [...perfs].reduce((sum, [stack, count]) => sum + Math.min(count, ours.get(stack) ?? 0), 0);
  // Names of one address in C++ libraries are several; perf takes any.
  expect(same / stacks.length).toBeGreaterThan(0.97);
  expect([...ours.keys()].filter((stack) => stack.includes('fibonacci'))).not.toEqual([]);
});

it('a process of the capture that ended, and its program with it', async () => {
  const pid = await startFaults();
  const stacks = perfStacks(pid, ['-e', 'page-faults:u', '-c', '1']);
  const file = join(host.directory, 'printed');
  await writeFile(file, printed(stacks, pid));
  const script = scriptThat({ do: 'arguments' }, { do: 'wait' }, { do: 'print', file });
  const spec = stapOf(script, { target: { kind: 'pids', pids: [pid] }, duration: 600_000 });
  await service.startCapture({ captureId: 'ended', spec, requester: 'test' });
  await waitFor(service, 'ended', 'text');
  process.kill(pid, 'SIGKILL');
  await rm(join(live.directory, 'faults'));
  const events = await followed(service, 'ended');
  expect(the(events, 'done').outcome).toBe('finished');
  expect(Object.fromEntries(ourStacks(events))).toEqual(Object.fromEntries(perfsStacks(stacks)));
});

it('a process that nobody knew before it ended stays bare, and it is told why', async () => {
  const pid = await live.startWorkload('faults', '1', '12', '50');
  const stack = { addresses: ['ffffffff81000010', '401620', '401630'], names: [] };
  const events = await capture(service, 'gone', stapOf(await written(printed([stack, stack], pid + 4_000_000))));
  expect(the(events, 'losses').losses).toContainEqual({
    kind: 'unsymbolized-frames',
    count: 4,
    detail: 'no mapping: its process had ended before its memory maps were read',
  });
  const { locations } = profileOf(events);
  expect(Array.from(locations.addressLo)).toEqual(expect.arrayContaining([0x401620, 0x401630]));
});

it('in a kit too, where no perf record gives the profile', async () => {
  const pid = await startFaults();
  const stacks = perfStacks(pid, ['-e', 'page-faults:u', '-c', '1']);
  const { target: _target, ...part } = stapOf(await written(printed(stacks, pid)));
  const target = { kind: 'pids', pids: [pid] } as const;
  const events = await capture(service, 'kit', { kind: 'kit', target, duration: 5000, parts: [{ ...part, target }] });
  expect(all(events, 'state').map(({ state }) => state)).toContain('symbolizing');
  expect(Object.fromEntries(ourStacks(events))).toEqual(Object.fromEntries(perfsStacks(stacks)));
});
