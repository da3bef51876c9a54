// Real captures to test with: builds one of the programs in workloads/ and records it with perf, in a directory of its own.
//
//   const recording = await recordWorkload('shapes', { record: ['-e', 'page-faults', '-c', '1', '-g'] });
//   … recording.perfData …
//   await recording.dispose();
import { spawn } from 'node:child_process';
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { output } from './perf-tools.js';

/** faults, syscalls, names: C. shapes: C++. node, java: JIT-compiled code with a perf map. What each does: see its source. */
export type WorkloadName = 'faults' | 'syscalls' | 'names' | 'shapes' | 'node' | 'java';
/** `phases` (C) has no end, and goes on to its next phase when it is told: nothing that perf can be wrapped around. */
export type RunningWorkload = WorkloadName | 'phases';

export interface RecordOptions {
  /** Arguments of `perf record` before the program; default: that workload's own events, with frame-pointer stacks. */
  readonly record?: readonly string[];
  /** Arguments of the program; default: a run of well below three seconds. */
  readonly program?: readonly string[];
  /** Record with `-o -`, so that perfData has perf's pipe form. */
  readonly pipe?: boolean;
}

export interface Recording {
  /** Temporary directory with the built program and perf.data. */
  readonly directory: string;
  readonly perfData: string;
  /** The program and its arguments, to run it again. */
  readonly command: readonly string[];
  /** Remove the directory and the perf map. */
  dispose(): Promise<void>;
}

/** Buffers that hold a whole recording: on a busy machine perf is late, and the kernel would drop events. */
const faultsRecord = ['-e', 'page-faults', '-c', '1', '-g', '-m', '8192'];
const clockRecord = ['-e', 'cpu-clock', '-F', '999', '-g'];

const defaults: Record<WorkloadName, { readonly record: readonly string[]; readonly program: readonly string[] }> = {
  faults: { record: faultsRecord, program: ['20000', '30', '500'] },
  syscalls: { record: clockRecord, program: ['60'] },
  names: { record: faultsRecord, program: ['5'] },
  shapes: { record: faultsRecord, program: ['20'] },
  node: { record: clockRecord, program: ['1500'] },
  java: { record: clockRecord, program: ['2000'] },
};

export async function recordWorkload(name: WorkloadName, options: RecordOptions = {}): Promise<Recording> {
  const directory = await mkdtemp(path.join(tmpdir(), 'perftrawl-workload-'));
  try {
    const command = [...(await build(name, directory)), ...(options.program ?? defaults[name].program)];
    const perfData = path.join(directory, 'perf.data');
    const record = options.record ?? defaults[name].record;
    const said = await perfRecord(record, command, perfData, options.pipe ?? false);
    const pid = /^pid (\d+)$/m.exec(said)?.[1];
    return {
      directory,
      perfData,
      command,
      dispose: async () => {
        await rm(directory, { recursive: true, force: true });
        if (pid !== undefined) await rm(`/tmp/perf-${pid}.map`, { force: true });
      },
    };
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

/** Compile a workload into `directory`; gives the command that runs it, without its arguments. */
export async function build(name: RunningWorkload, directory: string): Promise<readonly string[]> {
  const source = (file: string): string => fileURLToPath(new URL(`workloads/${file}`, import.meta.url));
  const program = path.join(directory, name);
  const flags = ['-g', '-O1', '-fno-omit-frame-pointer', '-fno-optimize-sibling-calls', '-pthread', '-o', program];
  switch (name) {
    case 'faults':
    case 'syscalls':
    case 'names':
    case 'phases':
      await output('gcc', [...flags, source(`${name}.c`)]);
      return [program];
    case 'shapes':
      await output('g++', ['-std=c++17', ...flags, source('shapes.cc')]);
      return [program];
    case 'node':
      return ['node', '--perf-basic-prof', '--interpreted-frames-native-stack', source('spin.mjs')];
    case 'java':
      await output('javac', ['-d', directory, source('Spin.java')]);
      return ['java', '-XX:+PreserveFramePointer', ...perfMapAtExit, '-cp', directory, 'Spin'];
  }
}

const perfMapAtExit = ['-XX:+UnlockDiagnosticVMOptions', '-XX:+DumpPerfMapAtExit'];

/** Run perf record around `command`; gives what both wrote to stdout and stderr. */
async function perfRecord(
  record: readonly string[],
  command: readonly string[],
  perfData: string,
  pipe: boolean,
): Promise<string> {
  const args = ['record', '-q', '-N', '-B', ...record, '-o', pipe ? '-' : perfData, '--', ...command];
  const to = pipe ? await open(perfData, 'w') : undefined;
  try {
    return await spawnPerf(args, path.dirname(perfData), to);
  } finally {
    await to?.close();
  }
}

async function spawnPerf(args: readonly string[], cwd: string, to: FileHandle | undefined): Promise<string> {
  const child = spawn('perf', args, { cwd, stdio: ['ignore', to === undefined ? 'pipe' : to.fd, 'pipe'] });
  const said: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (part: Buffer) => said.push(part));
  const status = await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve));
  const text = Buffer.concat(said).toString('utf8');
  if (status !== 0) throw new Error(`perf ${args.join(' ')} ended with ${status}: ${text}`);
  return text;
}
