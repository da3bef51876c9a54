// Hosts that go away while they capture: by a power cut, by a network that is away for minutes, and with everything but
// perf killed. One is reached by ssh, one has an agent that listens.
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { watchedCapture, watchedRun } from '../fleet/watched-capture.js';
import { Workstation } from '../fleet/workstation.js';

const HOSTS = ['db1', 'web1'];
const RECORD = ['record', '-e', 'page-faults', '-c', '1', '--comm', 'faults', '--even-if-busy', '--on', 'name!=ws'];
let workstation: Workstation;

beforeAll(async () => {
  workstation = await Workstation.start({
    hosts: { db1: {} },
    sshHosts: { web1: {} },
    // 512 faults at the beginning of each second.
    workload: ['1000000000', '10', '50', '0', '512'],
  });
});
afterAll(() => workstation.stop());

/** `db1 j1.db1` for each capture in a spool. */
async function spooled(): Promise<string[]> {
  const lists = await Promise.all(
    HOSTS.map(async (name) => {
      const places = ['agent', 'ssh'].map((place) => join(workstation.fleet.host(name).state, place, 'captures'));
      const found = await Promise.all(places.filter((place) => existsSync(place)).map((place) => readdir(place)));
      return found.flat().map((capture) => `${name} ${capture}`);
    }),
  );
  return lists.flat();
}

const bootIds = () =>
  Promise.all(HOSTS.map((name) => workstation.fleet.host(name).run('cat', '/proc/sys/kernel/random/boot_id')));

it('a power cut loses the capture of that host, which is told, and nothing stays there', async () => {
  const before = await bootIds();
  const { code, job, hosts, ends } = await watchedCapture(
    workstation,
    [...RECORD, '--for', '20s', '--grace', '90s'],
    Object.fromEntries(HOSTS.map((name) => [name, () => workstation.reboot(name)])),
  );
  expect([code, job.state]).toEqual([1, 'failed']);
  expect(ends).toEqual({ db1: 'lost: lost', web1: 'lost: lost' });
  for (const { failure } of hosts) expect(failure?.message).toMatch(/the agent \(process \d+\) was killed/);
  const after = await bootIds();
  for (const [i, id] of after.entries()) expect(id).not.toBe(before[i]);
  // The next connection tells the hosts what they may delete.
  await workstation.json(['doctor'], [0, 1]);
  expect(await spooled()).toEqual([]);
}, 400_000);

it('a network that is away for minutes costs time, and the result comes once', async () => {
  const away = async (name: string) => {
    const host = workstation.fleet.host(name);
    await host.cut();
    // ssh notices after 24 seconds, gRPC over TLS after 20; then ten tries are in vain.
    await sleep(150_000);
    await host.mend();
  };
  const { code, job, hosts, ends } = await watchedCapture(
    workstation,
    [...RECORD, '--for', '3s', '--grace', '400s'],
    Object.fromEntries(HOSTS.map((name) => [name, () => away(name)])),
  );
  expect(ends).toEqual({ db1: 'succeeded', web1: 'succeeded' });
  expect([code, job.state]).toEqual([0, 'succeeded']);
  const weights = await workstation.withStore(async (app) => {
    const profiles = await Promise.all([...HOSTS, undefined].map((host) => app.profile(job.id, host)));
    return profiles.map((profile) => profile?.samples.values[1].reduce((a, b) => a + b, 0) ?? 0);
  });
  const [db1, web1, merged] = weights;
  expect(Math.min(db1, web1)).toBeGreaterThan(0);
  expect(merged).toBe(db1 + web1);
  expect(hosts.map(({ progress }) => progress.samples)).toEqual([db1, web1]);
  expect(await spooled()).toEqual([]);
}, 900_000);

it('perf ends in its time although everything else was killed', async () => {
  const running = new Map<string, number>();
  const killAll = async () => {
    for (const pid of await workstation.controllers()) process.kill(pid, 'SIGKILL');
    await workstation.killAgent('db1');
    for (const pid of await workstation.agentsOn('web1')) process.kill(pid, 'SIGKILL');
    await workstation.fleet.host('web1').killSessions();
    for (const name of HOSTS) running.set(name, (await workstation.fleet.host(name).processes('perf')).length);
  };
  const { code } = await watchedRun(workstation, [...RECORD, '--for', '15s'], { web1: killAll });
  expect(code).toBeNull();
  // It was there when everything else was gone.
  expect(running.get('web1')).toBeGreaterThan(0);
  for (const name of HOSTS) {
    const host = workstation.fleet.host(name);
    expect(await host.processes('node')).toEqual([]);
    await expect
      .poll(async () => [...(await host.processes('perf')), ...(await host.processes('sleep'))], { timeout: 120_000 })
      .toEqual([]);
  }
  await workstation.startAgent('db1');
}, 400_000);
