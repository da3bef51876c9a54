// perf's rings, written out by SIGUSR2: newest first and of all CPUs one after the other. The oracle is `perf script` of the same file.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PerfDataParser } from '../../../agent/perf/perf-data-parser.js';
import { ringArguments, ringPages } from '../../../agent/perf/ring-args.js';
import type { RecordSpec } from '../../../proto/capture.js';
import { output } from '../../oracle/perf-tools.js';
import { build } from '../../oracle/record-workload.js';

const host = { perf: 'perf', isRoot: true, cpuCount: cpus().length };
const spec: RecordSpec = {
  ...{ kind: 'record', target: { kind: 'system' }, duration: 30_000, events: [{ name: 'cpu-clock' }] },
  ...{ rate: { frequency: 999 }, callGraph: { mode: 'fp' }, keepRaw: false },
  detail: { split: 'tid', keepTimestamps: false, lines: false },
};

let directory: string;
/** Of one perf: the second holds what came after the first. */
let dumps: string[];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'perftrawl-ring-'));
  const [program = ''] = await build('phases', directory);
  const busy = spawn(program, { stdio: 'ignore' });
  // Small rings: they are overwritten many times.
  const [perf = '', ...args] = ringArguments(spec, { kind: 'system' }, join(directory, 'ring.data'), 64, host);
  const ring = spawn(perf, args, { stdio: ['pipe', 'ignore', 'pipe'] });
  const said: string[] = [];
  ring.stderr.on('data', (part: Buffer) => said.push(part.toString()));
  for (const wanted of [1, 2]) {
    await sleep(2500);
    ring.kill('SIGUSR2');
    while (said.join('').split('Dump ').length <= wanted) await sleep(20);
  }
  ring.kill('SIGINT');
  await once(ring, 'exit');
  busy.kill('SIGKILL');
  dumps = (await readdir(directory))
    .filter((name) => name.startsWith('ring.data.'))
    .sort()
    .slice(0, 2);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** What perf script makes of it: `comm tid` and how many samples, from a time on. */
async function oracle(
  file: string,
  since = 0,
): Promise<{ readonly counts: Map<string, number>; readonly times: number[] }> {
  const text = (await output('perf', ['script', '--ns', '-F', 'comm,tid,time', '-i', file])).toString();
  const counts = new Map<string, number>();
  const times: number[] = [];
  for (const line of text.split('\n')) {
    const [, comm, tid, seconds, nanoseconds] = /^\s*(.*?)\s+(-?\d+)\s+(\d+)\.(\d{9}):/.exec(line) ?? [];
    if (comm === undefined) continue;
    const time = Number(seconds) * 1e9 + Number(nanoseconds);
    if (time < since) continue;
    times.push(time);
    counts.set(`${comm} ${tid}`, (counts.get(`${comm} ${tid}`) ?? 0) + 1);
  }
  return { counts, times };
}

async function parsed(file: string, since?: number) {
  const parser = new PerfDataParser({
    ...{ split: 'tid', keepTimestamps: false, isLive: false, isUnordered: true },
    ...(since === undefined ? {} : { since }),
  });
  parser.push(await readFile(file));
  const { profile } = parser.end();
  const { samples, labelSets } = profile;
  const counts = new Map<string, number>();
  for (let row = 0; row < samples.length; row++) {
    const labels = new Map((labelSets[samples.labels[row] ?? 0] ?? []).map(({ key, value }) => [key, value]));
    const key = `${labels.get('comm')?.trim()} ${labels.get('tid')}`;
    counts.set(key, (counts.get(key) ?? 0) + (samples.values[0]?.[row] ?? 0));
  }
  return { counts, span: parser.span };
}

const sorted = (counts: ReadonlyMap<string, number>) => [...counts].sort(([a], [b]) => (a < b ? -1 : 1));

describe('a ring that was written out', () => {
  it.each([0, 1])('has the samples of perf script, each with its thread and name (dump %i)', async (index) => {
    const file = join(directory, dumps[index] ?? '');
    const { counts, times } = await oracle(file);
    expect(times.length).toBeGreaterThan(100);
    const own = await parsed(file);
    expect(sorted(own.counts)).toEqual(sorted(counts));
    expect(own.span).toEqual({ first: Math.min(...times), last: Math.max(...times) });
  });

  it('is cut at the moment that is asked for', async () => {
    const file = join(directory, dumps[0] ?? '');
    const { times } = await oracle(file);
    const since = times[Math.floor(times.length / 2)] ?? 0;
    const { counts } = await oracle(file, since);
    const own = await parsed(file, since);
    expect(sorted(own.counts)).toEqual(sorted(counts));
    expect(own.span.first).toBe(since);
  });

  it('is as large as the time and the rate make it, and no larger than it may be', () => {
    const pages = (change: Partial<RecordSpec>, bytes = 2 ** 30) =>
      ringPages({ ...spec, ...change }, bytes, { ...host, cpuCount: 2 });
    // 30 s at 999 Hz and 512 bytes: 3,747 pages.
    expect(pages({})).toBe(4096);
    expect(pages({}, 2 ** 20)).toBe(128);
    expect(pages({ rate: { period: 1 } }, 2 ** 27)).toBe(16_384);
    expect(pages({ rate: { frequency: 1 }, duration: 1000 })).toBe(16);
    expect(ringPages(spec, 2 ** 30, { ...host, isRoot: false })).toBe(128);
  });
});
