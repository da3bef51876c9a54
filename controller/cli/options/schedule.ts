// When a schedule is due, what happens when it cannot run, and what is kept of its results.
import { Option } from '@commander-js/extra-typings';
import type { JobRequest } from '../../api.js';
import {
  type JobTemplate,
  MISSED_POLICIES,
  OVERLAPS,
  type Retention,
  type ScheduleDefinition,
  type Timing,
} from '../../schedule/schedule.js';
import { gather } from '../command.js';
import { UsageError } from '../usage-error.js';
import { parseLifetime } from './duration.js';
import { parseChoice, parseWhole } from './numbers.js';
import { parseLabels } from './queue.js';

/** As commander hands them over. */
export interface ScheduleFlags {
  readonly cron?: string | undefined;
  readonly every?: string | undefined;
  readonly at?: string | undefined;
  readonly onAlert?: readonly string[] | undefined;
  readonly hostLabel?: string | undefined;
  readonly coolDown?: string | undefined;
  readonly triggerWatches?: true | undefined;
  readonly tz?: string | undefined;
  readonly window?: readonly string[] | undefined;
  readonly blackout?: readonly string[] | undefined;
  readonly jitter?: string | undefined;
  readonly overlap?: string | undefined;
  readonly missed?: string | undefined;
  readonly tolerance?: string | undefined;
  readonly until?: string | undefined;
  readonly keep?: string | undefined;
  readonly keepFor?: string | undefined;
  readonly keepBytes?: string | undefined;
  readonly hoursAfter?: string | undefined;
  readonly daysAfter?: string | undefined;
}

export const SCHEDULE_OPTIONS = {
  cron: new Option('--cron <pattern>', "five fields, or six with seconds before them, such as '0 3 * * mon-fri'"),
  every: new Option('--every <duration>', 'from now on, such as 30s, 5m or 1d, whatever the clocks on walls do'),
  at: new Option('--at <moment>', 'once: 2026-12-01T03:00 in the time zone, or with Z or +01:00'),
  onAlert: new Option(
    '--on-alert <label=value>',
    'when an alert with these labels fires (POST /v1/alerts); may be given several times',
  ).argParser(gather),
  hostLabel: new Option('--host-label <label>', 'label of the alert that names the host (default: instance)'),
  coolDown: new Option('--cool-down <duration>', 'no second job for the same host within (default: 10m)'),
  triggerWatches: new Option('--trigger-watches', 'watches that run on the hosts of the alert fire as well'),
  timeZone: new Option('--tz <zone>', 'IANA time zone of calendar and windows (default: that of this machine)'),
  window: new Option(
    '--window <window>',
    "only then: 'mon-fri 09:00-17:00', '22:00-06:00', '2026-12-01..2026-12-24'; may be given several times",
  ).argParser(gather),
  blackout: new Option('--blackout <window>', 'never then; may be given several times').argParser(gather),
  jitter: new Option('--jitter <duration>', 'each job starts up to so much later, by chance'),
  overlap: new Option(
    '--overlap <policy>',
    `when the job before has not ended: ${OVERLAPS.join(', ')} (default: skip)`,
  ),
  missed: new Option(
    '--missed <policy>',
    `ticks of a time without a server: ${MISSED_POLICIES.join(', ')} of them are made up for (default: skip)`,
  ),
  tolerance: new Option('--tolerance <duration>', 'a tick that is later than this was missed (default: 1m)'),
  until: new Option('--until <moment>', 'not due any more from then on'),
  keep: new Option('--keep <jobs>', 'the newest so many jobs; older ones are deleted with their results'),
  keepFor: new Option('--keep-for <duration>', 'jobs that are older are deleted, such as 30d'),
  keepBytes: new Option('--keep-bytes <size>', 'results together at most, such as 500M or 2G; the oldest go first'),
  hoursAfter: new Option('--hours-after <duration>', 'results that are older are merged into one for each hour'),
  daysAfter: new Option('--days-after <duration>', 'and those into one for each day'),
};

/** @param job as the command line after `--` asks for it @throws UsageError */
export function parseSchedule(name: string, flags: ScheduleFlags, job: JobRequest, now: number): ScheduleDefinition {
  const timeZone = flags.tz ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
  return {
    ...{ name, timing: parseTiming(flags, timeZone, now), timeZone },
    ...{ windows: flags.window ?? [], blackouts: flags.blackout ?? [] },
    jitter: flags.jitter === undefined ? 0 : parseLifetime('--jitter', flags.jitter),
    overlap: parseChoice('--overlap', flags.overlap ?? 'skip', OVERLAPS),
    missed: parseChoice('--missed', flags.missed ?? 'skip', MISSED_POLICIES),
    tolerance: flags.tolerance === undefined ? 60_000 : parseLifetime('--tolerance', flags.tolerance),
    ...(flags.until === undefined ? {} : { until: parseTime('--until', flags.until, timeZone) }),
    ...{ retention: parseRetention(flags), job: templateOf(job) },
  };
}

function parseTiming(flags: ScheduleFlags, timeZone: string, now: number): Timing {
  const { cron, every, at, onAlert, hostLabel, coolDown, triggerWatches } = flags;
  const given = [cron, every, at, onAlert].filter((value) => value !== undefined);
  if (given.length !== 1) throw new UsageError('give one of --cron, --every, --at and --on-alert');
  if (onAlert === undefined && [hostLabel, coolDown, triggerWatches].some((value) => value !== undefined)) {
    throw new UsageError('--host-label, --cool-down and --trigger-watches belong to --on-alert');
  }
  if (cron !== undefined) return { kind: 'cron', pattern: cron };
  if (every !== undefined) return { kind: 'every', every: parseLifetime('--every', every), from: now };
  if (at !== undefined) return { kind: 'at', time: parseTime('--at', at, timeZone) };
  return {
    ...{ kind: 'alert', match: parseLabels('--on-alert', onAlert ?? []), hostLabel: hostLabel ?? 'instance' },
    coolDown: coolDown === undefined ? 600_000 : parseLifetime('--cool-down', coolDown),
    ...(triggerWatches === true ? { triggersWatches: true } : {}),
  };
}

const moment = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?))?(Z|[+-]\d{2}:\d{2})?$/;

/** Milliseconds since 1970 UTC; without an offset, on the clocks of the time zone. */
function parseTime(option: string, text: string, timeZone: string): number {
  const found = moment.exec(text);
  const [, date = '', time = '00:00', offset] = found ?? [];
  const utc = Date.parse(`${date}T${time}${offset ?? 'Z'}`);
  if (found === null || Number.isNaN(utc)) {
    throw new UsageError(`${option}: '${text}' is no moment such as 2026-12-01T03:00 or 2026-12-01T03:00Z`);
  }
  return offset === undefined ? utc - offsetAt(utc, timeZone) : utc;
}

/** Of local time to UTC at the moment that its clocks show what UTC shows at `shown`; in milliseconds. */
function offsetAt(shown: number, timeZone: string): number {
  const at = (time: number): number => {
    const local = new Date(time).toLocaleString('sv-SE', { timeZone });
    return Date.parse(`${local.replace(' ', 'T')}Z`) - Math.floor(time / 1000) * 1000;
  };
  try {
    return at(shown - at(shown));
  } catch {
    throw new UsageError(`--tz: '${timeZone}' is no time zone; give an IANA name such as Europe/Berlin`);
  }
}

function parseRetention({ keep, keepFor, keepBytes, hoursAfter, daysAfter }: ScheduleFlags): Retention {
  return {
    ...(keep === undefined ? {} : { count: parseWhole('--keep', keep, 1, 1_000_000) }),
    ...(keepFor === undefined ? {} : { age: parseLifetime('--keep-for', keepFor) }),
    ...(keepBytes === undefined ? {} : { bytes: parseSize('--keep-bytes', keepBytes) }),
    ...(hoursAfter === undefined ? {} : { hoursAfter: parseLifetime('--hours-after', hoursAfter) }),
    ...(daysAfter === undefined ? {} : { daysAfter: parseLifetime('--days-after', daysAfter) }),
  };
}

function parseSize(option: string, text: string): number {
  const found = /^(\d{1,15})([KMGT]?)$/.exec(text);
  const size = found === null ? 0 : Number(found[1]) * 1024 ** ['', 'K', 'M', 'G', 'T'].indexOf(found[2]);
  if (size > 0) return size;
  throw new UsageError(`${option}: '${text}' is no size such as 500M or 2G`);
}

/** @throws UsageError for hosts that are no matter of a selector */
function templateOf(request: JobRequest): JobTemplate {
  const {
    hosts: _now,
    requester: _own,
    schedule: _none,
    merged: _neither,
    notBefore: _at,
    buildHost,
    sample,
    ...job
  } = request;
  if (job.selectorText.startsWith('-H ')) {
    throw new UsageError('-H: hosts of a schedule are chosen anew each time, by --on');
  }
  const { size, stratify } = sample ?? {};
  return {
    ...job,
    ...(buildHost === undefined ? {} : { buildHost: buildHost.name }),
    ...(size === undefined ? {} : { sample: { size, ...(stratify === undefined ? {} : { stratify }) } }),
  };
}
