// Which events perf can open here: a run of `perf stat` around a command that does nothing.

import { STAT_LOG_FD, STAT_SEPARATOR } from '../perf/stat-args.js';
import { StatParser } from '../perf/stat-parser.js';
import { runTool } from '../process.js';

/** Worth knowing of every host. perf knows the names everywhere; whether the host can count them differs. */
export const WELL_KNOWN_EVENTS: readonly string[] = [
  'page-faults',
  'minor-faults',
  'major-faults',
  'cpu-clock',
  'task-clock',
  'context-switches',
  'cpu-migrations',
  'cycles',
  'instructions',
  'cache-references',
  'cache-misses',
  'branches',
  'branch-misses',
];

const PROBE_DEADLINE_MS = 10_000;

export interface EventSupport {
  readonly usable: readonly string[];
  readonly unusable: readonly string[];
}

/** Names must be ones that perf can parse; all count as unusable when perf itself fails. */
export async function probeEvents(perf: string, events: readonly string[], signal: AbortSignal): Promise<EventSupport> {
  const argv = [
    perf,
    'stat',
    `--field-separator=${STAT_SEPARATOR}`,
    `--log-fd=${STAT_LOG_FD}`,
    ...events.map((event) => `--event=${event}`),
    '--',
    'true',
  ];
  const result = await runTool(argv, { signal, deadline: PROBE_DEADLINE_MS, hasLog: true });
  const parser = new StatParser({ separator: STAT_SEPARATOR, events, perCpu: false, cgroup: undefined });
  // Without -I perf prints no time: every line is given one.
  const lines = result.log.split('\n').filter((line) => line.trim() !== '');
  const points = parser.push(Buffer.from(lines.map((line) => `0${STAT_SEPARATOR}${line}\n`).join('')));
  const opened = new Set(
    points.filter((point) => point.status !== 'not-supported').map((point) => point.event.split(':')[0]),
  );
  return {
    usable: events.filter((event) => opened.has(event)),
    unusable: events.filter((event) => !opened.has(event)),
  };
}
