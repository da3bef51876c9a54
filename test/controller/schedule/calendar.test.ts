// When schedules are due: patterns, time zones, both changes of clocks, windows.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openCalendar } from '../../../controller/schedule/calendar.js';
import type { ScheduleDefinition, Timing } from '../../../controller/schedule/schedule.js';
import { openWindows, parseWindow } from '../../../controller/schedule/windows.js';
import { toFailure } from '../../../proto/failure.js';

type Calendared = Pick<ScheduleDefinition, 'timing' | 'timeZone' | 'windows' | 'blackouts' | 'until'>;

function calendar(timing: Timing, more: Partial<Calendared> = {}) {
  return openCalendar({ timing, timeZone: 'UTC', windows: [], blackouts: [], ...more });
}

function times(timing: Timing, from: string, count: number, more: Partial<Calendared> = {}): string[] {
  const { nextAfter } = calendar(timing, more);
  const found: string[] = [];
  for (let time = nextAfter(Date.parse(from)); time !== undefined && found.length < count; time = nextAfter(time)) {
    found.push(new Date(time).toISOString().replace('.000Z', 'Z'));
  }
  return found;
}

const cron = (pattern: string): Timing => ({ kind: 'cron', pattern });
const berlin = { timeZone: 'Europe/Berlin' };

function codeOf(work: () => unknown): string {
  try {
    work();
    return 'none';
  } catch (error) {
    return toFailure(error).code;
  }
}

describe('cron', () => {
  it('takes five fields, six with seconds, names and nicknames', () => {
    expect(times(cron('*/20 * * * *'), '2026-11-27T10:00:00Z', 3)).toEqual([
      '2026-11-27T10:20:00Z',
      '2026-11-27T10:40:00Z',
      '2026-11-27T11:00:00Z',
    ]);
    expect(times(cron('30 0 3 * * mon-fri'), '2026-11-27T10:00:00Z', 2)).toEqual([
      '2026-11-30T03:00:30Z',
      '2026-12-01T03:00:30Z',
    ]);
    expect(times(cron('@daily'), '2026-11-27T10:00:00Z', 1, berlin)).toEqual(['2026-11-27T23:00:00Z']);
  });

  it('runs a daily job once when the clock goes forward over its time, right after the gap', () => {
    // 02:00 to 03:00 does not exist on 2026-03-29.
    expect(times(cron('30 2 * * *'), '2026-03-28T12:00:00Z', 2, berlin)).toEqual([
      '2026-03-29T01:00:00Z',
      '2026-03-30T00:30:00Z',
    ]);
  });

  it('runs a daily job once when the clock goes back over its time', () => {
    // 02:30 is twice on 2026-10-25: at 00:30Z and at 01:30Z.
    expect(times(cron('30 2 * * *'), '2026-10-24T12:00:00Z', 2, berlin)).toEqual([
      '2026-10-25T00:30:00Z',
      '2026-10-26T01:30:00Z',
    ]);
  });

  it('runs what is due every half hour every half hour, whatever the clock does', () => {
    for (const from of ['2026-03-28T20:00:00Z', '2026-10-24T20:00:00Z']) {
      const { nextAfter } = calendar(cron('*/30 * * * *'), berlin);
      let time = Date.parse(from);
      for (let i = 0; i < 24; i++) {
        const next = nextAfter(time) ?? 0;
        expect(next - time).toBe(30 * 60_000);
        time = next;
      }
    }
  });

  it('refuses what is no pattern, and time zones that are none', () => {
    for (const pattern of [
      '',
      'a b c d e',
      '61 * * * *',
      '* * * *',
      '2027-01-01T00:00:00',
      '* * * * * * 2027',
      '*;rm * * * *',
    ]) {
      expect([pattern, codeOf(() => calendar(cron(pattern)))]).toEqual([pattern, 'bad-request']);
    }
    expect(codeOf(() => calendar(cron('@daily'), { timeZone: 'Mars/Olympus' }))).toBe('bad-request');
    expect(codeOf(() => calendar({ kind: 'every', every: 10, from: 0 }))).toBe('bad-request');
    expect(codeOf(() => calendar({ kind: 'every', every: Number.NaN, from: 0 }))).toBe('bad-request');
  });
});

describe('every and at', () => {
  it('is due at its start and at each interval after it, over changes of clocks too', () => {
    const timing: Timing = { kind: 'every', every: 7 * 3_600_000, from: Date.parse('2026-10-24T22:00:00Z') };
    expect(times(timing, '2026-10-24T00:00:00Z', 3, berlin)).toEqual([
      '2026-10-24T22:00:00Z',
      '2026-10-25T05:00:00Z',
      '2026-10-25T12:00:00Z',
    ]);
  });

  it('is due once', () => {
    const at: Timing = { kind: 'at', time: Date.parse('2026-12-01T00:00:00Z') };
    expect(times(at, '2026-11-27T10:00:00Z', 3)).toEqual(['2026-12-01T00:00:00Z']);
    expect(times(at, '2026-12-01T00:00:00Z', 3)).toEqual([]);
  });

  it('ends where it shall end', () => {
    const until = Date.parse('2026-11-27T10:40:00Z');
    expect(times(cron('*/20 * * * *'), '2026-11-27T10:00:00Z', 9, { until })).toEqual(['2026-11-27T10:20:00Z']);
  });
});

describe('windows and black-outs', () => {
  it('lets ticks through within windows of local time only', () => {
    const more = { ...berlin, windows: ['mon-fri 09:00-11:00'] };
    expect(times(cron('0 * * * *'), '2026-11-27T07:00:00Z', 4, more)).toEqual([
      '2026-11-27T08:00:00Z',
      '2026-11-27T09:00:00Z',
      '2026-11-30T08:00:00Z',
      '2026-11-30T09:00:00Z',
    ]);
  });

  it('takes windows over midnight, and black-outs out of them', () => {
    const more = { windows: ['fri 22:00-02:00'], blackouts: ['2026-11-28 00:00-01:00'] };
    expect(times(cron('30 * * * *'), '2026-11-27T12:00:00Z', 4, more)).toEqual([
      '2026-11-27T22:30:00Z',
      '2026-11-27T23:30:00Z',
      '2026-11-28T01:30:00Z',
      '2026-12-04T22:30:00Z',
    ]);
  });

  it('finds a day that is a year away at once, also for ticks of every second', () => {
    const more = { windows: ['2027-12-24 10:00-10:01'] };
    expect(times(cron('* * * * * *'), '2026-11-27T12:00:00Z', 1, more)).toEqual(['2027-12-24T10:00:00Z']);
    expect(times({ kind: 'every', every: 1000, from: 0 }, '2026-11-27T12:00:00Z', 1, more)).toEqual([
      '2027-12-24T10:00:00Z',
    ]);
  });

  it('gives up where windows and black-outs leave nothing', () => {
    expect(times(cron('* * * * * *'), '2026-11-27T12:00:00Z', 1, { windows: ['mon'], blackouts: ['mon-sun'] })).toEqual(
      [],
    );
  });

  it('refuses what is no window', () => {
    for (const text of [
      '',
      'noon',
      'mon-',
      'mon-fri-sun',
      '9-17',
      '09:00-09:00',
      '25:00-26:00',
      '10:60-11:00',
      'mon 10:00-11:00 x',
      '2026-02-30',
      '2026-12-02..2026-12-01',
      '10:00-24:01',
    ]) {
      expect([text, codeOf(() => parseWindow(text))]).toEqual([text, 'bad-request']);
    }
  });

  it('says when something may change: until then nothing does', () => {
    const zones = fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'Australia/Lord_Howe');
    const minute = fc.integer({ min: 0, max: 1439 });
    const clock = (m: number) => `${String(Math.floor(m / 60)).padStart(2, '0')}:${String(m % 60).padStart(2, '0')}`;
    const window = fc
      .tuple(fc.constantFrom('', 'mon-fri ', 'sun ', 'sat,tue '), minute, minute)
      .filter(([, a, b]) => a !== b);
    const start = fc.integer({ min: Date.parse('2026-01-01'), max: Date.parse('2027-01-01') });
    fc.assert(
      fc.property(zones, fc.array(window, { minLength: 1, maxLength: 3 }), start, (timeZone, list, from) => {
        const spans = list.map(([days, a, b]) => `${days}${clock(a)}-${clock(b)}`);
        const windows = openWindows(spans.slice(0, 2), spans.slice(2), timeZone);
        const change = windows.nextChange(from);
        expect(change).toBeGreaterThan(from);
        const isOpen = windows.isOpen(from);
        for (let time = from; time < change; time += 60_000) expect(windows.isOpen(time)).toBe(isOpen);
      }),
      { numRuns: 60 },
    );
  });

  it('gives what a look at each minute gives', () => {
    const start = fc.integer({ min: Date.parse('2026-03-20') / 60_000, max: Date.parse('2026-04-05') / 60_000 });
    const more = { ...berlin, windows: ['mon-fri 01:30-03:15', '22:00-00:30'], blackouts: ['wed', '2026-04-01'] };
    const { nextAfter } = calendar(cron('*/5 * * * *'), more);
    const windows = openWindows(more.windows, more.blackouts, more.timeZone);
    fc.assert(
      fc.property(start, (minute) => {
        let time = minute * 60_000 + 1;
        do time = Math.floor(time / 300_000 + 1) * 300_000;
        while (!windows.isOpen(time));
        expect(nextAfter(minute * 60_000 + 1)).toBe(time);
      }),
      { numRuns: 60 },
    );
  });
});
