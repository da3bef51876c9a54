// `watch` and `trigger`: from the command line to the request, and what a person sees of firings.
import { beforeEach, describe, expect, it } from 'vitest';
import type { TakenFiring } from '../../../controller/api.js';
import { parseCondition } from '../../../proto/watch-condition.js';
import { WATCH } from '../specs.js';
import { FakeApp, jobOf, run, runOf, WEB1, WEB2 } from './fake-app.js';

let app: FakeApp;
beforeEach(() => {
  app = new FakeApp();
});

const held: TakenFiring = {
  ...{ number: 1, time: 1_700_000_000_000, capture: { ok: true, captureId: 'job1.web1.t1' }, jobId: 'job1' },
  lookBackJobId: 'job1b',
  cause: {
    kind: 'held',
    condition: parseCondition('page-faults/s > 5000'),
    observed: [6123.4, 7002, 12.345].map((value) => ({ time: 1, interval: 1000, values: [value] })),
  },
};
const refused: TakenFiring = {
  ...{ number: 2, time: 1_700_000_100_000, cause: { kind: 'asked', who: 'eve\u001b[2J', reason: 'pager' } },
  capture: { ok: false, failure: { code: 'refused', message: 'this host is busy', remedy: 'wait' } },
};

describe('watch asks for', () => {
  it('what the conditions need, and records a clock at a low rate', async () => {
    const line = ['watch', '--when', 'page-faults/s > 5k and cs > 1', '--when', 'major-faults/page-faults > 10%'];
    const { code } = await run([...line, '--also', 'task-clock,cs'], { app });
    expect(code).toBe(0);
    expect(app.submitted).toMatchObject({
      spec: {
        ...{ kind: 'watch', target: { kind: 'system' }, duration: 3_600_000, interval: 1000, holds: 3 },
        ...{ coolDown: 600_000, most: 5, lookBack: 0 },
        events: [{ name: 'page-faults' }, { name: 'cs' }, { name: 'major-faults' }, { name: 'task-clock' }],
        conditions: [
          parseCondition('page-faults/s > 5000 and cs > 1'),
          parseCondition('major-faults / page-faults > 0.1'),
        ],
        record: {
          duration: 30_000,
          events: [{ name: 'cpu-clock' }],
          rate: { frequency: 99 },
          callGraph: { mode: 'fp' },
        },
      },
      maxParallel: 1000,
    });
  });

  it('everything that can be said', async () => {
    const line =
      'watch --when page-faults>9 --holds 2 --every 500 --for 8h --cool-down 1m --most 2 -e page-faults -c 1 --record-for 5s --look-back 30s --comm db --on name=web1 --budget 2% --keep-raw';
    await run(line.split(' '), { app });
    expect(app.submitted).toMatchObject({
      spec: {
        ...{
          duration: 28_800_000,
          interval: 500,
          holds: 2,
          coolDown: 60_000,
          most: 2,
          budget: { cpuPercent: 2 },
          lookBack: 30_000,
        },
        target: { kind: 'processes', selector: { comms: ['db'] } },
        record: { duration: 5000, events: [{ name: 'page-faults' }], rate: { period: 1 }, keepRaw: true },
      },
      hosts: [{ name: 'web1' }],
    });
  });

  it('nothing to be counted where it only waits to be triggered', async () => {
    await run(['watch', '--for', '8h'], { app });
    expect(app.submitted?.spec).toMatchObject({ events: [], conditions: [] });
  });

  it.each([
    ['a condition that is none', ['--when', 'page-faults'], /--when: .* does not compare.*page-faults\/s > 5000/],
    ['intervals that do not fit', ['--for', '2s', '--holds', '3'], /--holds: 3 intervals/],
    ['no time to cool down', ['--cool-down', '10ms'], /--cool-down: give 1s or more/],
    ['no firing', ['--most', '0'], /--most/],
    ['a look back for hours', ['--look-back', '1h'], /--look-back: give from 1s to 10m/],
    [
      'a look back that no ring holds',
      ['--look-back', '9s', '--call-graph', 'dwarf'],
      /no ring holds stacks of .* dwarf/,
    ],
  ])('but not %s', async (_what, words, message) => {
    const { code, stderr } = await run(['watch', ...words], { app });
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});

describe('a dry run', () => {
  const problem = { code: 'permission', message: 'perf may not', remedy: 'be root', isFatal: true };

  it('tells what would run and what is in its way, and starts nothing', async () => {
    app.preflights = [
      { host: WEB1, ok: true, value: { problems: [], commandLines: ['perf stat -x', 'perf record'], processes: [] } },
      { host: WEB2, ok: true, value: { problems: [problem], commandLines: [], processes: [] } },
    ];
    const { code, stdout } = await run(['watch', '--when', 'page-faults > 9', '--dry-run'], { app });
    expect(code).toBe(3);
    expect(stdout).toMatch(/watch for page-faults > 9 for 3 intervals of 1\.0 s, record cpu-clock/);
    expect(stdout).toMatch(/web1\n {2}perf stat -x\n {2}perf record\n.*web2\n.*perf may not \(be root\)/s);
    expect(app.submitted).toBeUndefined();
    const json = await run(['watch', '--dry-run', '--json'], { app });
    expect(JSON.parse(json.stdout).preflights).toHaveLength(2);
  });
});

describe('firings', () => {
  beforeEach(() => {
    app.known = jobOf('succeeded', WATCH);
    app.runs = [runOf('web1', { firings: [held, refused] }), runOf('web2')];
  });

  it('are told while the job runs, each once', async () => {
    app.during = async ({ onEvent }) => {
      onEvent({ kind: 'host-run', run: runOf('web1', { state: 'running', firings: [held] }) });
      onEvent({ kind: 'host-run', run: runOf('web1', { state: 'running', firings: [held] }) });
      onEvent({ kind: 'host-run', run: runOf('web1', { state: 'running', firings: [held, refused] }) });
    };
    const { stderr } = await run(['watch', '--when', 'page-faults/s > 5000'], { app });
    const lines = stderr.split('\n').filter((line) => line.includes('firing '));
    expect(lines).toEqual([
      'web1: firing 1: page-faults/s > 5000 for 3 intervals (6123, 7002, 12.35): job job1 has it, job job1b the time before',
      expect.stringMatching(/^web1: firing 2: eve.*asked: pager: this host is busy \(wait\)$/),
    ]);
    expect(stderr).not.toContain('\u001b');
  });

  it('are shown with their causes and jobs', async () => {
    const { stdout } = await run(['jobs', 'show', 'last'], { app });
    expect(stdout).toMatch(
      /web1 firing 1, .*: page-faults\/s > 5000 for 3 intervals \(6123, 7002, 12\.35\)\n {2}recorded by job job1 \(succeeded\)\n {2}the time before is in job job1b/,
    );
    expect(stdout).toMatch(/web1 firing 2, .*: eve.* asked: pager\n {2}nothing recorded: this host is busy \(wait\)/);
    expect(stdout).toContain('look at one: perftrawl show job1');
    expect(stdout).not.toContain('\u001b[2J');
    const { firings } = JSON.parse((await run(['jobs', 'show', 'last', '--json'], { app })).stdout);
    expect(firings).toMatchObject([{ host: 'web1', number: 1, jobId: 'job1', jobState: 'succeeded' }, { number: 2 }]);
  });

  it('that there were none of are told as well', async () => {
    app.runs = [runOf('web1'), runOf('web2')];
    expect((await run(['jobs', 'show', 'last'], { app })).stdout).toContain('it has not fired');
  });
});

describe('trigger', () => {
  beforeEach(() => {
    app.known = jobOf('running', WATCH);
    app.triggered = [
      { host: WEB1, ok: true, value: held },
      { host: WEB2, ok: false, failure: { code: 'refused', message: 'it cools down', remedy: 'ask again in 9 s' } },
    ];
  });

  it('asks all hosts, or those that match, and says what came of it', async () => {
    const { code, stdout } = await run(['trigger', 'last', '--because', 'it is slow'], { app });
    expect(code).toBe(3);
    expect(stdout).toContain('web1: records, firing 1\nweb2: it cools down (ask again in 9 s)\n');
    await run(['trigger', 'last', '--on', 'name=web2', '--because', 'x'], { app });
    expect(app.calls).toEqual(['trigger job1 on [] for me: it is slow', 'trigger job1 on [web2] for me: x']);
  });

  it('ends as the failure of all of them does', async () => {
    app.triggered = app.triggered.slice(1);
    expect((await run(['trigger', 'last', '--because', 'x'], { app })).code).toBe(7);
    app.triggered = [{ host: WEB1, ok: true, value: refused }];
    expect((await run(['trigger', 'last', '--because', 'x'], { app })).code).toBe(7);
    app.triggered = [{ host: WEB1, ok: true, value: held }];
    expect((await run(['trigger', 'last', '--because', 'x', '--json'], { app })).code).toBe(0);
  });

  it('needs a reason, and hosts of the job', async () => {
    expect((await run(['trigger', 'last'], { app })).code).toBe(2);
    const { code, stderr } = await run(['trigger', 'last', '--on', 'name=db1', '--because', 'x'], { app });
    expect(code).toBe(2);
    expect(stderr).toContain("no host of job job1 matches 'name=db1'");
  });
});
