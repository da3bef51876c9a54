// What clocks on walls show in a time zone.
import { fail } from '../../proto/failure.js';

export interface LocalTime {
  /** `YYYY-MM-DD` */
  readonly date: string;
  /** 0 is Sunday. */
  readonly weekday: number;
  /** Of the day. */
  readonly minute: number;
}

export interface LocalClock {
  /** @param time milliseconds since 1970 UTC */
  at(time: number): LocalTime;
  /** Local time less UTC, in minutes. */
  offset(time: number): number;
}

/** @param timeZone IANA name @throws FailureError 'bad-request' */
export function localClock(timeZone: string): LocalClock {
  const format = openFormat(timeZone);
  const read = (time: number) => {
    const fields = new Map(format.formatToParts(time).map(({ type, value }) => [type, value]));
    const field = (type: Intl.DateTimeFormatPartTypes) => fields.get(type) ?? '';
    const date = `${field('year').padStart(4, '0')}-${field('month')}-${field('day')}`;
    return { date, minute: Number(field('hour')) * 60 + Number(field('minute')) };
  };
  return {
    at(time) {
      const { date, minute } = read(time);
      return { date, minute, weekday: new Date(`${date}T00:00:00Z`).getUTCDay() };
    },
    offset(time) {
      const { date, minute } = read(time);
      return (Date.parse(`${date}T00:00:00Z`) - Math.floor(time / 60_000) * 60_000) / 60_000 + minute;
    },
  };
}

function openFormat(timeZone: string): Intl.DateTimeFormat {
  try {
    return new Intl.DateTimeFormat('en-CA', {
      ...{ timeZone, hourCycle: 'h23', year: 'numeric', month: '2-digit', day: '2-digit' },
      ...{ hour: '2-digit', minute: '2-digit' },
    });
  } catch (cause) {
    const remedy = 'give an IANA name such as Europe/Berlin or UTC';
    throw fail('bad-request', `'${timeZone.slice(0, 80)}' is no time zone`, remedy, cause);
  }
}
