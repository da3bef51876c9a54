// Real SystemTap through controller and command line: compiled on a build host, run in the VM, shown on this workstation.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Bucket } from '../../profile/histogram.js';
import { type Ended, Fleet } from '../e2e/fleet.js';
import { startAgentInVm, startBuildHost } from './host-in-image.js';
import { needImage } from './image.js';
import type { NativeProcess } from './native.js';
import { bootVm, type Vm } from './vm.js';

const AGENT_PORT = 7451;
/** The VM is emulated: probes take a large share of its CPUs. */
const WIDE = ['--overhead', '100%', '--grace', '280s'];

const POLICY = `stap: { modules: allow, own: allow, max-overhead-percent: 100 }\n`;

interface JsonHistogram {
  readonly title: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly unit: string;
  readonly count: number;
  readonly underflow: number;
  readonly overflow: number;
  readonly buckets: readonly Bucket[];
}

interface HistJson {
  readonly interval: number;
  readonly histograms: readonly (JsonHistogram & { readonly time: number })[];
  readonly totals: readonly JsonHistogram[];
}

let fleet: Fleet;
let vm: Vm;
let buildHost: NativeProcess;

beforeAll(async () => {
  const image = await needImage();
  fleet = await Fleet.create();
  await fleet.makeCertificates('target', 'builder');
  const directory = fleet.caDirectory;
  await writeFile(join(directory, 'policy.yaml'), POLICY, { mode: 0o644 });
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

/** Whatever a test did, nothing of ours stays in the kernel. */
afterEach(async () => {
  expect(await ownModules()).toEqual([]);
});

async function ownModules(): Promise<string[]> {
  const modules = (await vm.need(['cat', '/proc/modules'])).split('\n').map((line) => line.split(' ')[0]);
  return modules.filter((name) => name.startsWith('perftrawl'));
}

function countOf({ buckets, underflow, overflow }: JsonHistogram): number {
  return buckets.reduce((sum, { count }) => sum + count, underflow + overflow);
}

/** Those without the label are of all faults. */
function byType(histograms: readonly JsonHistogram[]): Map<string, number> {
  return new Map(histograms.map((one) => [one.labels.fault_type ?? 'all', countOf(one)]));
}

function onTarget(script: string, ...options: string[]): Promise<Ended> {
  return fleet.run('stap', script, '--on', 'role=target', '--build-on', 'builder', ...WIDE, ...options);
}

describe('pagefault-latency', () => {
  const options = ['--comm', 'touch-pages', '--for', '9s', '--interval', '3s'];

  it('compiled on the build host, tells latencies by type of a real process', async () => {
    const ran = await onTarget('pagefault-latency', ...options);
    expect(ran).toMatchObject({ code: 0 });
    const { interval, histograms, totals } = await fleet.json<HistJson>(['hist', 'last']);
    expect(interval).toBe(3000);
    expect(new Set(histograms.map(({ time }) => time)).size).toBeGreaterThanOrEqual(2);
    for (const one of [...histograms, ...totals]) expect(countOf(one)).toBe(one.count);
    const counts = byType(totals);
    const { all = 0, ...types } = Object.fromEntries(counts);
    expect(types.MINOR).toBeGreaterThan(64);
    expect(types.MAJOR).toBeGreaterThan(64);
    expect(Object.values(types).reduce((sum, count) => sum + count, 0)).toBe(all);
    expect(totals.every(({ unit }) => unit === 'ns')).toBe(true);
    const { stdout } = await fleet.run('hist', 'last', '--over-time');
    expect(stdout).toContain('MAJOR');
  });

  it('needs the build host only once: the module is kept', async () => {
    await buildHost.stop();
    const ran = await onTarget('pagefault-latency', ...options);
    // The build host is asked for its version, so that another stap makes other modules: without it the reason is named.
    expect(ran.code).not.toBe(0);
    expect(ran.stderr + ran.stdout).toContain('builder');
  });
});
