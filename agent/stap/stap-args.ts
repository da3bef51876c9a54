// The argv of stap (compile) and of staprun (load and run). Never a shell: what a person wrote is one argument each.
import type { StapScript } from './stap-script.js';

export interface CompileArguments {
  readonly stap: string;
  readonly moduleName: string;
  readonly kernelRelease: string;
  readonly script: StapScript;
  /** Path of the script's text. */
  readonly file: string;
  readonly overheadPercent: number;
}

/** Cycles over which stap adds up what the probes took. */
const OVERLOAD_INTERVAL = 1_000_000_000;
/** Skipped probes that are let pass for each percent of overhead: a busy host skips some every second. */
const SKIPPED_PER_PERCENT = 1000;

/** stap's own limits, from the share of each CPU that the probes may take. */
export function limitDefines(overheadPercent: number): string[] {
  const threshold = Math.max(1, Math.round((OVERLOAD_INTERVAL / 100) * overheadPercent));
  return [
    `STP_OVERLOAD_INTERVAL=${OVERLOAD_INTERVAL}LL`,
    `STP_OVERLOAD_THRESHOLD=${threshold}LL`,
    `MAXSKIPPED=${Math.max(100, Math.round(SKIPPED_PER_PERCENT * overheadPercent))}`,
  ];
}

/** stap leaves `MODULE.ko` in its working directory. */
export function compileArguments(options: CompileArguments): string[] {
  const { stap, moduleName, kernelRelease, script, file, overheadPercent } = options;
  return [
    stap,
    '-p4',
    '-m',
    moduleName,
    '-r',
    kernelRelease,
    ...(script.isGuru ? ['-g'] : []),
    ...[...limitDefines(overheadPercent), ...script.defines].flatMap((define) => ['-D', define]),
    ...(script.companion === '' ? [] : ['-E', script.companion]),
    // Whatever the script's own arguments look like, none of them is an option of stap.
    '--',
    file,
    ...script.arguments,
  ];
}

export interface RunArguments {
  readonly staprun: string;
  /** Path of the .ko; its base name is the module's. */
  readonly module: string;
  /** What target() is. */
  readonly pid?: number;
  readonly command?: readonly string[];
  /** Where the script's output goes; stdout when left out. */
  readonly output?: string;
  /** `name=value`. */
  readonly globals: readonly string[];
}

/** `-R`: the module gets the number of the staprun process into its name, so that it can be found when that is gone. */
export function runArguments({ staprun, module, pid, command, output, globals }: RunArguments): string[] {
  return [
    staprun,
    '-R',
    ...(pid === undefined ? [] : ['-x', String(pid)]),
    ...(command === undefined ? [] : ['-c', words(command)]),
    // staprun reads the name as a format of strftime.
    ...(output === undefined ? [] : ['-o', output.replaceAll('%', '%%')]),
    module,
    ...globals,
  ];
}

/**
 * staprun splits its command by wordexp(3). Within quotes everything stands for itself; with no special character left outside of them
 * staprun never turns to a shell (start_cmd.c). Quotes with nothing between them stand alone: glibc ends a word at them.
 */
function words(command: readonly string[]): string {
  const quoted = (part: string) => (part.startsWith("'") ? `"${part}"` : `'${part}'`);
  return command.map((word) => (word.match(/'+|[^']+/g) ?? ['']).map(quoted).join('')).join(' ');
}
