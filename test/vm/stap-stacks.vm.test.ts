// Stacks that the catalogue's scripts print as addresses in the VM, through controller and command line: named on that host.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, onTestFailed } from 'vitest';
import { Fleet } from '../e2e/fleet.js';
import { startAgentInVm, startBuildHost } from './host-in-image.js';
import { needImage } from './image.js';
import type { NativeProcess } from './native.js';
import { bootVm, type Vm } from './vm.js';

const AGENT_PORT = 7451;
/** The VM is emulated: probes take a large share of its CPUs. */
const WIDE = ['--overhead', '100%', '--grace', '280s'];

let fleet: Fleet;
let vm: Vm;
let buildHost: NativeProcess;

beforeAll(async () => {
  const image = await needImage();
  fleet = await Fleet.create();
  await fleet.makeCertificates('target', 'builder');
  const directory = fleet.caDirectory;
  const policy = 'stap: { modules: allow, own: allow, max-overhead-percent: 100 }\n';
  await writeFile(join(directory, 'policy.yaml'), policy, { mode: 0o644 });
  const built = await startBuildHost(image, { directory, name: 'builder' });
  buildHost = built.host;
  vm = await bootVm({ image, forward: [AGENT_PORT] });
  const address = await startAgentInVm(vm, AGENT_PORT, { directory, name: 'target' });
  await fleet.writeInventory([
    { name: 'target', address, labels: { role: 'target' } },
    { name: 'builder', address: built.address, labels: { role: 'builder' } },
  ]);
  const workload = vm.start(['touch-pages', '64', '20000', '/root/pages']);
  await new Promise((resolve, reject) => workload.on('close', reject).stdout?.once('data', resolve));
});

afterAll(async () => {
  await vm?.stop();
  await buildHost?.stop();
  await fleet?.dispose();
});

/** Folded stacks of `touch-pages`, root first, with their weights. */
async function stacksOf(script: string, ...options: string[]): Promise<Map<string, number>> {
  const chosen = ['--comm', 'touch-pages', '--for', '6s', ...options];
  const ran = await fleet.run('stap', script, '--on', 'role=target', '--build-on', 'builder', ...WIDE, ...chosen);
  expect(ran, ran.stderr + ran.stdout).toMatchObject({ code: 0 });
  const { stdout } = await fleet.run('export', 'last', '--of', 'profile', '--format', 'folded');
  const lines = stdout.split('\n').filter((line) => line.startsWith('touch-pages;'));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  );
}

it('page faults: the function that touches, and the kernel`s above it', async () => {
  onTestFailed(async () => console.error(await vm.state()));
  const stacks = await stacksOf('pagefault-stacks', '--param', 'kernel=1');
  const text = [...stacks.keys()].join('\n');
  expect(text).toMatch(/^touch-pages;.*touch_fresh_pages;.*asm_exc_page_fault;.*(do_user_addr_fault|exc_page_fault)/m);
  expect(text).toMatch(/^touch-pages;.*touch_dropped_pages;/m);
  const all = [...stacks.values()].reduce((sum, weight) => sum + weight, 0);
  const bare = [...stacks].filter(([stack]) => /\[unknown\]/.test(stack)).reduce((sum, [, weight]) => sum + weight, 0);
  expect(bare).toBeLessThan(all / 10);
});
