// A stat spec as the argv of `perf stat`.
import type { StatSpec } from '../../proto/capture.js';
import { fail } from '../../proto/failure.js';
import { durationArguments, eventArguments, type ResolvedTarget, targetArguments } from './target-args.js';

/** Between fields; no event name or cgroup path that we let through holds one. */
export const STAT_SEPARATOR = ';';

/** perf writes its lines there; its complaints stay on stderr. */
export const STAT_LOG_FD = 3;

/** perf's own least interval. */
const MIN_INTERVAL = 10;
const MAX_INTERVAL = 3_600_000;

/** @throws FailureError `bad-request` */
export function statArguments(spec: StatSpec, target: ResolvedTarget, perf: string): string[] {
  const { interval } = spec;
  if (!Number.isInteger(interval) || interval < MIN_INTERVAL || interval > MAX_INTERVAL) {
    throw fail(
      'bad-request',
      `an interval of ${interval} ms is no whole number from 10 ms to 1 h`,
      'try --interval 1000',
    );
  }
  const isWholeHost = target.kind === 'system' || target.kind === 'cgroup';
  if (spec.perCpu && !isWholeHost) {
    throw fail('bad-request', 'counters per CPU need the whole system or a cgroup as target', 'leave --per-cpu out');
  }
  return [
    perf,
    'stat',
    `--field-separator=${STAT_SEPARATOR}`,
    `--log-fd=${STAT_LOG_FD}`,
    `--interval-print=${interval}`,
    ...(spec.perCpu ? ['--no-aggr'] : []),
    ...eventArguments(spec.events),
    ...targetArguments(target, spec.events),
    ...durationArguments(spec.duration),
  ];
}

/** The same command, ended at once. */
export function statProbeArguments(spec: StatSpec, target: ResolvedTarget, perf: string): string[] {
  const argv = statArguments(spec, target, perf);
  return [...argv.slice(0, argv.lastIndexOf('--')), '--', 'true'];
}
