// Twenty real hosts with nothing of ours on them, reached by ssh, of which four fail each in its own way: the job ends with the sixteen
// others merged and four named failures.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { foldedStacks } from '../../profile/folded.js';
import type { Profile } from '../../profile/profile.js';
import type { HostOptions } from '../fleet/test-host.js';
import { watchedCapture } from '../fleet/watched-capture.js';
import { Workstation } from '../fleet/workstation.js';

const SOUND = Array.from({ length: 16 }, (_, i) => `db${String(i + 1).padStart(2, '0')}`);
let workstation: Workstation;

beforeAll(async () => {
  const sshHosts: Record<string, HostOptions> = {
    ...Object.fromEntries(SOUND.map((name) => [name, {}])),
    unplugged: { unreachable: 'no-link' },
    stranger: { hostKey: 'changed' },
    perfless: { without: ['perf'] },
    cut: {},
  };
  workstation = await Workstation.start({
    sshHosts,
    // 512 faults at the beginning of each second.
    workload: ['1000000000', '10', '50', '0', '512'],
  });
});

afterAll(async () => {
  await workstation.stop();
});

/** Stack -> weight. */
function stacksOf(profile: Profile | undefined): Map<string, number> {
  if (profile === undefined) throw new Error('there is no profile');
  return new Map([...foldedStacks(profile)].map(({ stack, weight }) => [stack, weight]));
}

it('give sixteen merged results and four named failures', async () => {
  const args = [
    ...['record', '-e', 'page-faults', '-c', '1', '--comm', 'faults', '--for', '4s', '--grace', '60s'],
    ...['-H', 'unplugged,stranger,perfless,cut,db[01-16]', '--max-parallel', '8', '--even-if-busy'],
  ];
  const { code, job, hosts, losses, ends } = await watchedCapture(workstation, args, {
    cut: () => workstation.fleet.host('cut').cut(),
  });
  expect(code).toBe(3);
  expect(job.state).toBe('partial');
  expect(ends).toEqual({
    ...Object.fromEntries(SOUND.map((name) => [name, 'succeeded'])),
    unplugged: 'failed: unreachable',
    stranger: 'failed: untrusted',
    perfless: 'failed: tool-missing',
    cut: 'lost: lost',
  });
  const words = Object.fromEntries(hosts.map(({ host, failure }) => [host, `${failure?.message}; ${failure?.remedy}`]));
  expect(words.unplugged).toMatch(/unplugged.*(timed out|EHOSTUNREACH|within)/);
  expect(words.stranger).toMatch(/key of stranger .*CHANGED.*known_hosts:\d+.*ssh-keygen -R/);
  expect(words.perfless).toMatch(/perf.*install/);
  expect(words.cut).toMatch(/gave up after 64000 ms|went away/);
  const missing = losses.find(({ kind }) => kind === 'missing-hosts');
  expect(missing?.count).toBe(4);
  for (const name of ['unplugged', 'stranger', 'perfless', 'cut']) expect(missing?.detail).toContain(name);

  const sum = new Map<string, number>();
  await workstation.withStore(async (app) => {
    for (const name of SOUND) {
      const stacks = stacksOf(await app.profile(job.id, name));
      expect(stacks.size, name).toBeGreaterThan(0);
      for (const [stack, weight] of stacks) sum.set(stack, (sum.get(stack) ?? 0) + weight);
    }
    expect(stacksOf(await app.profile(job.id))).toEqual(sum);
  });
  // Of a machine that has nothing else to do it takes a minute and a half.
}, 600_000);
