// Whether a schedule can be: told when it is asked for, not when it is due.
import { type FailureError, fail } from '../../proto/failure.js';
import { type Calendar, openCalendar } from './calendar.js';
import type { ScheduleDefinition } from './schedule.js';

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const longest = 10 * 365 * 86_400_000;
const mostWindows = 100;

/** @param now milliseconds since 1970 UTC @throws FailureError 'bad-request' that says what is wrong */
export function checkSchedule(definition: ScheduleDefinition, now: number): Calendar {
  const { name, timing, windows, blackouts, jitter, tolerance, until, retention } = definition;
  if (!namePattern.test(name)) {
    throw wrong(
      `'${name.slice(0, 80)}' is no name for a schedule`,
      'use letters, digits, dots, dashes and underscores',
    );
  }
  if (windows.length + blackouts.length > mostWindows) throw wrong(`more than ${mostWindows} windows and black-outs`);
  checkDuration('jitter', jitter);
  checkDuration('tolerance', tolerance);
  if (until !== undefined && !(until > now))
    throw wrong(`it would have ended ${momentOf(until)}`, 'choose a later end');
  if (timing.kind === 'alert') {
    checkDuration('cool-down', timing.coolDown);
    if (Object.keys(timing.match).length === 0) throw wrong('it would run at every alert', 'name a label of the alert');
  }
  for (const [what, value] of Object.entries(retention)) {
    if (value === undefined || (Number.isFinite(value) && value >= (what === 'count' ? 1 : 0))) continue;
    throw wrong(`results cannot be kept by ${what} ${value}`);
  }
  const { hoursAfter = 0, daysAfter = Number.POSITIVE_INFINITY } = retention;
  if (daysAfter < hoursAfter) throw wrong('results would be merged into days before they are merged into hours');
  const calendar = openCalendar(definition);
  if (timing.kind !== 'alert' && calendar.nextAfter(now) === undefined) {
    throw wrong('it would never be due', 'look at its time, its windows and black-outs, and its end');
  }
  return calendar;
}

function checkDuration(what: string, value: number): void {
  if (!(value >= 0 && value <= longest)) throw wrong(`${value} ms cannot be the ${what} of a schedule`);
}

function momentOf(time: number): string {
  return Number.isFinite(time) ? new Date(time).toISOString() : String(time);
}

function wrong(message: string, remedy = ''): FailureError {
  return fail('bad-request', message, remedy);
}
