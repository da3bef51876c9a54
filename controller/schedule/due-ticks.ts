// What becomes of the ticks of a schedule up to now: those on time are fired, those that nobody was there for go by its policy.
import type { Calendar } from './calendar.js';
import type { ScheduleDefinition } from './schedule.js';

export interface MissedTicks {
  readonly first: number;
  readonly last: number;
  readonly count: number;
}

export interface DueTicks {
  /** In order. */
  readonly fire: readonly number[];
  readonly missed: MissedTicks | undefined;
  /** Undefined: never again. */
  readonly next: number | undefined;
}

/** Made up for at most, with the policy `all`: the newest. */
const mostMadeUp = 100;
/** Ticks that are counted one by one; what comes before the newest of a longer gap is counted with it. */
const mostCounted = 100_000;

/** @param due the first tick that is not decided yet; milliseconds since 1970 UTC */
export function dueTicks(
  { missed, tolerance }: Pick<ScheduleDefinition, 'missed' | 'tolerance'>,
  calendar: Calendar,
  due: number,
  now: number,
): DueTicks {
  /** The newest that are late, one more than are made up for. */
  const late: number[] = [];
  const fire: number[] = [];
  let passed = 0;
  let next: number | undefined = due;
  while (next !== undefined && next <= now) {
    if (next >= now - tolerance) fire.push(next);
    else {
      late.push(next);
      passed++;
      if (late.length > mostMadeUp + 1) late.shift();
    }
    // Of a gap that is longer than anybody counts, the rest begins where ticks are on time again.
    next = passed >= mostCounted ? onTimeAgain(calendar, next, now - tolerance) : calendar.nextAfter(next);
  }
  const made = madeUp(missed, late, fire);
  const count = passed - made.length;
  const last = late.at(-made.length - 1) ?? due;
  return { fire: [...made, ...fire], missed: count === 0 ? undefined : { first: due, last, count }, next };
}

function madeUp(policy: ScheduleDefinition['missed'], late: readonly number[], onTime: readonly number[]): number[] {
  if (policy === 'all') return late.slice(-mostMadeUp);
  return policy === 'once' && onTime.length === 0 ? late.slice(-1) : [];
}

function onTimeAgain(calendar: Calendar, last: number, from: number): number | undefined {
  return calendar.nextAfter(Math.max(last, Math.ceil(from) - 1));
}
