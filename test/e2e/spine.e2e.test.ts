// The main job on real things: three agents (one on stdio, two over mutual TLS), a real workload, real perf; then one host fails, the
// controller is killed, an agent is killed. Weights are conserved throughout, nothing is left behind.
import { type ChildProcess, execFile } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { HostRun, Job } from '../../controller/api.js';
import type { Loss } from '../../profile/loss.js';
import { type Agent, Fleet, outputOf } from './fleet.js';

interface Report {
  readonly job: Job;
  readonly hosts: readonly HostRun[];
  readonly losses: readonly Loss[];
}

const PAGE_FAULTS = ['record', '-e', 'page-faults', '-c', '1', '--comm', 'faults'];
let fleet: Fleet;
let db2: Agent;

beforeAll(async () => {
  fleet = await Fleet.create();
  await fleet.makeCertificates('db1', 'db2', 'db3');
  const db1 = await fleet.startAgent('db1');
  db2 = await fleet.startAgent('db2');
  await fleet.writeInventory([
    { name: 'ws', address: 'local', labels: { role: 'dev' } },
    { name: 'db1', address: `tls://127.0.0.1:${db1.port}`, labels: { role: 'db', region: 'eu' } },
    { name: 'db2', address: `tls://127.0.0.1:${db2.port}`, labels: { role: 'db', region: 'us' } },
    // Nobody listens there.
    { name: 'gone', address: 'tls://127.0.0.1:9', labels: { role: 'gone' } },
  ]);
  // About 2,000 faults per second for longer than any test runs.
  await fleet.startWorkload('faults', '100000000', '20', '300', '30000');
});

afterAll(async () => {
  await fleet.dispose();
});

/** Sum of the weights in folded text. */
function totalOf(folded: string): number {
  return folded
    .trimEnd()
    .split('\n')
    .filter((line) => line !== '')
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

async function exported(job: Job, format: string, ...more: string[]): Promise<string> {
  const { code, stdout, stderr } = await fleet.run('export', job.id, '--format', format, ...more);
  if (code !== 0) throw new Error(`export of ${format} ended with ${code}: ${stderr}`);
  return stdout;
}

/** The hosts' totals add up to that of the merged stacks. Gives the merged stacks, their total and each host's. */
async function conservedWeights(job: Job) {
  const [folded, ...hosts] = await Promise.all([
    exported(job, 'folded'),
    ...['ws', 'db1', 'db2'].map((host) => exported(job, 'folded', '--host', host)),
  ]);
  const totals = hosts.map(totalOf);
  const merged = totalOf(folded);
  expect(totals.reduce((sum, total) => sum + total, 0)).toBe(merged);
  return { folded, merged, totals };
}

/** Until the controller says that all these hosts run; fails when it ends before. */
async function untilRunning(controller: ChildProcess, ...hosts: readonly string[]): Promise<void> {
  if (controller.stderr === null) throw new Error('its progress is not piped');
  const waiting = new Set(hosts);
  // Not `for await`: that would close the pipe behind it.
  const lines = createInterface({ input: controller.stderr });
  await new Promise<void>((resolve, reject) => {
    lines.on('line', (line) => {
      const host = /^(\S+): running/.exec(line)?.[1];
      if (host !== undefined && waiting.delete(host) && waiting.size === 0) resolve();
    });
    lines.once('close', () => reject(new Error(`the job ended; never running: ${[...waiting].join(', ')}`)));
  });
}

/** Pids of the children of a process that are named perf. */
async function perfChildrenOf(parent: number): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const stat = await readFile(join('/proc', pid, 'stat'), 'utf8').catch(() => '');
    if (new RegExp(`^\\d+ \\(perf\\) \\S ${parent} `).test(stat)) found.push(pid);
  }
  return found;
}

/** Of these pids, those that still are processes named perf. */
async function stillPerf(pids: readonly string[]): Promise<string[]> {
  const comms = await Promise.all(pids.map((pid) => readFile(join('/proc', pid, 'comm'), 'utf8').catch(() => '')));
  return pids.filter((_, i) => comms[i] === 'perf\n');
}

describe('page faults on three hosts', () => {
  it('are recorded, symbolized at the source and merged; weights add up in every form', async () => {
    const { job, hosts } = await fleet.json<Report>([...PAGE_FAULTS, '--on', 'role in (db,dev)', '--for', '2s']);
    expect(job.state).toBe('succeeded');
    expect(hosts.map((run) => [run.host, run.state]).sort()).toEqual([
      ['db1', 'succeeded'],
      ['db2', 'succeeded'],
      ['ws', 'succeeded'],
    ]);
    const { folded, merged, totals } = await conservedWeights(job);
    expect(merged).toBeGreaterThan(100);
    expect(totals.every((total) => total > 300)).toBe(true);
    // Names come from the symbol table of the program, on the agent's side.
    expect(folded).toMatch(/^faults;.*main;.*(scan_table|hash_join).*;touch/m);
    const svg = await exported(job, 'svg');
    expect(svg).toContain(merged.toLocaleString('en-US'));
    for (const run of hosts) {
      expect(run.cost?.toolCpu).toBeGreaterThan(0);
      expect(run.commandLines.join()).toContain('perf record');
    }
    expect((await fleet.run('show', job.id)).stdout).toMatch(/touch/);
    const tree = await fleet.run('show', job.id, '--tree');
    expect(tree.stdout).toMatch(/scan_table/);
  });

  it('lose nothing of the others when one host fails, which is named', async () => {
    const { job, hosts, losses } = await fleet.json<Report>([...PAGE_FAULTS, '--for', '1s'], 3);
    expect(job.state).toBe('partial');
    const gone = hosts.find((run) => run.host === 'gone');
    expect(gone?.state).toBe('failed');
    expect(gone?.failure?.code).toBe('unreachable');
    expect(losses).toContainEqual(
      expect.objectContaining({ kind: 'missing-hosts', detail: expect.stringContaining('gone') }),
    );
    await conservedWeights(job);
  });

  it('count over time with perf stat', async () => {
    const args = [
      'stat',
      '-e',
      'page-faults,cycles',
      '-I',
      '500',
      '--comm',
      'faults',
      '--on',
      'role=db',
      '--for',
      '2s',
    ];
    const { counters } = await fleet.json<{ counters: { event: string; status?: string; total?: number }[] }>(args);
    expect(counters.map((row) => row.event)).toEqual(expect.arrayContaining(['page-faults']));
  });

  it('are not lost when the controller is killed: resume gives the result', async () => {
    const controller = fleet.start([...PAGE_FAULTS, '--on', 'role in (db,dev)', '--for', '4s']);
    const ended = once(controller, 'exit');
    await untilRunning(controller, 'ws', 'db1', 'db2');
    controller.kill('SIGKILL');
    await ended;
    const [killed] = await jobs();
    expect(killed.state).toBe('interrupted');
    const { job, hosts } = await fleet.json<Report>(['jobs', 'resume', killed.id]);
    expect(job.state).toBe('succeeded');
    expect(hosts.map((run) => run.state)).toEqual(['succeeded', 'succeeded', 'succeeded']);
    await conservedWeights(job);
    // Four seconds of faults on each host, not the part before the kill.
    for (const host of ['ws', 'db1', 'db2']) {
      const { durationMs } = JSON.parse(await exported(job, 'json', '--host', host)) as { durationMs: number };
      expect(durationMs).toBeGreaterThanOrEqual(3500);
    }
  });

  it('say `lost` when an agent is killed, and leave no perf behind', async () => {
    const controller = fleet.start([...PAGE_FAULTS, '--on', 'role=db', '--for', '3s', '--grace', '10s', '--json']);
    const ended = outputOf(controller);
    await untilRunning(controller, 'db1', 'db2');
    const agent = db2.process.pid ?? 0;
    const recording = await vi.waitUntil(async () => {
      const pids = await perfChildrenOf(agent);
      return pids.length > 0 && pids;
    }, 10_000);
    db2.process.kill('SIGKILL');
    const { code, stdout } = await ended;
    expect(code).toBe(3);
    const { hosts } = JSON.parse(stdout) as Report;
    const lost = hosts.find((run) => run.host === 'db2');
    expect(lost?.state).toBe('lost');
    expect(lost?.failure?.message).toMatch(/db2|agent/);
    expect(hosts.find((run) => run.host === 'db1')?.state).toBe('succeeded');
    expect(await stillPerf(recording)).toEqual([]);
  });

  it('refuse hostile event names as what they are: data', async () => {
    const { code, stderr } = await fleet.run(
      'record',
      '-e',
      '; touch /tmp/perftrawl-was-here',
      '--on',
      'role=dev',
      '--for',
      '1s',
    );
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/event/);
    const { stdout } = await promisify(execFile)('ls', ['/tmp']);
    expect(stdout).not.toContain('perftrawl-was-here');
  });
});

async function jobs(): Promise<readonly Job[]> {
  return (await fleet.json<{ jobs: readonly Job[] }>(['jobs', 'ls'])).jobs;
}
