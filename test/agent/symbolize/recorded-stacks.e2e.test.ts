// What perf recorded of real programs: every stack gets the names that `perf script --no-inline` prints for it.
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { PerfDataParser } from '../../../agent/perf/perf-data-parser.js';
import { createLocalHost } from '../../../agent/symbolize/local-host.js';
import { createSymbolizer } from '../../../agent/symbolize/symbolizer.js';
import type { Profile } from '../../../profile/profile.js';
import { compile, nameOf, ownDirectory } from './symbolized.js';

/** Stack, outermost first, to number of samples. */
type StackCounts = ReadonlyMap<string, number>;

function record(directory: string, argv: readonly string[]): string {
  const file = join(directory, 'perf.data');
  const options = ['-e', 'cpu-clock', '-F', '1999', '-g', '-N', '-B', '-o', file, '--', ...argv];
  execFileSync('perf', ['record', ...options], { stdio: 'ignore', cwd: directory });
  return file;
}

async function ours(file: string): Promise<StackCounts> {
  const parser = new PerfDataParser({ split: 'comm', keepTimestamps: false, isLive: false });
  parser.push(readFileSync(file));
  const { profile, objects, kernelSymbols } = parser.end();
  const options = { lines: false, budget: 60_000, demangle: true, kernelSymbols };
  const named = await createSymbolizer(createLocalHost()).symbolize(profile, objects, options);
  for (const path of profile.strings)
    if (/^\/tmp\/perf-\d+\.map$/.test(path)) onTestFinished(() => rmSync(path, { force: true }));
  return countStacks(named.profile);
}

function countStacks(profile: Profile): StackCounts {
  const { stacks, samples } = profile;
  const texts: string[] = [];
  for (let row = 0; row < stacks.length; row++) {
    const name = nameOf(profile, stacks.location[row]);
    texts.push(stacks.parent[row] < 0 ? name : `${texts[stacks.parent[row]]};${name}`);
  }
  const counts = new Map<string, number>();
  for (let row = 0; row < samples.length; row++) add(counts, texts[samples.stack[row]] ?? '', samples.values[0][row]);
  return counts;
}

function perfs(file: string): StackCounts {
  const options = ['script', '--no-inline', '-i', file, '-F', 'comm,ip,sym'];
  const text = execFileSync('perf', options, {
    encoding: 'utf8',
    maxBuffer: 1 << 29,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const counts = new Map<string, number>();
  for (const sample of text.split('\n\n')) {
    const frames = sample.split('\n').flatMap((line) => /^\s+[0-9a-f]+ (.*)$/.exec(line)?.[1] ?? []);
    if (sample.trim() !== '') add(counts, frames.reverse().join(';'), 1);
  }
  return counts;
}

function add(counts: Map<string, number>, key: string, count: number): void {
  counts.set(key, (counts.get(key) ?? 0) + count);
}

function total(counts: StackCounts): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}

/** Samples of stacks that both count. */
function agreement(a: StackCounts, b: StackCounts): number {
  return [...a].reduce((sum, [stack, count]) => sum + Math.min(count, b.get(stack) ?? 0), 0);
}

const WORK = {
  name: 'work.cc',
  text: `
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <unistd.h>
#include <vector>
template <class T> struct Sorter {
  __attribute__((noinline)) void fill(std::vector<T> &v) { for (auto &x : v) x = T(rand()); }
  __attribute__((noinline)) void sort(std::vector<T> &v) { std::sort(v.begin(), v.end(), [](T a, T b) { return b < a; }); }
};
namespace { __attribute__((noinline)) size_t touch(size_t n) { char *p = (char *)malloc(n); memset(p, 1, n); size_t s = p[n / 2]; free(p); return s; } }
int main() {
  Sorter<double> s; std::vector<double> v(20000); size_t n = 0;
  for (int i = 0; i < 150; i++) { s.fill(v); s.sort(v); n += touch(4 << 20); n += getppid(); n += std::to_string(v[0]).size(); }
  return n == 1;
}
`,
};

test('C++, libc, libstdc++ and the kernel: every stack of every sample', async () => {
  const directory = ownDirectory();
  const file = record(directory, [compile(directory, WORK, ['-O1', '-fno-omit-frame-pointer'])]);
  const counts = await ours(file);
  expect(total(counts)).toBeGreaterThan(200);
  expect([...counts].sort()).toEqual([...perfs(file)].sort());
  expect([...counts.keys()].join('\n')).toContain('Sorter<double>::sort');
});

test('node with --perf-basic-prof: every stack but for code that was overwritten, where perf finds any of the entries', async () => {
  const directory = ownDirectory();
  const script = join(directory, 'work.cjs');
  writeFileSync(
    script,
    `function leaf(n) { let s = 0; for (let i = 0; i < n; i++) s += Math.sqrt(i) % 7; return s; }
     function middle(n) { return leaf(n) + JSON.stringify({ n, list: [1, 2, 3] }).length; }
     let sum = 0; for (let i = 0; i < 3000; i++) sum += middle(20000); process.exitCode = sum === 1 ? 1 : 0;`,
  );
  const file = record(directory, ['node', '--perf-basic-prof', '--interpreted-frames-native-stack', script]);
  const counts = await ours(file);
  const perf = perfs(file);
  expect(total(counts)).toBe(total(perf));
  expect([...counts.keys()].join('\n')).toMatch(/leaf .*work\.cjs/);
  expect(agreement(counts, perf) / total(perf)).toBeGreaterThan(0.97);
});
