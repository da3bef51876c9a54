// `perftrawl audit`: what it asks for, what it shows, and how it ends when somebody changed a log.
import { beforeEach, describe, expect, it } from 'vitest';
import type { WrittenEntry } from '../../../controller/audit/audit-entry.js';
import { type ChainedLine, chainLine, EMPTY_CHAIN, parseLine } from '../../../proto/audit-chain.js';
import { FakeApp, run, WEB1, WEB2 } from './fake-app.js';

const NOW = 1_700_000_000_000;
const whole = { lines: 7, end: { sequence: 7, hash: 'cd'.repeat(32) }, problems: [] };
let app: FakeApp;

beforeEach(() => {
  app = new FakeApp();
});

function agentEntry(time: number, event: object): ChainedLine {
  const entry = parseLine(chainLine(EMPTY_CHAIN, time, event).line);
  return entry ?? expect.fail('this is no entry');
}

describe('perftrawl audit', () => {
  it('shows who asked for what, on which hosts, and what it cost', async () => {
    const cost = { toolCpu: 300, agentCpu: 150, peakMemoryBytes: 1, recordedBytes: 1, spooledBytes: 12_345, wall: 1 };
    const same = { time: NOW, who: 'alice@ws', jobId: 'j1' } as const;
    const entries: WrittenEntry[] = [
      { ...same, sequence: 1, what: 'submit-job', hosts: ['a', 'b', 'c', 'd'], detail: { spec: { kind: 'record' } } },
      { ...same, sequence: 2, what: 'host-run-ended', hosts: ['a'], detail: { state: 'succeeded', cost } },
      {
        ...{ ...same, sequence: 3, what: 'host-run-ended', hosts: ['b'] },
        failure: { code: 'unreachable', message: 'no\u001b[31m answer', remedy: '' },
      },
      { time: NOW, sequence: 4, who: 'bob', by: 'token', from: '10.0.0.9:4711', what: 'add-user', subject: 'eve' },
    ];
    app.auditEntries = entries;
    const { code, stdout } = await run(['audit'], { app });
    expect(code).toBe(0);
    expect(stdout).toMatch(/2023-11-14 22:13:20 +alice@ws +submit-job +j1 +a b and 2 more +record/);
    expect(stdout).toMatch(/host-run-ended +j1 +a +succeeded, 450 ms CPU, 12,345 bytes/);
    expect(stdout).toMatch(/host-run-ended +j1 +b +unreachable: no.* answer/);
    expect(stdout).not.toContain('\u001b');
    expect(stdout).toMatch(/bob +add-user +- +- +eve, known by token, from 10\.0\.0\.9:4711/);
    const json = await run(['audit', '--json'], { app });
    expect(JSON.parse(json.stdout)).toEqual({ entries: JSON.parse(JSON.stringify(entries)) });
  });

  it('asks for what was asked for', async () => {
    await run(['audit', '--since', '2h', '--who', 'al*', '--job', 'last', '--host', 'web1', '--limit', '5'], { app });
    await run(['audit', 'ls', '--job', 'deleted1'], { app });
    expect(app.calls).toEqual([
      `audit ${JSON.stringify({ since: NOW - 7_200_000, jobId: 'job1', limit: 5, who: 'al*', host: 'web1' })}`,
      `audit ${JSON.stringify({ since: 0, jobId: 'deleted1', limit: 200, who: '', host: '' })}`,
    ]);
    expect((await run(['audit', '--limit', '0'], { app })).code).toBe(2);
    expect((await run(['audit', '--since', 'yesterday'], { app })).code).toBe(2);
  });

  it('merges what the hosts wrote down, by time', async () => {
    const asked = { event: 'asked', captureId: 'j1.web1', requester: 'alice@ws', approvers: ['bob@ws'] };
    const failure = { code: 'refused', message: 'policy', remedy: '' };
    app.hostEntries = [
      {
        ...{ host: WEB1, ok: true },
        value: [
          agentEntry(NOW, { ...asked, decision: 'started', spec: { kind: 'stat' } }),
          agentEntry(NOW + 9_000, {
            event: 'ended',
            captureId: 'j1.web1',
            outcome: 'complete',
            commandLines: ['perf stat'],
          }),
        ],
      },
      { host: WEB2, ok: true, value: [agentEntry(NOW + 5_000, { ...asked, decision: 'refused', failure })] },
    ];
    const { code, stdout } = await run(['audit', 'hosts', '--on', '', '--job', 'job1'], { app });
    expect(code).toBe(0);
    const [, first, second, third] = stdout.split('\n');
    expect(first).toMatch(/alice@ws +asked started +j1 +web1 +approved by bob@ws, stat/);
    expect(second).toMatch(/asked refused +j1 +web2 +refused: policy, approved by bob@ws/);
    expect(third).toMatch(/- +ended complete +j1 +web1 +perf stat/);
    expect(app.calls).toEqual([`audit of web1 web2 ${JSON.stringify({ since: 0, jobId: 'job1', limit: 200 })}`]);
  });

  it('says that nothing was changed, and where the logs end', async () => {
    app.hostReports = [{ host: WEB1, ok: true, value: whole }];
    const own = await run(['audit', 'verify'], { app });
    expect(own).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(
        /^this controller: 2 entries, none was changed; the last is 2, SHA-256 (ab){32}\n$/,
      ),
    });
    const all = await run(['audit', 'verify', '--on', 'name=web1'], { app });
    expect(all.stdout).toMatch(/web1: 7 entries, none was changed; the last is 7, SHA-256 (cd){32}\n/);
  });

  it('names what was changed, and ends with 6; a host that does not answer is named too', async () => {
    app.hostReports = [
      { host: WEB1, ok: true, value: { ...whole, problems: ['line 3: entry 2 was changed', 'line 4: more'] } },
      { host: WEB2, ok: false, failure: { code: 'unreachable', message: 'no answer', remedy: '' } },
    ];
    const { code, stdout, stderr } = await run(['audit', 'verify', '--on', 'name=web*'], { app: withAll(app) });
    expect(code).toBe(6);
    expect(stdout).toContain('web1: CHANGED: line 3: entry 2 was changed\n  line 4: more\n');
    expect(stderr).toContain('web2: no answer');
    app.hostReports = [app.hostReports[1]];
    expect((await run(['audit', 'verify', '--on', 'name=web*'], { app })).code).toBe(5);
    app.auditReport = { ...whole, problems: ['row 3 holds entry 4'] };
    const own = await run(['audit', 'verify', '--json'], { app });
    expect(own.code).toBe(6);
    expect(JSON.parse(own.stdout)).toEqual({ controller: { ...whole, problems: ['row 3 holds entry 4'] } });
  });
});

/** Its selectors know names only. */
function withAll(fake: FakeApp): FakeApp {
  fake.hosts = () => [WEB1, WEB2];
  return fake;
}
