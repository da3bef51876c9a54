// A job of the built program on a sound host and hostile ones: what it says of each, and how much memory it took meanwhile.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { HostRun, Job } from '../../controller/api.js';
import type { AgentApi } from '../../proto/agent-api.js';
import { FakeAgent, profileLog } from '../controller/fake-agent.js';
import { type ServedAgent, type TlsFleet, tlsFleet } from '../controller/tls-fleet.js';
import { drawProfile } from '../profile/draw-profile.js';
import { type FollowBytes, serveRawAgent } from './raw-agent.js';

const perftrawl = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'bin', 'perftrawl');

/** How a hostile host behaves: as an agent, as the bytes of its logs, or as whatever listens on a port. */
export type Hostile =
  | { readonly agent: AgentApi }
  | { readonly follow: FollowBytes }
  | { readonly listens: (caDirectory: string, name: string) => Promise<ServedAgent> };

export interface Attacked {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** MiB, of the controller. */
  readonly peakMemory: number;
}

export class AttackedJob {
  readonly #fleet: TlsFleet;
  readonly #served: ServedAgent[] = [];
  /** What was asked of the sound host. */
  readonly good = new FakeAgent(async ({ emit }) => emit(...profileLog(drawProfile('main;read 3'))));

  /** A sound host called `good`, and the others. */
  static async begin(hosts: Readonly<Record<string, Hostile>>): Promise<AttackedJob> {
    const job = new AttackedJob(await tlsFleet());
    const fleet = job.#fleet;
    const served = [await fleet.serve('good', job.good)];
    for (const [name, hostile] of Object.entries(hosts)) {
      if ('agent' in hostile) served.push(await fleet.serve(name, hostile.agent));
      else {
        const one =
          'follow' in hostile
            ? await serveRawAgent(fleet.caDirectory, name, hostile.follow)
            : await hostile.listens(fleet.caDirectory, name);
        job.#served.push(one);
        served.push(one);
      }
    }
    await fleet.writeInventory(served);
    return job;
  }

  private constructor(fleet: TlsFleet) {
    this.#fleet = fleet;
  }

  get directory(): string {
    return this.#fleet.directory;
  }

  get caDirectory(): string {
    return this.#fleet.caDirectory;
  }

  /** Run the program to its end. */
  async run(...args: readonly string[]): Promise<Attacked> {
    const child = spawn(process.execPath, [perftrawl, ...args], {
      cwd: this.directory,
      env: {
        PATH: process.env.PATH,
        HOME: this.directory,
        PERFTRAWL_DATA: join(this.directory, 'data'),
        PERFTRAWL_CONFIG: this.directory,
        LANG: 'C.UTF-8',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let peakMemory = 0;
    const watch = setInterval(() => {
      peakMemory = Math.max(peakMemory, peakMemoryOf(child.pid));
    }, 100);
    const output = { stdout: '', stderr: '' };
    child.stdout.on('data', (chunk: Buffer) => {
      output.stdout += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      output.stderr += chunk.toString();
    });
    const [code] = await once(child, 'close');
    clearInterval(watch);
    return { code, ...output, peakMemory };
  }

  /** A short capture on all hosts: what became of each, as `state: code: message`, and the memory it took. */
  async record(...more: readonly string[]): Promise<{ ends: Record<string, string>; peakMemory: number; job: Job }> {
    const words = ['record', '-e', 'page-faults', '--for', '100ms', '--json', ...more];
    const { stdout, stderr, peakMemory } = await this.run(...words);
    if (stdout === '') throw new Error(`perftrawl printed nothing: ${stderr}`);
    const report: { job: Job; hosts: HostRun[] } = JSON.parse(stdout);
    const ends = report.hosts.map(({ host, state, failure }) => [
      host,
      failure === undefined ? state : `${state}: ${failure.code}: ${failure.message}`,
    ]);
    return { ends: Object.fromEntries(ends), peakMemory, job: report.job };
  }

  async end(): Promise<void> {
    for (const served of this.#served) served.stop();
    await this.#fleet.close();
  }
}

/** MiB: the most it has had in memory; 0 once it has ended. */
export function peakMemoryOf(pid: number | undefined): number {
  try {
    return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH')) return 0;
    throw error;
  }
}
