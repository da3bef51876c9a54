// A host whose disk fills up while it captures: what there is is kept, what is missing is told, and once there is room all is well again.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { watchedCapture } from '../fleet/watched-capture.js';
import { Workstation } from '../fleet/workstation.js';

const MIB = 1024 * 1024;
/** Captures begin where 16 MiB are free. */
const STATE_BYTES = 20 * MIB;
const FILL = '/var/lib/perftrawl/something-else';
const RECORD = ['record', '-e', 'page-faults', '-c', '1', '--comm', 'faults', '--even-if-busy', '--budget', 'none'];
const ON = ['--on', 'name=web1', '--grace', '120s'];
let workstation: Workstation;

beforeAll(async () => {
  workstation = await Workstation.start({
    sshHosts: { web1: { stateBytes: STATE_BYTES } },
    // Sixteen thousand faults a second, from few places: a small profile, and much raw data.
    workload: ['1000000000', '10', '50', '0', '16384'],
  });
});
afterAll(() => workstation.stop());

/** Something else on that host takes all the room that is left. */
async function fill(): Promise<void> {
  const host = workstation.fleet.host('web1');
  // It ends when the disk is full.
  await expect(host.run('dd', 'if=/dev/zero', `of=${FILL}`, 'bs=4k')).rejects.toThrow('No space left');
}

async function spooled(): Promise<string[]> {
  const list = await workstation.fleet.host('web1').run('find', '/var/lib/perftrawl/ssh/captures', '-mindepth', '1');
  return list.split('\n').filter((line) => line !== '');
}

it('raw data that finds no room is given up, and the profile comes all the same', async () => {
  const args = [...RECORD, ...ON, '--keep-raw', '--for', '6s'];
  const { code, job, ends, losses } = await watchedCapture(workstation, args, { web1: fill });
  expect([code, job.state, ends.web1]).toEqual([0, 'succeeded', 'succeeded']);
  const lost = losses.map(({ detail }) => detail).join('; ');
  expect(lost).toMatch(/perf\.data was not kept: .*(No space left|ENOSPC|full)/i);
  const profile = await workstation.withStore((app) => app.profile(job.id));
  expect(profile?.samples.values[0].reduce((a, b) => a + b, 0) ?? 0).toBeGreaterThan(500);
  expect(await spooled()).toEqual([]);
  await workstation.fleet.host('web1').run('rm', FILL);
}, 400_000);

it('a disk that is full at the end is told as what it is, and nothing is left there', async () => {
  // The time of each sample is more than fits in what is held back for the end of a capture.
  const args = [...RECORD, ...ON, '--timestamps', '--for', '5s'];
  const { code, hosts, ends } = await watchedCapture(workstation, args, { web1: fill });
  expect([code, ends.web1]).toEqual([1, 'failed: exhausted']);
  expect(`${hosts[0].failure?.message}; ${hosts[0].failure?.remedy}`).toMatch(/no space|full/i);
  expect(await spooled()).toEqual([]);
}, 400_000);

it('a capture is refused while there is no room, with what to do, and taken again when there is', async () => {
  const refused = await watchedCapture(workstation, [...RECORD, ...ON, '--for', '1s'], {});
  expect([refused.code, refused.ends.web1]).toEqual([1, 'failed: exhausted']);
  expect(refused.hosts[0].failure?.message).toMatch(/MiB are free below .*; captures need 16/);
  expect(refused.hosts[0].failure?.remedy).toMatch(/free disk space/);
  await workstation.fleet.host('web1').run('rm', FILL);
  const taken = await watchedCapture(workstation, [...RECORD, ...ON, '--for', '1s'], {});
  expect(taken.ends).toEqual({ web1: 'succeeded' });
}, 400_000);
