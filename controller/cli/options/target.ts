// What to watch on each host: `-p`, `-t`, `-a`, `-C`, `-G`, or a selector that the host resolves itself.
import type { ProcessSelector, Target } from '../../../proto/capture.js';
import { UsageError } from '../usage-error.js';
import { parseCpuList, parseIds } from './numbers.js';

/** As commander hands them over. */
export interface TargetOptions {
  readonly pid?: string | undefined;
  readonly tid?: string | undefined;
  readonly allCpus?: true | undefined;
  readonly cpu?: string | undefined;
  readonly cgroup?: string | undefined;
  readonly comm?: readonly string[] | undefined;
  readonly cmdline?: string | undefined;
  readonly unit?: string | undefined;
  readonly container?: string | undefined;
}

/** The whole system unless something narrower is asked for. @throws UsageError when two ways exclude each other */
export function parseTarget(options: TargetOptions): Target {
  const selector = parseSelector(options);
  const ways = [
    { name: '-p', isGiven: options.pid !== undefined },
    { name: '-t', isGiven: options.tid !== undefined },
    { name: '-a/-C', isGiven: options.allCpus === true || options.cpu !== undefined },
    { name: '-G', isGiven: options.cgroup !== undefined },
    { name: '--comm/--cmdline/--unit/--container', isGiven: selector !== undefined },
  ].filter((way) => way.isGiven);
  if (ways.length > 1) {
    throw new UsageError(`${ways.map((way) => way.name).join(' and ')} exclude each other; give one of them`);
  }
  if (options.pid !== undefined) return { kind: 'pids', pids: parseIds('-p', options.pid) };
  if (options.tid !== undefined) return { kind: 'tids', tids: parseIds('-t', options.tid) };
  if (options.cgroup !== undefined) return { kind: 'cgroup', path: plain('-G', options.cgroup) };
  if (selector !== undefined) return { kind: 'processes', selector };
  return options.cpu === undefined ? { kind: 'system' } : { kind: 'system', cpus: parseCpuList('-C', options.cpu) };
}

/** `undefined` when no part of a selector is given. */
export function parseSelector(options: TargetOptions): ProcessSelector | undefined {
  const { comm, cmdline, unit, container } = options;
  if ((comm ?? []).length === 0 && cmdline === undefined && unit === undefined && container === undefined) {
    return undefined;
  }
  return {
    ...(comm === undefined || comm.length === 0 ? {} : { comms: comm.map(checkComm) }),
    ...(cmdline === undefined ? {} : { cmdline: checkPattern('--cmdline', cmdline) }),
    ...(unit === undefined ? {} : { unit: plain('--unit', unit) }),
    ...(container === undefined ? {} : { container: plain('--container', container) }),
  };
}

/** The kernel keeps 15 bytes of a process name. */
function checkComm(comm: string): string {
  if (Buffer.byteLength(plain('--comm', comm)) > 15) {
    throw new UsageError(
      `--comm: '${comm}' is longer than the 15 bytes the kernel keeps; give '${comm.slice(0, 15)}' or use --cmdline`,
    );
  }
  return comm;
}

/** A regular expression of a sane size. */
export function checkPattern(option: string, pattern: string): string {
  plain(option, pattern);
  try {
    new RegExp(pattern);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError(`${option}: ${reason}`);
  }
  return pattern;
}

function plain(option: string, text: string): string {
  if (text === '' || text.length > 4096 || text.includes('\0')) {
    throw new UsageError(`${option}: needs a text of 1 to 4096 characters`);
  }
  return text;
}
