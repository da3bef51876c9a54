// The page-fault kit on real agents where SystemTap cannot run: counts and stacks come, and the reason why latencies do not. And saved
// output of a real stap through a real agent, against the totals that stap itself printed.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HostRun, Job } from '../../controller/api.js';
import type { Histogram } from '../../profile/histogram.js';
import type { Loss } from '../../profile/loss.js';
import { Fleet } from './fleet.js';

interface Report {
  readonly job: Job;
  readonly hosts: readonly HostRun[];
  readonly losses: readonly Loss[];
  readonly counters: readonly { readonly event: string; readonly sum: number; readonly values: readonly number[] }[];
  readonly top: readonly { readonly event: string; readonly top: { readonly total: number } }[];
  readonly notes: readonly string[];
}

const HOSTS = ['ws', 'db1', 'db2'];
const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/stap/${name}`, import.meta.url));
let fleet: Fleet;

beforeAll(async () => {
  fleet = await Fleet.create();
  await fleet.makeCertificates('db1', 'db2');
  const [db1, db2] = [await fleet.startAgent('db1'), await fleet.startAgent('db2')];
  await fleet.writeInventory([
    { name: 'ws', address: 'local' },
    { name: 'db1', address: `tls://127.0.0.1:${db1.port}`, labels: { role: 'db' } },
    { name: 'db2', address: `tls://127.0.0.1:${db2.port}`, labels: { role: 'db' } },
  ]);
  await fleet.startWorkload('faults', '100000000', '20', '300', '30000');
});

afterAll(() => fleet.dispose());

describe('faults on three agents of a kernel without modules', () => {
  it('gives counts and stacks of each, and names what keeps latencies away', async () => {
    const html = join(fleet.directory, 'faults.html');
    const report = await fleet.json<Report>(['faults', '--comm', 'faults', '--for', '3s', '-c', '1', '-o', html]);
    expect(report.job.state).toBe('succeeded');
    expect(report.hosts.map(({ host, state }) => `${host} ${state}`).sort()).toEqual(
      HOSTS.map((host) => `${host} succeeded`).sort(),
    );
    for (const { parts } of report.hosts) {
      const outcomes = Object.fromEntries(parts.map(({ part, outcome }) => [part, outcome]));
      expect(outcomes).toEqual({ stat: 'finished', record: 'finished', stap: 'failed' });
      const reason = parts.find(({ part }) => part === 'stap')?.failure;
      expect(reason?.message).toMatch(/SystemTap|stap|module|kprobe/i);
    }
    expect(report.losses).toContainEqual(expect.objectContaining({ kind: 'missing-parts', count: 3 }));

    const sums = Object.fromEntries(report.counters.map(({ event, sum }) => [event, sum]));
    expect(sums['page-faults']).toBeGreaterThan(0);
    // perf opens and reads the three counters one after the other: a fault in between is in one and not in the other.
    const apart = Math.abs(sums['minor-faults'] + sums['major-faults'] - sums['page-faults']);
    expect(apart).toBeLessThanOrEqual(Math.max(20, sums['page-faults'] / 500));
    expect(report.counters[0].values.length).toBeGreaterThan(1);
    expect(report.top).toMatchObject([{ event: 'page-faults' }]);
    expect(report.top[0].top.total).toBeGreaterThan(0);
    expect(report.notes[0]).toMatch(/^Latency by fault type is missing on .*: /);
    expect(report.notes[1]).toContain('minor faults, served from memory');

    const stacks = await fleet.run('export', report.job.id, '--format', 'folded');
    expect(stacks.stdout).toMatch(/^faults;.* \d+$/m);
    const page = await readFile(html, 'utf8');
    for (const text of [...HOSTS, 'page-faults', 'Latency by fault type is missing']) expect(page).toContain(text);

    const text = await fleet.run('jobs', 'show', report.job.id);
    expect(text.stdout).toMatch(/no stap of .*: .*\n/);
  });
});

/** Rows of a histogram as stap printed them, between two lines of its output: `[lower bound, count]`, without those of 0. */
function rowsAfter(output: string, heading: string): [number, number][] {
  const [, rest] = output.split(`\n${heading}\n`);
  const [block] = rest.split('\n\n');
  return block
    .split('\n')
    .flatMap((row): [number, number][] => {
      const match = /^ *(-?\d+) \|@* *(\d+)$/.exec(row);
      return match === null ? [] : [[Number(match[1]), Number(match[2])]];
    })
    .filter(([, count]) => count > 0);
}

interface HistAnswer {
  readonly of: string;
  readonly histograms: readonly (Histogram & { readonly count: number })[];
}

describe('saved output of a real stap', () => {
  const file = fixture('02_kprobe_latency.stdout');

  it('gives every bucket and the totals that stap printed, and leaves no job behind', async () => {
    const output = await readFile(file, 'utf8');
    const count = Number(/^count=(\d+) /m.exec(output)?.[1]);
    const { histograms } = await fleet.json<HistAnswer>(['hist', file]);
    expect(count).toBeGreaterThan(1000);
    const printed = output.match(/^ *value \|-+ count$/gm) ?? [];
    expect(histograms.map((histogram) => histogram.count)).toEqual(printed.map(() => count));
    const log = histograms.find(({ scale }) => scale.kind === 'log2');
    expect(log?.buckets.map(({ from, count: values }) => [from, values])).toEqual(rowsAfter(output, 'log:'));
    const before = await fleet.json<{ jobs: readonly Job[] }>(['jobs']);
    await fleet.run('hist', file);
    expect(await fleet.json(['jobs'])).toEqual(before);
    expect(before.jobs.some(({ request }) => request.note.startsWith('hist'))).toBe(false);
  });

  it('can be kept as a job, shown and exported', async () => {
    const { job } = await fleet.json<Report>(['import', '--format', 'stap-text', file]);
    const shown = await fleet.run('hist', job.id);
    expect(shown.stdout).toContain('28,928');
    const csv = await fleet.run('export', job.id, '--format', 'csv');
    expect(csv.stdout.split('\n').length).toBeGreaterThan(10);
    const metrics = await fleet.run('export', job.id, '--format', 'openmetrics');
    expect(metrics.stdout).toMatch(/_count\{.*\} 28928\n[\s\S]*# EOF\n$/);
    const text = await fleet.run('text', job.id);
    expect(text.stdout).toContain('faults 28928');
  });

  it('of a file that is no text is refused', async () => {
    const { code, stderr } = await fleet.run('hist', '/bin/true');
    expect([code, stderr]).toEqual([6, expect.stringContaining('/bin/true')]);
  });
});
