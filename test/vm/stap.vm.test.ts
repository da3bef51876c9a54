// Real SystemTap through controller and command line: a script of the catalogue compiled on a build host, run in the VM, shown and exported on
// this workstation; and the page-fault kit.
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { HostRun } from '../../controller/api.js';
import { type HistJson, type JsonHistogram, StapFleet, sumOf } from './stap-fleet.js';

let fleet: StapFleet;

beforeAll(async () => {
  fleet = await StapFleet.start();
  await fleet.startPages();
});

afterAll(() => fleet?.dispose());

/** Whatever a test did, nothing of ours stays in the kernel. */
afterEach(async () => {
  expect(await fleet.modules()).toEqual([]);
});

/** Values by type, over all intervals; those without the label are of all faults. */
function byType(histograms: readonly JsonHistogram[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const one of histograms) {
    const type = one.labels.fault_type ?? 'all';
    sums[type] = (sums[type] ?? 0) + sumOf(one);
  }
  return sums;
}

/** The module cache of the workstation: its one module and when it came to be. */
async function cachedModule(): Promise<{ readonly file: string; readonly made: number }> {
  const directory = join(fleet.fleet.directory, 'data', 'modules');
  const modules = (await readdir(directory)).filter((name) => name.endsWith('.ko'));
  expect(modules).toHaveLength(1);
  const file = join(directory, modules[0]);
  return { file, made: (await stat(file)).ino };
}

describe('pagefault-latency', () => {
  const options = ['--comm', 'touch-pages', '--for', '9s', '--interval', '3s'];
  let first: HistJson;

  it('compiled on the build host, tells latencies by type of a real process', async () => {
    const ran = await fleet.run('pagefault-latency', ...options);
    expect(ran).toMatchObject({ code: 0 });
    first = await fleet.hist();
    expect(first.interval).toBe(3000);
    expect(first.histograms.every(({ interval }) => interval === 3000)).toBe(true);
    expect(new Set(first.histograms.map(({ time }) => time)).size).toBeGreaterThanOrEqual(2);
    for (const one of [...first.histograms, ...first.totals]) expect(sumOf(one)).toBe(one.count);
    const { all, ...types } = byType(first.totals);
    expect(types.MINOR).toBeGreaterThan(64);
    expect(types.MAJOR).toBeGreaterThan(64);
    expect(Object.values(types).reduce((sum, count) => sum + count, 0)).toBe(all);
    expect(first.totals.every(({ unit }) => unit === 'ns')).toBe(true);
  });

  it('is shown over time and by host', async () => {
    const { stdout } = await fleet.fleet.run('hist', 'last', '--over-time');
    expect(stdout).toContain('MAJOR');
    const { hosts, byKey } = await fleet.fleet.json<{
      hosts: { host: string; histograms: HistJson['histograms'] }[];
      byKey: { merged: JsonHistogram; rows: { host: string; count: number }[] }[];
    }>(['hist', 'last', '--by-host']);
    expect(hosts.map(({ host }) => host)).toEqual(['target']);
    expect(byType(hosts[0].histograms)).toEqual(byType(first.totals));
    expect(byType(byKey.map(({ merged }) => merged))).toEqual(byType(first.totals));
    expect((await fleet.fleet.run('hist', 'last', '--by-host')).stdout).toContain('target');
  });

  it('is exported, each format with the same counts', async () => {
    const exported = async (format: string) => {
      const { code, stdout } = await fleet.fleet.run('export', 'last', '--format', format);
      expect(code).toBe(0);
      return stdout;
    };
    const { all } = byType(first.totals);
    const json = JSON.parse(await exported('json')) as { totals: (JsonHistogram & { host: string | null })[] };
    expect(byType(json.totals.filter(({ host }) => host === null))).toEqual(byType(first.totals));
    const [heading, ...rows] = (await exported('csv')).trimEnd().split('\r\n');
    const columns = heading.split(',');
    const counts = rows.map((row) => row.split(','));
    const ofAll = counts.filter((row) => row[columns.indexOf('label_fault_type')] === '');
    expect(ofAll.reduce((sum, row) => sum + Number(row[columns.indexOf('count')]), 0)).toBe(all);
    const metrics = await exported('openmetrics');
    expect(metrics).toMatch(/# EOF\n$/);
    expect([...metrics.matchAll(/_count\{.*\} (\d+)$/gm)].map(([, count]) => Number(count))).toContain(all);
    expect(await exported('svg')).toMatch(/<svg [\s\S]*MAJOR[\s\S]*<\/svg>\s*$/);
  });

  it('is compiled once, and again when the kept module was changed', async () => {
    const before = await cachedModule();
    const bytes = await readFile(before.file);
    expect(await fleet.run('pagefault-latency', ...options)).toMatchObject({ code: 0 });
    expect(await cachedModule()).toEqual(before);
    const changed = Buffer.from(bytes);
    changed[changed.length >> 1] ^= 1;
    await writeFile(before.file, changed);
    expect(await fleet.run('pagefault-latency', ...options)).toMatchObject({ code: 0 });
    const after = await cachedModule();
    // The same file name: it is named by what it was made from.
    expect(after.file).toBe(before.file);
    expect(await readFile(after.file)).toEqual(bytes);
    expect(byType((await fleet.hist()).totals).MAJOR).toBeGreaterThan(0);
  });
});

describe('the page-fault kit', () => {
  interface Report {
    readonly hosts: readonly HostRun[];
    readonly counters: readonly { readonly event: string; readonly sum: number }[];
    readonly top: readonly {
      readonly event: string;
      readonly samples: number;
      readonly top: { readonly total: number };
    }[];
    readonly histograms: readonly JsonHistogram[];
  }

  it('has counts, stacks and latencies that agree, and one page with all three', async () => {
    const html = join(fleet.fleet.directory, 'report.html');
    const target = ['--comm', 'touch-pages', '--on', 'role=target', '--build-on', 'builder'];
    const wide = ['--for', '6s', '-c', '1', '--overhead', '100%', '--grace', '280s', '-o', html];
    const { hosts, counters, top, histograms } = await fleet.fleet.json<Report>(['faults', ...target, ...wide]);
    const outcomes = hosts[0].parts.map(({ part, outcome }) => `${part} ${outcome}`);
    expect(outcomes.sort()).toEqual(['record finished', 'stap finished', 'stat finished']);
    const counted = Object.fromEntries(counters.map(({ event, sum }) => [event, sum]));
    expect(counted['major-faults']).toBeGreaterThan(0);
    const { all, MAJOR } = byType(histograms);
    expect(MAJOR).toBeGreaterThan(0);
    expect(all).toBeGreaterThan(MAJOR);
    const sampled = top.find(({ event }) => event === 'page-faults')?.top.total ?? 0;
    // Each part begins and ends at moments of its own.
    for (const count of [all, sampled]) {
      expect(count).toBeGreaterThan(counted['page-faults'] / 4);
      expect(count).toBeLessThan(counted['page-faults'] * 4);
    }
    const page = await readFile(html, 'utf8');
    for (const text of ['major-faults', 'touch_fresh_pages', 'page fault latency by type', 'MAJOR', 'target'])
      expect(page).toContain(text);
  });
});
