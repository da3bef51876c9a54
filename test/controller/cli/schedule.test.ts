// `perftrawl schedule` and the options of jobs that a server's queue knows.
import { beforeEach, describe, expect, it } from 'vitest';
import { FakeApp, run } from './fake-app.js';

let app: FakeApp;
beforeEach(() => {
  app = new FakeApp();
});

const add = (...args: readonly string[]) => run(['schedule', 'add', 'nightly', ...args], { app });
const record = ['--', 'record', '-e', 'page-faults', '-c', '1', '--on', 'role=web', '--for', '30s'];

describe('schedule add', () => {
  it('takes the capture from the command line after --, and asks for nothing else', async () => {
    const { code, stdout, stderr } = await add(
      '--cron',
      '0 3 * * *',
      '--tz',
      'Europe/Berlin',
      '--keep-for',
      '30d',
      ...record,
    );
    expect([code, stderr]).toEqual([0, 'a server of this store runs it: perftrawl serve\n']);
    expect(stdout).toBe(
      'added schedule nightly\n2023-11-14 23:20:00 +01:00  2023-11-14T22:20:00Z\n2023-11-15 23:20:00 +01:00  2023-11-15T22:20:00Z\n',
    );
    expect(app.submitted).toBeUndefined();
    expect(app.schedule?.definition).toMatchObject({
      ...{ name: 'nightly', timing: { kind: 'cron', pattern: '0 3 * * *' }, timeZone: 'Europe/Berlin' },
      ...{ windows: [], blackouts: [], jitter: 0, overlap: 'skip', missed: 'skip', tolerance: 60_000 },
      retention: { age: 30 * 86_400_000 },
      job: { spec: { kind: 'record', events: [{ name: 'page-faults' }], duration: 30_000 }, selectorText: 'role=web' },
    });
    expect(Object.keys(app.schedule?.definition.job ?? {})).not.toContain('hosts');
  });

  it('takes all that a schedule may have', async () => {
    const { code } = await add(
      ...[
        '--every',
        '5m',
        '--tz',
        'UTC',
        '--window',
        'mon-fri 08:00-18:00',
        '--window',
        'sat',
        '--blackout',
        '2026-12-24',
      ],
      ...['--jitter', '30s', '--overlap', 'queue', '--missed', 'once', '--tolerance', '10s', '--until', '2030-01-01'],
      ...['--keep', '100', '--keep-bytes', '2G', '--hours-after', '1d', '--days-after', '7d'],
      ...['--', 'stat', '-e', 'page-faults', '--sample', '50%', '--stratify', 'role', '--spread', '2m', '-l', 'a=b'],
      ...['--team', 'db', '--priority', 'low'],
    );
    expect(code).toBe(0);
    expect(app.schedule?.definition).toMatchObject({
      timing: { kind: 'every', every: 300_000 },
      ...{ windows: ['mon-fri 08:00-18:00', 'sat'], blackouts: ['2026-12-24'], jitter: 30_000, overlap: 'queue' },
      ...{ missed: 'once', tolerance: 10_000, until: Date.UTC(2030, 0, 1) },
      retention: { count: 100, bytes: 2 * 1024 ** 3, hoursAfter: 86_400_000, daysAfter: 7 * 86_400_000 },
      job: {
        ...{ spread: 120_000, labels: { a: 'b' }, team: 'db', priority: 'low' },
        sample: { size: { kind: 'percent', percent: 50 }, stratify: 'role' },
      },
    });
  });

  it('reads a moment on the clocks of the time zone, also where they were just set', async () => {
    const at = async (text: string, zone: string) => {
      await add('--at', text, '--tz', zone, ...record);
      const timing = app.schedule?.definition.timing;
      return timing?.kind === 'at' ? new Date(timing.time).toISOString() : '';
    };
    expect(await at('2026-12-01T03:00', 'Europe/Berlin')).toBe('2026-12-01T02:00:00.000Z');
    expect(await at('2026-10-25T03:00', 'Europe/Berlin')).toBe('2026-10-25T02:00:00.000Z');
    expect(await at('2026-03-29T03:00', 'Europe/Berlin')).toBe('2026-03-29T01:00:00.000Z');
    expect(await at('2026-12-01T03:00-05:00', 'Europe/Berlin')).toBe('2026-12-01T08:00:00.000Z');
    expect(await at('2026-12-01', 'America/New_York')).toBe('2026-12-01T05:00:00.000Z');
  });

  it('takes alerts with the label that names the host', async () => {
    await add('--on-alert', 'alertname=HighFaults', '--on-alert', 'job=node', '--cool-down', '1h', ...record);
    expect(app.schedule?.definition.timing).toEqual({
      ...{ kind: 'alert', match: { alertname: 'HighFaults', job: 'node' }, hostLabel: 'instance', coolDown: 3_600_000 },
    });
  });

  it.each([
    [['--cron', '@daily', '--every', '5m', ...record], 'give one of --cron, --every, --at and --on-alert'],
    [record, 'give one of --cron'],
    [['--every', '5m', '--cool-down', '5m', ...record], 'belong to --on-alert'],
    [['--every', '5m', '--', 'jobs', 'ls'], "'jobs' asks for no job"],
    [['--every', '5m', '--', 'nonsense'], 'unknown command'],
    [['--every', '5m', '--', 'record', '--for', 'long'], '--for'],
    [['--every', '5m', '--', 'record', '-H', 'db1,db2'], '-H: hosts of a schedule are chosen anew'],
    [
      ['--every', '5m', '--', 'schedule', 'add', 'x', '--every', '1m', '--', 'record'],
      'a schedule cannot ask for a schedule',
    ],
    [['--at', 'tomorrow', ...record], "'tomorrow' is no moment"],
    [['--at', '2026-12-01', '--tz', 'Mars/Olympus', ...record], 'no time zone'],
    [['--every', '5m', '--keep-bytes', 'much', ...record], 'is no size'],
    [['--every', '5m', '--overlap', 'maybe', ...record], '--overlap'],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await add(...args);
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
    expect([app.schedule, app.submitted]).toEqual([undefined, undefined]);
  });
});

describe('schedules', () => {
  beforeEach(async () => {
    await add('--cron', '0 3 * * *', '--tz', 'Europe/Berlin', ...record);
    const tick = { schedule: 'nightly', count: 1, reason: '', jobId: '', decided: 0 };
    app.ticks = [
      { ...tick, due: 1_700_000_000_000, last: 1_700_000_000_000, state: 'fired', jobId: 'job1' },
      { ...tick, due: 1_699_000_000_000, last: 1_699_900_000_000, count: 12, state: 'missed', reason: 'no server' },
    ];
  });

  it('are listed with their next time', async () => {
    const { stdout } = await run(['schedule'], { app });
    expect(stdout).toMatch(/nightly +active +2023-11-14 23:20:00 \+01:00 +0 3 \* \* \* +role=web +record page-faults/);
  });

  it('are shown with what becomes of their ticks', async () => {
    const { stdout } = await run(['schedule', 'show', 'nightly'], { app });
    expect(stdout).toContain('schedule nightly is active\n  when      0 3 * * *, Europe/Berlin\n');
    const history = (await run(['schedule', 'history', 'nightly'], { app })).stdout;
    expect(history).toMatch(/2023-11-14 23:13:20 \+01:00 +1 +fired +job1/);
    expect(history).toMatch(/2023-11-03 09:26:40 \+01:00 to 2023-11-13 19:26:40 \+01:00 +12 +missed +no server/);
  });

  it('say when they are due next', async () => {
    const { stdout } = await run(['schedule', 'next', 'nightly', '1'], { app });
    expect(stdout).toBe('2023-11-14 23:20:00 +01:00  2023-11-14T22:20:00Z\n');
    expect(JSON.parse((await run(['--json', 'schedule', 'next', 'nightly'], { app })).stdout)).toEqual({
      times: [1_700_000_400_000, 1_700_086_800_000],
    });
  });

  it('are run at once, and removed once each', async () => {
    app.calls.length = 0;
    expect((await run(['schedule', 'run-now', 'nightly'], { app })).code).toBe(0);
    expect((await run(['schedule', 'rm', 'nightly', 'nightly'], { app })).code).toBe(0);
    expect(app.calls.map((call) => call.replace(/ for .*/, ''))).toEqual([
      ...['run schedule nightly', 'resume job1', 'remove schedule nightly'],
    ]);
  });

  it('that are not there end with 4', async () => {
    app.schedule = undefined;
    for (const verb of ['show', 'next', 'history', 'rm']) {
      expect([verb, (await run(['schedule', verb, 'none'], { app })).code]).toEqual([verb, 4]);
    }
  });
});

describe('a job of a team', () => {
  it('is asked for with its team, priority and labels, and not waited for', async () => {
    const args = ['record', '--team', 'db', '--priority', 'high', '-l', 'a=b=c', '--detach'];
    const { code, stdout, stderr } = await run(['--server', 'https://there:7450', ...args], { app });
    expect([code, stdout, stderr]).toEqual([0, 'job1\n', '']);
    expect(app.submitted).toMatchObject({ team: 'db', priority: 'high', labels: { a: 'b=c' } });
    expect(app.calls).not.toContain('run job1');
  });

  it.each([
    [['--team', '../x'], "--team: '../x' is no name"],
    [['--priority', 'urgent'], '--priority'],
    [['-l', 'nolabel'], "--label: 'nolabel' is no KEY=VALUE"],
    [['--spread', 'wide'], '--spread'],
    [['--detach'], '--detach: without a server nobody runs the job'],
  ])('refuses %j', async (args, message) => {
    expect(await run(['record', ...args], { app })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(message),
    });
  });

  it('has a quota that is listed and set', async () => {
    expect((await run(['teams'], { app })).stdout).toMatch(/db +2 +any +500/);
    await run(['teams', 'set', 'web', '--weight', '0.5', '--most-jobs', '3'], { app });
    expect(app.calls).toEqual(['team {"name":"web","weight":0.5,"mostJobs":3,"mostHosts":0}']);
    expect((await run(['teams', 'set', 'web', '--weight', '0'], { app })).code).toBe(2);
  });
});
