// A host whose wall clock is set while it captures, days ahead and then back: durations are right, nothing expires, and nobody is taken for
// dead. Its agent runs under libfaketime, which moves CLOCK_REALTIME and leaves the monotonic clock alone, as setting a clock does.
import { execFile } from 'node:child_process';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { HostRun } from '../../controller/api.js';
import { watchedCapture, watchedRun } from '../fleet/watched-capture.js';
import { Workstation } from '../fleet/workstation.js';

const run = promisify(execFile);
const RECORD = ['record', '-e', 'page-faults', '-c', '1', '--comm', 'faults', '--even-if-busy', '--on', 'name=db1'];
const DAY = 24 * 3_600_000;
let workstation: Workstation;
let environment: Record<string, string>;

beforeAll(async () => {
  workstation = await Workstation.start({
    hosts: { db1: {} },
    // 512 faults at the beginning of each second.
    workload: ['1000000000', '10', '50', '0', '512'],
  });
  const { stdout } = await run('faketime', ['-f', '+0s', 'printenv', 'LD_PRELOAD']);
  environment = {
    LD_PRELOAD: stdout.trim(),
    FAKETIME_TIMESTAMP_FILE: join(workstation.fleet.directory, 'clock'),
    // Read anew at each look at the clock.
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    DONT_FAKE_MONOTONIC: '1',
    NO_FAKE_STAT: '1',
  };
  await setClock('+0d');
  await restartAgent();
});
afterAll(() => workstation.stop());

async function setClock(offset: string): Promise<void> {
  await writeFile(join(workstation.fleet.directory, 'clock'), `${offset}\n`);
}

async function restartAgent(): Promise<void> {
  await workstation.killAgent('db1');
  await workstation.startAgent('db1', environment);
}

const spooled = () => readdir(join(workstation.fleet.host('db1').state, 'agent', 'captures'));

/** Days by which the host's clock is ahead, as the controller measured it when a capture had begun and when it was done. */
function daysAhead({ checks }: HostRun): (number | undefined)[] {
  return [checks?.before, checks?.after].map((check) => check && Math.round(check.clockOffset / DAY) + 0);
}

it.each([
  ['+8d', 8],
  ['-3d', -3],
])(
  'a clock that is set by %s in the middle of a capture changes nothing of it',
  async (offset, days) => {
    await setClock('+0d');
    const set = async () => {
      // Once a second of it is recorded.
      await sleep(1_000);
      await setClock(offset);
    };
    const { code, hosts, ends } = await watchedCapture(workstation, [...RECORD, '--for', '6s', '--grace', '90s'], {
      db1: set,
    });
    expect([code, ends]).toEqual([0, { db1: 'succeeded' }]);
    const [run] = hosts;
    expect(daysAhead(run)).toEqual([0, days]);
    // Six seconds and what a busy machine adds: not days, and not less than nothing.
    expect(run.progress.elapsed).toBeGreaterThanOrEqual(6_000);
    expect(run.progress.elapsed).toBeLessThan(600_000);
    expect(run.cost?.wall).toBeGreaterThanOrEqual(6_000);
    expect(run.cost?.wall).toBeLessThan(600_000);
    expect(run.losses).toEqual([]);
    expect(run.progress.samples).toBeGreaterThan(0);
  },
  300_000,
);

it('a capture that waits for its controller does not expire by a clock that jumps, and its agent is not taken for dead', async () => {
  await setClock('+0d');
  const killController = async () => {
    for (const pid of await workstation.controllers()) process.kill(pid, 'SIGKILL');
    // Under way: a second agent process of that host would now find an owner from the future, or from the past.
    for (const offset of ['+400d', '-400d', '+30d']) {
      await setClock(offset);
      await workstation.run('hosts', 'ps', '--on', 'name=db1', '--comm', 'faults');
    }
  };
  const { code } = await watchedRun(workstation, [...RECORD, '--for', '20s', '--grace', '120s'], {
    db1: killController,
  });
  expect(code).toBeNull();
  // Agents look for what is to expire when they start.
  await expect.poll(() => workstation.fleet.host('db1').processes('perf'), { timeout: 120_000 }).toEqual([]);
  await expect.poll(isWhole, { timeout: 120_000 }).toBe(true);
  await restartAgent();
  expect(await spooled()).toHaveLength(1);
  const resumed = await watchedCapture(workstation, ['jobs', 'resume', 'last'], {});
  expect([resumed.code, resumed.ends]).toEqual([0, { db1: 'succeeded' }]);
  expect(resumed.hosts[0].progress.elapsed).toBeLessThan(600_000);
  expect(await spooled()).toEqual([]);
}, 600_000);

/** Whether the one capture of the spool has its end: its scratch files are gone then. */
async function isWhole(): Promise<boolean> {
  const [capture] = await spooled();
  return !(await readdir(join(workstation.fleet.host('db1').state, 'agent', 'captures', capture))).includes('work');
}
