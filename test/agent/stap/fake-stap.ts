// A host with programs called stap and staprun that do what the comments of a script tell them, and print what the real ones printed.
//
//   // fake: {"do": "print", "file": "…"}     on stdout (`"to": "stderr"`: there)
//   // fake: {"do": "arguments"}              its own argv as one line of JSON
//   // fake: {"do": "flood", "lines": 1000000}
//   // fake: {"do": "wait"}                   for SIGINT; `"isDeaf": true`: whatever comes
//   // fake: {"do": "die"}                    by SIGKILL, with the module loaded
//   // fake: {"do": "exit", "code": 1}
//   // fake: {"do": "compile-for-ever"}       of stap
//   // fake: {"do": "fail", "file": "…"}      of stap: the script does not compile, with this on stderr
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { CaptureService, DEFAULT_LIMITS } from '../../../agent/capture-service.js';
import { localMachine } from '../../../agent/host/machine.js';
import { defaultPolicy, type Policy } from '../../../agent/policy/policy.js';
import { Spool } from '../../../agent/spool/spool.js';
import type { OwnScript, StapSpec } from '../../../proto/capture.js';
import { UNRESTRAINED } from '../capture/unrestrained.js';

export const RELEASE = '6.1.0-56-cloud-amd64';
export const FIXTURES = join(import.meta.dirname, '../../fixtures/stap');

export class FakeStapHost {
  readonly directory: string;
  readonly #services: CaptureService[] = [];

  static async create(files: Readonly<Record<string, string>> = {}): Promise<FakeStapHost> {
    const host = new FakeStapHost(await mkdtemp(join(tmpdir(), 'perftrawl-stap-')));
    await host.add('/etc/os-release', 'ID=debian\nPRETTY_NAME="Debian GNU/Linux 12"\n');
    await host.add('/proc/sys/kernel/osrelease', `${RELEASE}\n`);
    await host.add('/proc/modules', 'virtio_net 81920 0 - Live 0x0000000000000000\n');
    await host.add(`/lib/modules/${RELEASE}/build/Makefile`, '');
    await host.add('/proc/12/comm', 'postgres\n');
    await host.add('/proc/34/comm', 'postgres\n');
    for (const [path, text] of Object.entries(files)) await host.add(path, text);
    for (const name of ['stap', 'staprun', 'gcc', 'make']) await host.install(name);
    return host;
  }

  private constructor(directory: string) {
    this.directory = directory;
  }

  get root(): string {
    return join(this.directory, 'root');
  }

  get programs(): string {
    return join(this.directory, 'bin');
  }

  get state(): string {
    return join(this.directory, 'state');
  }

  async add(path: string, text: string): Promise<void> {
    await mkdir(dirname(join(this.root, path)), { recursive: true });
    await writeFile(join(this.root, path), text);
  }

  async install(name: string): Promise<void> {
    const path = join(this.programs, name);
    await mkdir(this.programs, { recursive: true });
    const tools = new URL('./fake-tools.mjs', import.meta.url).href;
    const text = [
      `#!${process.execPath}`,
      `import(${JSON.stringify(tools)}).then((tools) => tools.run(${JSON.stringify({ name, root: this.root })}));`,
    ];
    await writeFile(path, `${text.join('\n')}\n`);
    await chmod(path, 0o755);
  }

  machine(path = `${this.programs}:/usr/bin:/bin`) {
    return localMachine({ root: this.root, path });
  }

  async service(policy: Policy = defaultPolicy(false), path?: string, spoolLimit = 1e9): Promise<CaptureService> {
    const spool = await Spool.open({ directory: this.state, limit: spoolLimit, now: Date.now });
    const service = new CaptureService({
      machine: this.machine(path),
      spool,
      stateDirectory: this.state,
      policy,
      name: 'fake',
      limits: DEFAULT_LIMITS,
      ...UNRESTRAINED,
      onDefect: (_captureId, error) => {
        throw error;
      },
    });
    this.#services.push(service);
    return service;
  }

  async dispose(): Promise<void> {
    for (const service of this.#services) await service.stopAll();
    await rm(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** A script that makes the fake programs do all this. */
export function scriptThat(...actions: readonly object[]): OwnScript {
  const lines = actions.map((action) => `// fake: ${JSON.stringify(action)}\n`);
  return { from: 'request', name: 'own.stp', text: `${lines.join('')}probe begin { }\n`, arguments: [], isGuru: false };
}

export function stapOf(script: StapSpec['script'], change: Partial<StapSpec> = {}): StapSpec {
  return {
    kind: 'stap',
    target: { kind: 'system' },
    duration: 5000,
    interval: 1000,
    script,
    overheadPercent: 10,
    keepRaw: false,
    ...change,
  };
}
