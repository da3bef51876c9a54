// When a schedule is due: its timing, within its windows and outside its black-outs. croner reads the patterns; nothing here runs by itself.
import { Cron } from 'croner';
import type { Milliseconds } from '../../proto/capture.js';
import { fail } from '../../proto/failure.js';
import { localClock } from './local-clock.js';
import type { ScheduleDefinition, Timing } from './schedule.js';
import { openWindows } from './windows.js';

export interface Calendar {
  /** The first time that is due after `time`; undefined when there is none, or none within reach. Milliseconds since 1970 UTC. */
  nextAfter(time: number): number | undefined;
}

/** Changes of windows that are looked at for the next time: four years of days with three each. */
const mostChanges = 5000;
/** Shorter intervals than this are no use: a capture takes longer. */
const shortest: Milliseconds = 1000;

/** @throws FailureError 'bad-request' for what is no timing, window or time zone */
export function openCalendar(
  definition: Pick<ScheduleDefinition, 'timing' | 'timeZone' | 'windows' | 'blackouts' | 'until'>,
): Calendar {
  const { timing, timeZone, windows, blackouts, until = Number.POSITIVE_INFINITY } = definition;
  const timingAfter = openTiming(timing, timeZone);
  const open = openWindows(windows, blackouts, timeZone);
  return {
    nextAfter(time) {
      let after = time;
      for (let change = 0; change < mostChanges; change++) {
        const due = timingAfter(after);
        if (due === undefined || due >= until) return undefined;
        if (open.isOpen(due)) return due;
        // Nothing opens before then; a tick at that very moment counts.
        after = open.nextChange(due) - 1;
      }
      return undefined;
    },
  };
}

function openTiming(timing: Timing, timeZone: string): (after: number) => number | undefined {
  switch (timing.kind) {
    case 'cron':
      return cronAfter(timing.pattern, timeZone);
    case 'every': {
      const { every, from } = timing;
      if (!(every >= shortest && Number.isSafeInteger(every) && Number.isSafeInteger(from))) {
        throw fail('bad-request', `a schedule cannot be due every ${every} ms`, 'give one second or more');
      }
      return (after) => (after < from ? from : from + (Math.floor((after - from) / every) + 1) * every);
    }
    case 'at':
      return (after) => (after < timing.time ? timing.time : undefined);
    case 'alert':
      return () => undefined;
  }
}

function cronAfter(pattern: string, timeZone: string): (after: number) => number | undefined {
  // croner would take a date too, and years.
  if (!/^(@\w+|\S+(\s+\S+){4,5})$/.test(pattern.trim())) {
    throw fail('bad-request', `'${pattern.slice(0, 100)}' is no cron pattern`, "write it like '0 3 * * mon-fri'");
  }
  localClock(timeZone);
  try {
    const cron = new Cron(pattern.trim(), { timezone: timeZone, paused: true, mode: '5-or-6-parts' });
    return (after) => cron.nextRun(new Date(after))?.getTime();
  } catch (cause) {
    const message = cause instanceof Error ? cause.message.replace(/^CronPattern: /, '') : String(cause);
    throw fail('bad-request', `'${pattern.slice(0, 100)}' is no cron pattern: ${message}`, '', cause);
  }
}
