// A script as it is compiled: its text, and what decides which module comes of it.
import { createHash } from 'node:crypto';
import type { Milliseconds, OwnScript, StapSpec } from '../../proto/capture.js';
import { fail } from '../../proto/failure.js';
import { quote } from '../perf/event-name.js';
import { MAX_DURATION, MIN_DURATION } from '../perf/target-args.js';

export interface StapScript {
  /** For people. */
  readonly name: string;
  /** '' for scripts of requests. */
  readonly variant: string;
  readonly text: string;
  /** Lower-case hex, of `text`. */
  readonly sha256: string;
  /** `-D` options that the script needs, such as `MAXMAPENTRIES=10000`. */
  readonly defines: readonly string[];
  /** A script of its own beside it (`-E`); '' for none. */
  readonly companion: string;
  /** `$1`, `@1`, … */
  readonly arguments: readonly string[];
  readonly isGuru: boolean;
  /** Whether it is known to need the kernel's debuginfo; of scripts of requests only stap knows. */
  readonly needsDebuginfo: boolean;
}

const MAX_TEXT_BYTES = 1024 * 1024;
const MAX_ARGUMENTS = 64;
const MAX_ARGUMENT_BYTES = 4096;
const MIN_INTERVAL: Milliseconds = 100;
const MAX_INTERVAL: Milliseconds = 3_600_000;

/**
 * Ends a script of a request after its duration from inside the module, whatever becomes of the agent. The duration is a module
 * parameter: one module serves all durations. Without one it ends after a day.
 */
const BOUND_SCRIPT = `global perftrawl_duration_ms = ${MAX_DURATION}
global perftrawl_elapsed_ms
probe timer.ms(100) {
  perftrawl_elapsed_ms += 100
  if (perftrawl_elapsed_ms >= perftrawl_duration_ms) exit()
}
`;

export function ownScript(script: OwnScript): StapScript {
  const { name, text, isGuru } = script;
  const sha256 = createHash('sha256').update(text).digest('hex');
  return {
    name,
    variant: '',
    text,
    sha256,
    defines: [],
    companion: BOUND_SCRIPT,
    arguments: script.arguments,
    isGuru,
    needsDebuginfo: false,
  };
}

/** Module parameters of a script of a request: `name=value`. */
export function ownGlobals(script: OwnScript, duration: Milliseconds, pids: readonly number[]): string[] {
  const bound = `perftrawl_duration_ms=${Math.ceil(duration)}`;
  if (pids.length === 0) return [bound];
  if (declaresPids(script.text)) return [bound, `pids=${pids.join(',')}`];
  if (pids.length === 1) return [bound];
  throw fail(
    'bad-request',
    `the target is ${pids.length} processes, but target() of ${quote(script.name)} is one`,
    'name one with --pid, or write `global pids = ""` into the script: it is then given all of them, such as "12,34"',
  );
}

function declaresPids(text: string): boolean {
  return /^\s*global\s+pids\s*=\s*"/m.test(text);
}

/** @throws FailureError `bad-request` for targets that perf can have but SystemTap cannot */
export function checkStapTarget({ target }: StapSpec): void {
  if (target.kind === 'tids' || target.kind === 'cgroup' || (target.kind === 'system' && target.cpus !== undefined)) {
    const what = target.kind === 'tids' ? 'threads' : target.kind === 'cgroup' ? 'a cgroup' : 'CPUs';
    throw fail('bad-request', `SystemTap scripts cannot be bound to ${what}`, 'choose processes, or the whole system');
  }
}

/** @throws FailureError `bad-request` for what could never become a command line */
export function checkStapSpec(spec: StapSpec): void {
  const { duration, interval, overheadPercent, script, command, target, module } = spec;
  const wrong = (message: string, remedy: string) => fail('bad-request', message, remedy);
  if (!Number.isFinite(duration) || duration < MIN_DURATION || duration > MAX_DURATION) {
    throw wrong(`a duration of ${duration} ms is outside 1 ms to 24 h`, 'choose another --duration');
  }
  if (interval !== 0 && (!Number.isInteger(interval) || interval < MIN_INTERVAL || interval > MAX_INTERVAL)) {
    throw wrong(`an interval of ${interval} ms is no whole number from 100 ms to 1 h`, 'try --interval 10s, or 0');
  }
  if (!(overheadPercent > 0 && overheadPercent <= 100)) {
    throw wrong(`an overhead of ${overheadPercent} % is not above 0 and at most 100`, 'try --overhead 10%');
  }
  if (command !== undefined) {
    if (target.kind !== 'system') throw wrong('a command is the target itself', 'leave the process selector out');
    checkArguments(command, 'the command');
    if ((command[0] ?? '') === '') throw wrong('the command is empty', 'write it after --');
  }
  if (module !== undefined && (!/^[0-9a-f]{64}$/.test(module.sha256) || !Number.isSafeInteger(module.size))) {
    throw wrong('the module is not named by a SHA-256 and a size', 'update the controller');
  }
  if (script.from === 'catalogue') return;
  if (script.text.trim() === '') throw wrong(`the script ${quote(script.name)} is empty`, 'name another file');
  if (Buffer.byteLength(script.text) > MAX_TEXT_BYTES || script.text.includes('\0')) {
    throw wrong(`the script ${quote(script.name)} is no text of at most 1 MiB`, 'name another file');
  }
  checkArguments(script.arguments, 'the script');
}

function checkArguments(list: readonly string[], what: string): void {
  if (list.length > MAX_ARGUMENTS)
    throw fail('bad-request', `${what} has ${list.length} arguments, more than ${MAX_ARGUMENTS}`, 'give fewer');
  const wrong = list.find((argument) => argument.includes('\0') || Buffer.byteLength(argument) > MAX_ARGUMENT_BYTES);
  if (wrong !== undefined) {
    throw fail('bad-request', `${quote(wrong)} is no argument for ${what}`, 'at most 4096 bytes, without NUL');
  }
}
