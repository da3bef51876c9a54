// Processes that still live, whose files are not where they were: deleted, replaced, in another root directory or namespace.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createLocalHost } from '../../../agent/symbolize/local-host.js';
import { ObjectKeeper } from '../../../agent/symbolize/object-keeper.js';
import { CXX_SOURCE } from './sources.js';
import { compile, ownDirectory, sectionRange, symbolizeAddresses } from './symbolized.js';

/** Says that it runs, then waits for the end of its standard input. */
const WAITING = {
  name: 'waiting.c',
  text: `
#include <unistd.h>
__attribute__((noinline)) int waits_for_the_end(void) { char c; return read(0, &c, 1); }
int main(void) { write(1, "up\\n", 3); return waits_for_the_end(); }
`,
};

interface Running {
  readonly pid: number;
  end(): Promise<void>;
}

async function running(argv: readonly string[], cwd = '/'): Promise<Running> {
  const child = spawn(argv[0], argv.slice(1), { stdio: ['pipe', 'pipe', 'inherit'], cwd });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  onTestFinished(() => endOf(child, ended));
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.stdout.once('data', () => resolve());
    child.once('close', () => reject(new Error(`${argv.join(' ')} ended at once`)));
  });
  return { pid: child.pid ?? -1, end: () => endOf(child, ended) };
}

function endOf(child: ChildProcess, ended: Promise<void>): Promise<void> {
  child.stdin?.end();
  return ended;
}

function textOf(file: string): number[] {
  const { start, end } = sectionRange(file, '.text');
  return Array.from({ length: end - start }, (_, index) => start + index);
}

describe('a program is named by the file that runs', () => {
  test('after it was deleted', async () => {
    const file = compile(ownDirectory(), WAITING, ['-O1']);
    const addresses = textOf(file);
    const { pid } = await running([file]);
    const ask = { context: { kind: 'elf', path: file, pids: [pid], isLive: true }, addresses } as const;
    const before = await symbolizeAddresses(ask);
    rmSync(file);
    const after = await symbolizeAddresses(ask);
    expect(before.names).toContain('waits_for_the_end');
    expect(after.names).toEqual(before.names);
  });

  test('after another one was put in its place', async () => {
    const directory = ownDirectory();
    const file = compile(directory, WAITING, ['-O1']);
    const addresses = textOf(file);
    const { pid } = await running([file]);
    rmSync(file);
    compile(directory, CXX_SOURCE, ['-O0']);
    const { names } = await symbolizeAddresses({
      context: { kind: 'elf', path: file, pids: [pid], isLive: true },
      addresses,
    });
    expect(names).toContain('waits_for_the_end');
  });

  test('in another root directory and mount namespace', async () => {
    const root = ownDirectory();
    const file = compile(root, WAITING, ['-O1', '-static']);
    const { pid } = await running(['unshare', '--mount', `--root=${root}`, '/a.out']);
    const { names } = await symbolizeAddresses({
      context: { kind: 'elf', path: '/a.out', pids: [pid], isLive: true },
      addresses: textOf(file),
    });
    expect(names).toContain('waits_for_the_end');
  });

  test('but not by its path when the process is gone and nothing was kept', async () => {
    const root = ownDirectory();
    const file = compile(root, WAITING, ['-O1', '-static']);
    const child = await running(['unshare', '--mount', `--root=${root}`, '/a.out']);
    await child.end();
    const { losses } = await symbolizeAddresses({
      context: { kind: 'elf', path: '/a.out', pids: [child.pid], isLive: true },
      addresses: [textOf(file)[0]],
    });
    expect(losses[0].detail).toBe('/a.out: file is gone');
  });
});

test('the perf map of a process in another pid and mount namespace has its inner pid in its name', async () => {
  const root = ownDirectory();
  compile(root, WAITING, ['-O1', '-static']);
  mkdirSync(join(root, 'tmp'));
  writeFileSync(join(root, 'tmp/perf-1.map'), '7f0000 40 inner function\n');
  const outer = await running(['unshare', '--mount', '--pid', '--fork', `--root=${root}`, '/a.out']);
  const pid = Number(readFileSync(`/proc/${outer.pid}/task/${outer.pid}/children`, 'latin1').trim());
  const { names } = await symbolizeAddresses({
    context: { kind: 'jit', path: `/tmp/perf-${pid}.map`, pids: [pid], isLive: true },
    addresses: [0x7f0010],
  });
  expect(names).toEqual(['inner function']);
});

test('the functions of a running node are named by the map it writes', async () => {
  const directory = ownDirectory();
  const script = join(directory, 'work.cjs');
  writeFileSync(
    script,
    'function work(n) { return n < 2 ? n : work(n - 1) + work(n - 2); } work(22); console.log("up"); process.stdin.resume();',
  );
  const { pid } = await running(['node', '--perf-basic-prof', script], directory);
  onTestFinished(() => rmSync(`/tmp/perf-${pid}.map`));
  const line = readFileSync(`/tmp/perf-${pid}.map`, 'utf8')
    .split('\n')
    .findLast((text) => /^[0-9a-f]+ [0-9a-f]+ \S+work .*work\.cjs/.test(text));
  const [address, , ...name] = (line ?? '').split(' ');
  const { names } = await symbolizeAddresses({
    context: { kind: 'jit', path: `/tmp/perf-${pid}.map`, pids: [pid], isLive: true },
    addresses: [Number.parseInt(address, 16)],
  });
  expect(names).toEqual([name.join(' ')]);
});

test('the vDSO is named as readelf lists its symbols', async () => {
  const copy = join(ownDirectory(), 'vdso.so');
  const [range] = /^\S+(?=.*\[vdso\]$)/m.exec(readFileSync('/proc/self/maps', 'latin1')) ?? [''];
  const [start, end] = range.split('-').map((text) => Number.parseInt(text, 16));
  const memory = openSync('/proc/self/mem', 'r');
  const image = Buffer.alloc(end - start);
  readSync(memory, image, 0, image.length, start);
  closeSync(memory);
  writeFileSync(copy, image);
  const symbols = execFileSync('readelf', ['-W', '--dyn-syms', copy], { encoding: 'utf8' });
  const functions = [...symbols.matchAll(/: ([0-9a-f]+)\s+\d+ FUNC .* (__vdso_\w+)@@/g)];
  const { names } = await symbolizeAddresses({
    context: { kind: 'vdso', path: '[vdso]', isLive: true },
    addresses: functions.map((match) => Number.parseInt(match[1], 16)),
  });
  expect(functions.length).toBeGreaterThan(3);
  expect(names).toEqual(functions.map((match) => match[2]));
});

describe('what was kept open while the capture ran still has names after the processes ended', () => {
  async function kept(
    keeper: ObjectKeeper,
    path: string,
    pid: number,
    addresses: readonly number[],
  ): Promise<readonly string[]> {
    const host = createLocalHost({ kept: keeper });
    const kind = path.startsWith('/tmp/perf-') ? 'jit' : 'elf';
    return (await symbolizeAddresses({ context: { kind, path, pids: [pid], isLive: true }, addresses, host })).names;
  }

  test('a program that was deleted', async () => {
    const keeper = new ObjectKeeper();
    onTestFinished(() => keeper.close());
    const file = compile(ownDirectory(), WAITING, ['-O1']);
    const addresses = textOf(file);
    const child = await running([file]);
    keeper.note({ pid: child.pid, path: file });
    await keeper.settled();
    await child.end();
    rmSync(file);
    expect(await kept(keeper, file, child.pid, addresses)).toContain('waits_for_the_end');
  });

  test('a program that was deleted before it was noted, by its address range', async () => {
    const keeper = new ObjectKeeper();
    onTestFinished(() => keeper.close());
    const file = compile(ownDirectory(), WAITING, ['-O1']);
    const addresses = textOf(file);
    const child = await running([file]);
    rmSync(file);
    const line = readFileSync(`/proc/${child.pid}/maps`, 'latin1')
      .split('\n')
      .find((text) => / r-xp .*a\.out/.test(text));
    const [start, end] = (line ?? '')
      .split(' ')[0]
      .split('-')
      .map((text) => Number.parseInt(text, 16));
    keeper.note({ pid: child.pid, path: file, start, end });
    await keeper.settled();
    await child.end();
    expect(await kept(keeper, file, child.pid, addresses)).toContain('waits_for_the_end');
  });

  test('a perf map in another root directory', async () => {
    const keeper = new ObjectKeeper();
    onTestFinished(() => keeper.close());
    const root = ownDirectory();
    compile(root, WAITING, ['-O1', '-static']);
    mkdirSync(join(root, 'tmp'));
    const child = await running(['unshare', '--mount', `--root=${root}`, '/a.out']);
    writeFileSync(join(root, `tmp/perf-${child.pid}.map`), '1000 10 early\n');
    keeper.note({ pid: child.pid, path: '//anon' });
    await keeper.settled();
    writeFileSync(join(root, `tmp/perf-${child.pid}.map`), '2000 10 late\n', { flag: 'a' });
    await child.end();
    expect(await kept(keeper, `/tmp/perf-${child.pid}.map`, child.pid, [0x1000, 0x2000])).toEqual(['early', 'late']);
  });

  test('no more files than allowed, none of the system, and none after it is closed', async () => {
    const directory = ownDirectory();
    const file = compile(directory, WAITING, ['-O1']);
    const child = await running([file]);
    for (let index = 0; index < 20; index++) copyFileSync(file, join(directory, `copy${index}`));
    const keeper = new ObjectKeeper({ maxFiles: 5 });
    onTestFinished(() => keeper.close());
    const before = openFiles();
    for (let index = 0; index < 20; index++) keeper.note({ pid: child.pid, path: join(directory, `copy${index}`) });
    keeper.note({ pid: child.pid, path: '/usr/bin/env' });
    keeper.note({ pid: child.pid, path: '[vdso]' });
    keeper.note({ pid: -1, path: 'not a path \0' });
    keeper.note({ pid: child.pid, path: '/nowhere\0' });
    await keeper.settled();
    expect(openFiles() - before).toBe(5);
    await keeper.close();
    keeper.note({ pid: child.pid, path: file });
    await keeper.settled();
    expect(openFiles() - before).toBe(0);
  });

  function openFiles(): number {
    return readdirSync('/proc/self/fd').length;
  }
});
