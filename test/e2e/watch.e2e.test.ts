// Watches of the built program on real agents and a real process: the controller is away while they fire, an agent is killed.
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { HostRun, Job } from '../../controller/api.js';
import { type Agent, Fleet, outputOf } from './fleet.js';

interface Report {
  readonly job: Job;
  readonly hosts: readonly HostRun[];
  readonly firings: readonly { readonly host: string; readonly jobId: string; readonly jobState: string }[];
}

let fleet: Fleet;
let db1: Agent;
let pid: number;

beforeAll(async () => {
  fleet = await Fleet.create();
  await fleet.makeCertificates('db1');
  db1 = await fleet.startAgent('db1');
  await fleet.writeInventory([{ name: 'db1', address: `tls://127.0.0.1:${db1.port}` }]);
});
afterAll(() => fleet.dispose());

/** Beside `watch`: a process that is calm until it is told. */
async function watchWords(...more: string[]): Promise<string[]> {
  pid = await fleet.startWorkload('phases');
  const rule = [
    '--when',
    'page-faults/s > 1000',
    '--every',
    '100',
    '--holds',
    '3',
    '--for',
    '60s',
    '--cool-down',
    '1s',
  ];
  return ['watch', ...rule, '-e', 'page-faults', '-c', '1', '-p', String(pid), ...more];
}

async function turn(): Promise<void> {
  const status = () => readFile(`/proc/${pid}/status`, 'utf8');
  while (!/^SigCgt:.*[2367abef]..$/m.test(await status())) await sleep(10);
  process.kill(pid, 'SIGUSR1');
}

/** Until the host says that it runs. @returns the id of the job */
async function untilRunning(stderr: NodeJS.ReadableStream): Promise<string> {
  let id = '';
  for await (const line of createInterface({ input: stderr })) {
    id ||= /^job (\w+):/.exec(line)?.[1] ?? '';
    if (/^db1: running/.test(line)) return id;
  }
  throw new Error('the job ended');
}

/** Pids of all that observes the process, `perf` and what runs beside it. */
async function observers(): Promise<string[]> {
  const found: string[] = [];
  for (const name of (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry))) {
    const line = await readFile(join('/proc', name, 'cmdline'), 'utf8').catch(() => '');
    if (line.includes(`\0--pid=${pid}\0`)) found.push(name);
  }
  return found;
}

describe('a watch', () => {
  it('fires while no controller is there, and its recording is fetched later, once', async () => {
    const controller = fleet.start(await watchWords('--most', '1', '--record-for', '1s'));
    if (controller.stderr === null) throw new Error('its progress is not piped');
    const id = await untilRunning(controller.stderr);
    const ended = once(controller, 'exit');
    controller.kill('SIGKILL');
    await ended;
    await turn();
    // With the last firing the watch ends: all of it happens without a controller.
    const captures = join(db1.stateDirectory, 'captures');
    const hasEnded = async (capture: string) =>
      !(await readdir(join(captures, capture)).catch(() => ['work'])).includes('work');
    for (const capture of [`${id}.db1.t1`, `${id}.db1`]) await vi.waitUntil(() => hasEnded(capture), 30_000);
    expect(await observers()).toEqual([]);

    const resumed = await fleet.json<Report>(['jobs', 'resume', id]);
    expect(resumed.job.state).toBe('succeeded');
    expect(resumed.firings).toMatchObject([{ host: 'db1', jobState: 'succeeded' }]);
    const [{ jobId } = { jobId: '' }] = resumed.firings;
    const { stdout } = await fleet.run('export', jobId, '--format', 'folded');
    expect(stdout).toMatch(/;storm \d+$/m);
    const { jobs } = await fleet.json<{ jobs: readonly Job[] }>(['jobs', 'ls']);
    expect(jobs.map((job) => job.id).sort()).toEqual([id, jobId].sort());
    expect(jobs.find((job) => job.id === jobId)?.request.note).toMatch(
      /^firing 1 of \w+: page-faults\/s > 1000 for 3 intervals/,
    );
    // Fetched and released: the agent has nothing of them any more.
    expect(await readdir(captures)).toEqual([]);
  });

  it('is fired by whoever asks, and what it recorded is there when the watch has ended', async () => {
    const controller = fleet.start([...(await watchWords('--most', '1', '--record-for', '1s')), '--json']);
    if (controller.stderr === null) throw new Error('its progress is not piped');
    const ended = outputOf(controller);
    const id = await untilRunning(controller.stderr);
    const words = ['trigger', id, '--because', 'queries are slow'];
    const { answers } = await fleet.json<{ answers: readonly { readonly ok: boolean }[] }>(words);
    expect(answers).toMatchObject([{ ok: true, value: { number: 1, cause: { reason: 'queries are slow' } } }]);
    const { code, stdout } = await ended;
    const report = JSON.parse(stdout) as Report;
    expect([code, report.job.state]).toEqual([0, 'succeeded']);
    expect(report.firings).toMatchObject([{ jobState: 'succeeded' }]);
    const shown = await fleet.run('jobs', 'show', id);
    expect(shown.stdout).toMatch(/db1 firing 1, .* asked: queries are slow\n {2}recorded by job \w+ \(succeeded\)/);
  });

  it('leaves no perf behind when its agent is killed', async () => {
    const controller = fleet.start([...(await watchWords('--record-for', '15s', '--grace', '5s')), '--json']);
    if (controller.stderr === null) throw new Error('its progress is not piped');
    const ended = outputOf(controller);
    await untilRunning(controller.stderr);
    await turn();
    // perf stat of the watch, perf record of its firing.
    await vi.waitUntil(async () => (await observers()).length >= 2, 30_000);
    db1.process.kill('SIGKILL');
    await vi.waitUntil(async () => (await observers()).length === 0, 30_000);
    const { code, stdout } = await ended;
    expect(code).toBe(1);
    expect((JSON.parse(stdout) as Report).hosts[0]?.state).toBe('lost');
  });
});
