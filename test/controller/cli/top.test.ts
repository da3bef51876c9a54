// `perftrawl top`: what it asks for, and how the answer is shown.
import { beforeEach, describe, expect, it } from 'vitest';
import type { TopRow } from '../../../controller/store/top-query.js';
import { FakeApp, run } from './fake-app.js';

let app: FakeApp;
const DAY = 86_400_000;
const NOW = 1_700_000_000_000;

function row(name: string, object: string, self: number, total: number): TopRow {
  const amount = (weight: number) => ({ samples: weight / 10, weight });
  return { name, object, self: amount(self), total: amount(total), selfShare: self / 1000, totalShare: total / 1000 };
}

beforeEach(() => {
  app = new FakeApp();
  const rows = [row('touch', 'app', 700, 700), row('\u001b[31mevil', 'libc.so.6', 200, 900)];
  app.topAnswer = {
    ...app.topAnswer,
    groups: [{ group: '', captures: 3, hosts: 2, samples: 100, weight: 1000, rowCount: 5, rows }],
    ...{ captures: 3, jobs: 2, hosts: 2, samples: 100, weight: 1000, recorded: 90_000 },
    ...{ firstJob: NOW - 2 * DAY, lastJob: NOW - DAY },
    sampling: [
      { rate: 'at 99 Hz', captures: 2 },
      { rate: 'every event', captures: 1 },
    ],
    losses: [{ kind: 'lost-events', count: 12, detail: '' }],
    leftOut: [
      { reason: 'other-event', detail: 'cpu-clock', captures: 4 },
      { reason: 'failed', detail: 'unreachable', captures: 1 },
    ],
  };
});

const top = (...argv: string[]) => run(['top', ...argv], { app });

describe('top', () => {
  it('says what it covers, what it does not, and what weighs most', async () => {
    const { code, stdout, stderr } = await top();
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toBe(`page-faults: 1,000, in 100 samples
3 captures of 2 jobs on 2 hosts, 1 min 30 s recorded together; jobs of 2023-11-12 22:13:20 to 2023-11-13 22:13:20 UTC
sampled at 99 Hz (2 captures), every event (1 capture); weights add up, whatever the rates and durations
left out: 4 captures that counted cpu-clock (--event chooses)
left out: 1 capture that failed: unreachable
lost: 12 events lost

SELF%  SELF  SAMPLES  TOTAL%  TOTAL  FUNCTION   OBJECT
70.0%   700       70   70.0%    700  touch      app
20.0%   200       20   90.0%    900  ␛[31mevil  libc.so.6
… and 3 more; --limit 5 shows them all
`);
  });

  it('asks for hosts, a span, an event and groups', async () => {
    await top(
      ...['--on', 'role=db', '--since', '7d', '--until', '1d', '--event', 'cpu-clock', '--by', 'comm'],
      ...['--group-by', 'region', '--each-host-equal', '--limit', '3'],
    );
    expect(app.topQuestion).toEqual({
      ...{ selectorText: 'role=db', since: NOW - 7 * DAY, until: NOW - DAY, event: 'cpu-clock', by: 'comm' },
      ...{ groupBy: 'region', eachHostEqual: true, limit: 3 },
    });
    await top();
    expect(app.topQuestion).toEqual({
      ...{ selectorText: '', since: 0, until: Number.MAX_SAFE_INTEGER, by: 'self', eachHostEqual: false, limit: 25 },
    });
  });

  it('names each group, also that of hosts without the label', async () => {
    const [group] = app.topAnswer.groups;
    app.topAnswer = { ...app.topAnswer, groups: [{ ...group, group: 'db', captures: 1 }, group] };
    const { stdout } = await top('--group-by', 'role', '--by', 'comm', '--each-host-equal');
    expect(stdout).toContain(
      'role=db  page-faults: 1,000, in 100 samples; 1 capture of 2 hosts\nSELF%  SELF  SAMPLES  PROCESS\n',
    );
    expect(stdout).toContain('without role  page-faults');
    expect(stdout).toContain('shares are the mean of those of each host');
  });

  it('is a table for machines too', async () => {
    expect((await top('--format', 'csv')).stdout).toBe(
      `group,name,object,event,unit,self_samples,self_weight,self_share,total_samples,total_weight,total_share
,touch,app,page-faults,count,70,700,0.7,70,700,0.7
,\u001b[31mevil,libc.so.6,page-faults,count,20,200,0.2,90,900,0.9
`,
    );
    const json = JSON.parse((await top('--json')).stdout);
    expect(json).toMatchObject({
      question: { by: 'self' },
      event: 'page-faults',
      weight: 1000,
      groups: [{ rowCount: 5 }],
    });
  });

  it('says how far it is where somebody looks', async () => {
    const { stderr } = await run(['top'], { app, isTty: true });
    expect(stderr).toBe('\r\u001b[Kreading 0 of 12 captures\r\u001b[K');
  });

  it('says when nothing matches, and what is wrong with a question', async () => {
    app.topAnswer = new FakeApp().topAnswer;
    expect(await top('--on', 'role=none')).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('no capture matches'),
    });
    expect((await top('--since', '1d', '--until', '7d')).stderr).toContain('--until: 7d ago is before 1d ago');
    expect((await top('--since', 'yesterday')).code).toBe(2);
    expect((await top('--by', 'magic')).stderr).toContain('self, total, comm, dso');
    expect((await top('--json', '--format', 'csv')).code).toBe(2);
  });
});
