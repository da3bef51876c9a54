// Spans of local time in which a schedule may run, or must not: `mon-fri 09:00-17:00`, `22:00-06:00`, `2026-12-24..2027-01-02`.
import { fail } from '../../proto/failure.js';
import { type LocalTime, localClock } from './local-clock.js';

export interface Window {
  /** Whether a day on which the span begins; undefined: every day. */
  readonly days: DaySet | undefined;
  /** Minutes of the day; the end may be before the start: then it is on the next day. Undefined: all day. */
  readonly span: { readonly start: number; readonly end: number } | undefined;
}

type DaySet =
  /** 0 is Sunday. */
  | { readonly kind: 'weekdays'; readonly weekdays: ReadonlySet<number> }
  /** Both included, `YYYY-MM-DD`. */
  | { readonly kind: 'dates'; readonly first: string; readonly last: string };

const dayNames = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const minutesOfDay = 1440;

/** @throws FailureError 'bad-request' */
export function parseWindow(text: string): Window {
  const words = text.trim().toLowerCase().split(/\s+/);
  const [first = '', second] = words;
  const wrong = () =>
    fail(
      'bad-request',
      `'${text.slice(0, 100)}' is no window`,
      "write it like 'mon-fri 09:00-17:00', 'sat,sun', '22:00-06:00' or '2026-12-24..2027-01-02'",
    );
  if (words.length > 2 || first === '') throw wrong();
  if (second !== undefined) {
    const [days, span] = [parseDays(first), parseSpan(second)];
    if (days === undefined || span === undefined) throw wrong();
    return { days, span };
  }
  const span = parseSpan(first);
  const days = span === undefined ? parseDays(first) : undefined;
  if (span === undefined && days === undefined) throw wrong();
  return { days, span };
}

export interface Windows {
  isOpen(time: number): boolean;
  /** A moment after `time` up to which nothing changes: whole minutes, at most a day later. */
  nextChange(time: number): number;
}

/**
 * @param timeZone IANA name
 * @throws FailureError 'bad-request'
 */
export function openWindows(windows: readonly string[], blackouts: readonly string[], timeZone: string): Windows {
  const only = windows.map(parseWindow);
  const never = blackouts.map(parseWindow);
  const clock = localClock(timeZone);
  const edges = new Set([0, minutesOfDay]);
  for (const { span } of [...only, ...never]) {
    if (span === undefined) continue;
    edges.add(span.start);
    edges.add(span.end);
  }
  const sorted = [...edges].sort((a, b) => a - b);
  return {
    isOpen(time) {
      const local = clock.at(time);
      const isIn = (window: Window) => contains(window, local);
      return (only.length === 0 || only.some(isIn)) && !never.some(isIn);
    },
    nextChange(time) {
      const minute = Math.floor(time / 60_000) * 60_000;
      const local = clock.at(minute);
      const edge = sorted.find((at) => at > local.minute) ?? minutesOfDay;
      const target = minute + (edge - local.minute) * 60_000;
      // Where the wall clock is changed in between, one minute at a time.
      return clock.offset(target) === clock.offset(minute) ? target : minute + 60_000;
    },
  };
}

function contains({ days, span }: Window, local: LocalTime): boolean {
  const { minute } = local;
  if (span === undefined) return isDay(days, local);
  if (span.start < span.end) return isDay(days, local) && minute >= span.start && minute < span.end;
  return (isDay(days, local) && minute >= span.start) || (isDay(days, dayBefore(local)) && minute < span.end);
}

function isDay(days: DaySet | undefined, { date, weekday }: Pick<LocalTime, 'date' | 'weekday'>): boolean {
  if (days === undefined) return true;
  return days.kind === 'weekdays' ? days.weekdays.has(weekday) : date >= days.first && date <= days.last;
}

function dayBefore({ date, weekday }: LocalTime): Pick<LocalTime, 'date' | 'weekday'> {
  const before = new Date(Date.parse(`${date}T00:00:00Z`) - 86_400_000).toISOString().slice(0, 10);
  return { date: before, weekday: (weekday + 6) % 7 };
}

function parseDays(text: string): DaySet | undefined {
  const dates = /^(\d{4}-\d{2}-\d{2})(?:\.\.(\d{4}-\d{2}-\d{2}))?$/.exec(text);
  if (dates !== null) {
    const first = dates[1];
    const last = dates[2] ?? first;
    return isDate(first) && isDate(last) && first <= last ? { kind: 'dates', first, last } : undefined;
  }
  const weekdays = new Set<number>();
  for (const part of text.split(',')) {
    const [from, to = from, more] = part.split('-').map((name) => dayNames.indexOf(name));
    if (from < 0 || to < 0 || more !== undefined) return undefined;
    for (let day = from; ; day = (day + 1) % 7) {
      weekdays.add(day);
      if (day === to) break;
    }
  }
  return { kind: 'weekdays', weekdays };
}

function isDate(text: string): boolean {
  const time = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
}

function parseSpan(text: string): Window['span'] {
  const found = /^(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})$/.exec(text);
  if (found === null) return undefined;
  const [startHour, startMinute, endHour, endMinute] = found.slice(1).map(Number);
  const [start, end] = [startHour * 60 + startMinute, endHour * 60 + endMinute];
  const isRight = startMinute < 60 && endMinute < 60 && start < minutesOfDay && end <= minutesOfDay && start !== end;
  return isRight ? { start, end } : undefined;
}
