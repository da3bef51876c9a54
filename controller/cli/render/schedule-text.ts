// Schedules and their ticks as a person reads them: times on the clocks of the schedule's time zone.
import type { Job } from '../../api.js';
import type { Retention, Schedule, ScheduleDefinition, Tick } from '../../schedule/schedule.js';
import { printable } from '../../views/printable.js';
import { describeSpec } from './spec-text.js';
import { durationText } from './time-text.js';

/** `2026-11-27 03:00:00 +01:00` */
export function localText(time: number, timeZone: string): string {
  const shown = new Date(time).toLocaleString('sv-SE', { timeZone, timeZoneName: 'longOffset' });
  return shown.replace('GMT', '').replace('\u2212', '-').replace(/ $/, ' +00:00');
}

export function nextLine({ definition }: Schedule, time: number): string {
  return `${localText(time, definition.timeZone)}  ${new Date(time).toISOString().slice(0, 19)}Z`;
}

export function scheduleRow({ definition, state, nextDue }: Schedule): string[] {
  const { name, job, timeZone } = definition;
  return [
    ...[name, state, nextDue === 0 ? '-' : localText(nextDue, timeZone), timingText(definition)],
    ...[job.selectorText === '' ? 'all hosts' : printable(job.selectorText), printable(describeSpec(job.spec))],
  ];
}

export function historyRow({ due, count, last, state, jobId, reason }: Tick, timeZone: string): string[] {
  const span = count > 1 ? ` to ${localText(last, timeZone)}` : '';
  return [`${localText(due, timeZone)}${span}`, String(count), state, jobId, printable(reason)];
}

export function scheduleLines(
  { definition, state, requester, created }: Schedule,
  times: readonly number[],
  ticks: readonly Tick[],
  [newest]: readonly Job[],
): string[] {
  const { name, timeZone, windows, blackouts, jitter, overlap, missed, tolerance, until, job } = definition;
  const { selectorText, sample, spread = 0, team, priority, labels = {}, note } = job;
  const rows: [string, string][] = [
    ['when', `${timingText(definition)}, ${timeZone}`],
    ['only', windows.join('; ')],
    ['never', blackouts.join('; ')],
    ['until', until === undefined ? '' : localText(until, timeZone)],
    ['next', times.map((time) => localText(time, timeZone)).join('; ')],
    ['what', describeSpec(job.spec)],
    ['on', selectorText === '' ? 'all hosts' : selectorText],
    ['sample', sample === undefined ? '' : sizeText(sample)],
    [
      'spread',
      [
        spread > 0 ? `hosts over ${durationText(spread)}` : '',
        jitter > 0 ? `start up to ${durationText(jitter)} later` : '',
      ]
        .filter(Boolean)
        .join(', '),
    ],
    ['overlap', overlap],
    ['missed', `${missed}, after ${durationText(tolerance)}`],
    ['kept', retentionText(definition.retention)],
    [
      'team',
      [team ?? '', priority === undefined || priority === 'normal' ? '' : `${priority} priority`]
        .filter(Boolean)
        .join(', '),
    ],
    [
      'labels',
      Object.entries(labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(' '),
    ],
    ['note', note],
    ['asked for', `by ${requester}, ${localText(created, timeZone)}`],
    ['last job', newest === undefined ? '' : `${newest.id} ${newest.state}`],
  ];
  const past = ticks.map((tick) => `  ${historyRow(tick, timeZone).filter(Boolean).join('  ')}`);
  return [
    `schedule ${name} is ${state}`,
    ...rows.filter(([, value]) => value !== '').map(([key, value]) => `  ${key.padEnd(10)}${printable(value)}`),
    ...(past.length === 0 ? [] : ['last ticks:', ...past]),
  ];
}

function sizeText({ size, stratify }: NonNullable<ScheduleDefinition['job']['sample']>): string {
  const much = size.kind === 'hosts' ? `${size.hosts} hosts` : `${size.percent} % of the hosts`;
  return stratify === undefined ? `${much}, drawn each time` : `${much}, drawn each time by ${stratify}`;
}

function timingText({ timing }: ScheduleDefinition): string {
  switch (timing.kind) {
    case 'cron':
      return timing.pattern;
    case 'every':
      return `every ${durationText(timing.every)}`;
    case 'at':
      return 'once';
    case 'alert':
      return `alert ${Object.entries(timing.match)
        .map(([key, value]) => `${printable(key)}=${printable(value)}`)
        .join(' ')}`;
  }
}

function retentionText({ count, age, bytes, hoursAfter, daysAfter }: Retention): string {
  return [
    count === undefined ? '' : `${count} jobs`,
    age === undefined ? '' : `for ${durationText(age)}`,
    bytes === undefined ? '' : `${Math.round(bytes / 1024 ** 2)} MiB`,
    hoursAfter === undefined ? '' : `by hours after ${durationText(hoursAfter)}`,
    daysAfter === undefined ? '' : `by days after ${durationText(daysAfter)}`,
  ]
    .filter(Boolean)
    .join(', ');
}
