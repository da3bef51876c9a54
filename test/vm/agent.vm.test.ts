// The agent in the VM and the agent on the build host, reached by the controller's own command line over mutual TLS.
import { release } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Fleet } from '../e2e/fleet.js';
import { startAgentInVm, startBuildHost } from './host-in-image.js';
import { needImage } from './image.js';
import type { NativeProcess } from './native.js';
import { bootVm, type Vm } from './vm.js';

const AGENT_PORT = 7451;

let fleet: Fleet;
let vm: Vm;
let buildHost: NativeProcess;

beforeAll(async () => {
  const image = await needImage();
  fleet = await Fleet.create();
  await fleet.makeCertificates('target', 'builder');
  const directory = fleet.caDirectory;
  const built = await startBuildHost(image, { directory, name: 'builder' });
  buildHost = built.host;
  vm = await bootVm({ image, forward: [AGENT_PORT] });
  const address = await startAgentInVm(vm, AGENT_PORT, { directory, name: 'target' });
  await fleet.writeInventory([
    { name: 'target', address, labels: { role: 'target' } },
    { name: 'builder', address: built.address, labels: { role: 'builder' } },
  ]);
});

afterAll(async () => {
  await vm?.stop();
  await buildHost?.stop();
  await fleet?.dispose();
});

describe('agents on the VM and on its build host', () => {
  it('are found ready, each with its own kernel', async () => {
    const { hosts } = await fleet.json<{ hosts: { host: string; description: { kernelRelease: string } }[] }>([
      'doctor',
    ]);
    const kernels = Object.fromEntries(hosts.map(({ host, description }) => [host, description.kernelRelease]));
    expect(kernels).toEqual({ target: vm.release, builder: release() });
  });

  it('record and count the page faults of a process in the VM, with its functions by name', async () => {
    const workload = vm.start(['touch-pages', '64', '20000']);
    await new Promise((resolve, reject) => workload.on('close', reject).stdout?.once('data', resolve));
    const target = ['--comm', 'touch-pages', '--on', 'role=target', '--for', '3s'];
    const recorded = await fleet.run('record', '-e', 'page-faults', '-c', '1', ...target);
    expect(recorded).toMatchObject({ code: 0 });
    const { stdout: folded } = await fleet.run('export', 'last', '--format', 'folded');
    const weights = [...folded.matchAll(/;main;touch_fresh_pages (\d+)$/gm)].map(([, weight]) => Number(weight));
    expect(weights.reduce((sum, weight) => sum + weight, 0)).toBeGreaterThan(64);
    const counted = await fleet.run('stat', '-e', 'page-faults', '-I', '1000', ...target);
    expect(counted).toMatchObject({ code: 0 });
    expect(counted.stdout).toMatch(/^page-faults +\d/m);
  });
});
