// Runs many inputs of a target in child processes with limits, and says which of them broke something. A process that dies or hangs
// is a find too; the next one goes on behind that input.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WorkerMessage, WorkerOrder } from './worker-main.js';

export interface CampaignOptions {
  /** The bundled worker-main. */
  readonly program: string;
  readonly target: string;
  readonly seed: number;
  readonly from: number;
  readonly inputs: number;
  /** Different finds after which the target is given up. */
  readonly mostFinds: number;
}

export interface Find {
  readonly index: number;
  readonly what: string;
}

export interface CampaignResult {
  readonly taken: number;
  readonly refused: number;
  /** Each kind of find once: its first input. */
  readonly finds: readonly Find[];
}

const HEAP_MIB = 384;
const MOST_MEMORY_MIB = 900;
const KILL_MEMORY_MIB = 1500;
const SLOW_MS = 6000;
/** Processor time of one input after which it hangs; and the time after which a process that does nothing does. */
const HANG_CPU_MS = 20_000;
const HANG_IDLE_MS = 120_000;
const WATCH_MS = 500;

export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const finds = new Map<string, Find>();
  const add = (find: Find) => {
    if (!finds.has(find.what)) finds.set(find.what, find);
  };
  const end = options.from + options.inputs;
  let taken = 0;
  let refused = 0;
  for (let next = options.from; next < end && finds.size < options.mostFinds; ) {
    const result = await runWorker(options, next, end, add);
    taken += result.taken;
    refused += result.refused;
    next = result.next;
  }
  return { taken, refused, finds: [...finds.values()] };
}

async function runWorker(
  { program, target, seed }: CampaignOptions,
  from: number,
  to: number,
  add: (find: Find) => void,
): Promise<{ next: number; taken: number; refused: number }> {
  const progress = join(tmpdir(), `perftrawl-fuzz-${process.pid}-${target}-${from}`);
  const order: WorkerOrder = { target, seed, from, to, progress, slowAfter: SLOW_MS, mostMemory: MOST_MEMORY_MIB };
  const child = fork(program, [JSON.stringify(order)], {
    execArgv: [`--max-old-space-size=${HEAP_MIB}`],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    said = `${said}${chunk.toString('latin1')}`.slice(0, 4000);
  });
  let ended: Extract<WorkerMessage, { kind: 'end' }> | undefined;
  child.on('message', (message: WorkerMessage) => {
    if (message.kind === 'find') add({ index: message.index, what: message.what });
    else ended = message;
  });
  const watch = watchWorker(child, progress);
  const [code, signal] = await once(child, 'exit');
  const verdict = watch.stop();
  const at = indexIn(progress) ?? from;
  rmSync(progress, { force: true });
  if (ended !== undefined) return ended;
  const words = said.split('\n').find((line) => /error|fatal|Error/.test(line)) ?? '';
  add({ index: at, what: verdict ?? `died: ${signal ?? `status ${code}`} ${words.replaceAll(/\d+|0x\w+/g, 'N')}` });
  return { next: at + 1, taken: Math.max(0, at - from), refused: 0 };
}

/** Kills a process that spends too much on one input. */
function watchWorker(child: ChildProcess, progress: string): { stop(): string | undefined } {
  let verdict: string | undefined;
  let index: number | undefined;
  let since = { cpu: 0, time: performance.now() };
  const kill = (words: string) => {
    verdict ??= words;
    child.kill('SIGKILL');
  };
  const timer = setInterval(() => {
    const now = { cpu: cpuOf(child.pid), time: performance.now() };
    const at = indexIn(progress);
    if (at !== index) {
      index = at;
      since = now;
    }
    if (now.cpu - since.cpu > HANG_CPU_MS) kill('hang: it does not end');
    else if (now.time - since.time > HANG_IDLE_MS && now.cpu - since.cpu < 1000) kill('hang: it waits for ever');
    else if (memoryOf(child.pid) > KILL_MEMORY_MIB) kill(`memory: more than ${KILL_MEMORY_MIB} MiB`);
  }, WATCH_MS);
  return {
    stop: () => {
      clearInterval(timer);
      return verdict;
    },
  };
}

function indexIn(progress: string): number | undefined {
  const bytes = readOrEmpty(progress);
  return bytes.length < 8 ? undefined : bytes.readDoubleLE();
}

/** Milliseconds: proc(5), fields 14 and 15 of stat, in ticks of 10 ms. */
function cpuOf(pid: number | undefined): number {
  const text = readOrEmpty(`/proc/${pid}/stat`).toString('latin1');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return 10 * (Number(fields[11] ?? 0) + Number(fields[12] ?? 0));
}

/** MiB in memory now. */
function memoryOf(pid: number | undefined): number {
  const pages = readOrEmpty(`/proc/${pid}/statm`).toString('latin1').split(' ')[1];
  return Number(pages ?? 0) / 256;
}

/** A process that has just ended, or not begun, has no files. */
function readOrEmpty(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH'))
      return Buffer.alloc(0);
    throw error;
  }
}
