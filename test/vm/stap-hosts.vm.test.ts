// Hosts of many kinds under real SystemTap: one whose kernel takes no modules, one whose policy refuses them, and one whose agent is killed
// in the middle of a capture.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { outputOf } from '../e2e/fleet.js';
import { StapFleet, sumOf } from './stap-fleet.js';

const ARRIVALS = `global arrivals
probe timer.ms(100) { arrivals <<< 5 }
probe timer.s(1) { printf("arrivals\\n"); print(@hist_log(arrivals)) }
`;

let fleet: StapFleet;

beforeAll(async () => {
  fleet = await StapFleet.start();
});

afterAll(() => fleet?.dispose());

/** Whatever a test did, nothing of ours stays in the kernel. */
afterEach(async () => {
  expect(await fleet.modules()).toEqual([]);
});

describe('a host whose kernel takes no modules beside one that can', () => {
  it('is named with the reason, and the other has its histogram', async () => {
    const script = await fleet.script('arrivals', ARRIVALS);
    const ended = await fleet.run(script, '--on', 'role in (target, builder)', '--for', '3s');
    expect(ended.code).toBe(3);
    const { job, hosts } = await fleet.lastJob();
    expect(job.state).toBe('partial');
    const states = Object.fromEntries(hosts.map(({ host, state }) => [host, state]));
    expect(states).toEqual({ target: 'succeeded', builder: 'failed' });
    const failure = hosts.find(({ host }) => host === 'builder')?.failure;
    expect(failure?.message).toMatch(/kernel|module/);
    expect(failure?.remedy).not.toBe('');
    const { totals } = await fleet.hist();
    expect(totals.map(sumOf)).toEqual([totals[0].count]);
    expect(totals[0].count).toBeGreaterThan(0);
  });
});

describe('a host whose policy refuses modules', () => {
  it('names the line that would allow them, and nothing is loaded', async () => {
    const directory = fleet.fleet.directory;
    await writeFile(join(directory, 'deny.yaml'), 'stap: { own: allow, modules: deny }\n', { mode: 0o644 });
    await fleet.vm.put(join(directory, 'deny.yaml'), '/etc/perftrawl/deny.yaml');
    await fleet.startAgent('second', ['--state', '/var/lib/perftrawl/second', '--policy', '/etc/perftrawl/deny.yaml']);
    const script = await fleet.script('arrivals', ARRIVALS);
    const ended = await fleet.run(script, '--on', 'role=second', '--for', '3s');
    expect(ended.code).toBe(1);
    const { failure } = await fleet.lastRun();
    expect(failure).toMatchObject({ code: 'refused', message: expect.stringContaining('/etc/perftrawl/deny.yaml') });
    expect(failure?.remedy).toContain('"modules: allow"');
  });
});

describe('an agent that is killed in the middle of a capture', () => {
  it('leaves no module, the host run is lost, and the agent that comes after it works', async () => {
    const script = await fleet.script('arrivals', ARRIVALS);
    const ended = outputOf(fleet.start(script, '--for', '250s'));
    await fleet.whenLoaded();
    const { pid, ended: agentEnded } = fleet.agent;
    await fleet.vm.need(['kill', '-9', String(pid)]);
    await agentEnded;
    await fleet.startAgent('target');
    await fleet.whenUnloaded();
    expect(await ended).toMatchObject({ code: 1 });
    const run = await fleet.lastRun();
    expect(run).toMatchObject({ state: 'lost', failure: { code: 'lost' } });
    expect(run.failure?.message).toContain(`process ${pid}`);
    expect(await fleet.run(script, '--for', '3s')).toMatchObject({ code: 0 });
    expect((await fleet.hist()).totals[0].count).toBeGreaterThan(0);
  });
});
