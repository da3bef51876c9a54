// The fleet of the tests with real SystemTap: a VM whose kernel takes modules, a native build host for it, and the command line.
import type { ChildProcess } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { HostRun, Job } from '../../controller/api.js';
import type { Bucket } from '../../profile/histogram.js';
import { type Ended, Fleet } from '../e2e/fleet.js';
import { type AgentInVm, installInVm, putCertificate, runAgentInVm, startBuildHost } from './host-in-image.js';
import { type Image, needImage } from './image.js';
import type { Bind, NativeProcess } from './native.js';
import { bootVm, type Vm } from './vm.js';

/** The VM is emulated: probes take a large share of its CPUs, and all takes long. */
const WIDE = ['--overhead', '100%', '--grace', '280s'];
/** In the VM. */
const PORTS = { target: 7451, second: 7452, third: 7453 } as const;
const POLICY = 'stap: { modules: allow, own: allow, max-overhead-percent: 100 }\n';
/** Their certificates are made; tests start those that they want beside `target`. */
type AgentName = keyof typeof PORTS;
type BuildHostName = 'builder' | 'bare-builder';
const TICK = 200;

/** As `--json` gives it. */
export interface JsonHistogram {
  readonly title: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly unit: string;
  readonly scale: { readonly kind: 'log2' | 'linear' };
  readonly count: number;
  readonly underflow: number;
  readonly overflow: number;
  readonly buckets: readonly Bucket[];
}

export interface HistJson {
  readonly job: string;
  readonly interval: number;
  readonly histograms: readonly (JsonHistogram & { readonly time: number; readonly interval: number })[];
  readonly totals: readonly JsonHistogram[];
}

/** `perftrawl jobs show JOB --json`. */
export interface JobJson {
  readonly job: Job;
  readonly hosts: readonly HostRun[];
}

interface InventoryHost {
  readonly name: string;
  readonly address: string;
  readonly labels: Readonly<Record<string, string>>;
}

export class StapFleet {
  readonly fleet: Fleet;
  readonly vm: Vm;
  readonly #image: Image;
  readonly #buildHosts = new Map<string, NativeProcess>();
  readonly #inventory = new Map<string, InventoryHost>();
  #agent: AgentInVm | undefined;

  /** The hosts `target` (role=target), which is the VM, and `builder` (role=builder). */
  static async start(): Promise<StapFleet> {
    const image = await needImage();
    const fleet = await Fleet.create();
    await fleet.makeCertificates(...Object.keys(PORTS), 'builder', 'bare-builder');
    await writeFile(join(fleet.caDirectory, 'policy.yaml'), POLICY, { mode: 0o644 });
    const vm = await bootVm({ image, forward: Object.values(PORTS) });
    const stapFleet = new StapFleet(image, fleet, vm);
    await installInVm(vm);
    await vm.put(join(fleet.caDirectory, 'policy.yaml'), '/etc/perftrawl/policy.yaml');
    await stapFleet.startAgent('target');
    await stapFleet.startBuildHost('builder');
    return stapFleet;
  }

  private constructor(image: Image, fleet: Fleet, vm: Vm) {
    this.#image = image;
    this.fleet = fleet;
    this.vm = vm;
  }

  /** Of `target`, as it was started last. */
  get agent(): AgentInVm {
    if (this.#agent === undefined) throw new Error('the VM has no agent');
    return this.#agent;
  }

  /** Start the agent of the VM: `target`, or another one beside it. @param options as {@link runAgentInVm} */
  async startAgent(name: AgentName, options: readonly string[] = []): Promise<AgentInVm> {
    await putCertificate(this.vm, { directory: this.fleet.caDirectory, name });
    const agent = await runAgentInVm(this.vm, PORTS[name], name, options);
    if (name === 'target') this.#agent = agent;
    await this.#know({ name, address: agent.address, labels: { role: name } });
    return agent;
  }

  /** Start a host that compiles. @param binds as {@link startBuildHost} */
  async startBuildHost(name: BuildHostName, binds: readonly Bind[] = []): Promise<void> {
    const { address, host } = await startBuildHost(this.#image, { directory: this.fleet.caDirectory, name }, binds);
    this.#buildHosts.set(name, host);
    await this.#know({ name, address, labels: { role: name } });
  }

  async #know(host: InventoryHost): Promise<void> {
    this.#inventory.set(host.name, host);
    await this.fleet.writeInventory([...this.#inventory.values()]);
  }

  async dispose(): Promise<void> {
    await this.vm.stop();
    for (const host of this.#buildHosts.values()) await host.stop();
    await this.fleet.dispose();
  }

  /** `touch-pages` in the VM, with minor and major faults, until it is killed there. @returns its number in the VM */
  async startPages(): Promise<number> {
    const workload = this.vm.start(['touch-pages', '64', '20000', '/root/pages']);
    return new Promise((resolve, reject) => {
      workload.on('close', (code) => reject(new Error(`touch-pages ended with ${code}`)));
      workload.stdout?.once('data', (line: Buffer) => resolve(Number(/^ready (\d+)$/m.exec(line.toString())?.[1])));
    });
  }

  /** A script of one's own. @returns its path */
  async script(name: string, text: string): Promise<string> {
    const file = join(this.fleet.directory, `${name}.stp`);
    await writeFile(file, text);
    return file;
  }

  /** Run `perftrawl stap` on the VM with the module compiled by `builder`; later options prevail. */
  run(script: string, ...options: string[]): Promise<Ended> {
    return this.fleet.run(...stapArgs(script, options));
  }

  /** As {@link run}; the caller waits for it. */
  start(script: string, ...options: string[]): ChildProcess {
    return this.fleet.start(stapArgs(script, options));
  }

  hist(...args: string[]): Promise<HistJson> {
    return this.fleet.json(['hist', 'last', ...args]);
  }

  lastJob(job = 'last'): Promise<JobJson> {
    return this.fleet.json(['jobs', 'show', job]);
  }

  /** The host run of a job that had one host. */
  async lastRun(job = 'last'): Promise<HostRun> {
    const { hosts } = await this.lastJob(job);
    if (hosts.length !== 1) throw new Error(`the job ${job} had ${hosts.length} hosts`);
    return hosts[0];
  }

  /** What a script printed, line by line. */
  async lastText(): Promise<string> {
    const { stdout } = await this.fleet.run('text', 'last');
    return stdout;
  }

  /** Modules of ours in the VM's kernel. */
  async modules(): Promise<string[]> {
    const lines = (await this.vm.need(['cat', '/proc/modules'])).split('\n');
    return lines.map((line) => line.split(' ')[0]).filter((name) => name.startsWith('perftrawl'));
  }

  /** Until a module of ours that is none of `others` is at work in the VM. */
  async whenLoaded(others: readonly string[] = []): Promise<void> {
    await until(async () => (await this.modules()).some((name) => !others.includes(name)));
  }

  async whenUnloaded(): Promise<void> {
    await until(async () => (await this.modules()).length === 0);
  }
}

function stapArgs(script: string, options: readonly string[]): string[] {
  return ['stap', script, '--on', 'role=target', '--build-on', 'builder', ...WIDE, ...options];
}

/** The test's own time limit ends it. */
export async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, TICK));
}

export function sumOf({ buckets, underflow, overflow }: JsonHistogram): number {
  return buckets.reduce((sum, { count }) => sum + count, underflow + overflow);
}
