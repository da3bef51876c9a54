// A common start over real gRPC and mTLS: agents whose clocks are minutes apart are told one moment, each in its own time.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { App, HostRun, JobRequest, SyncStart } from '../../controller/api.js';
import { createApp } from '../../controller/app.js';
import { commonStarts } from '../../controller/jobs/agreed-start.js';
import { fail } from '../../proto/failure.js';
import { drawProfile } from '../profile/draw-profile.js';
import { FakeAgent, type FakeCapture, profileLog } from './fake-agent.js';
import { RECORD, SPECS } from './specs.js';
import { type TlsFleet, tlsFleet } from './tls-fleet.js';

let fleet: TlsFleet;
let app: App;
let agents: FakeAgent[];
const quiet = () => ({ signal: new AbortController().signal, onEvent: () => undefined });

beforeEach(async () => {
  fleet = await tlsFleet();
  agents = [];
});
afterEach(async () => {
  await app.close();
  await fleet.close();
});

/** What such an agent was told, if it was. */
const told = (agent: FakeAgent) => agent.requests.map(({ startAt }) => startAt);

/** Starts so many milliseconds after it was to. */
const startsLate =
  (late: number) =>
  async ({ request: { startAt }, emit }: FakeCapture): Promise<void> => {
    const [running, ...rest] = profileLog(drawProfile('main 1'));
    if (running?.kind !== 'state' || startAt === undefined) throw new Error('it was to be told when to start');
    emit({ kind: 'state', state: 'armed', detail: '' }, { ...running, start: { time: startAt + late, late } }, ...rest);
  };

async function withAgents(offsets: readonly number[], late: readonly number[] = offsets.map(() => 0)) {
  agents = offsets.map((offset, i) => {
    const agent = new FakeAgent(startsLate(late[i] ?? 0));
    agent.clockOffset = offset;
    return agent;
  });
  await open();
}

async function open(): Promise<void> {
  const served = await Promise.all(agents.map((agent, i) => fleet.serve(`h${i}`, agent)));
  await fleet.writeInventory(served);
  app = await createApp({
    dataDir: `${fleet.directory}/data`,
    configDir: fleet.directory,
    agentCommand: ['/nonexistent'],
  });
}

function request(sync: SyncStart, change: Partial<JobRequest> = {}): JobRequest {
  const same = { spec: RECORD, hosts: app.hosts(''), selectorText: '', requester: 'test', note: '' };
  return { ...same, maxParallel: 1, grace: 30_000, sync, ...change };
}

async function ran(wanted: JobRequest) {
  const { id } = await app.submit(wanted);
  const job = await app.run(id, quiet());
  return { job, runs: await app.hostRuns(id) };
}

const agreedOf = ({ start }: HostRun) => {
  if (start?.kind !== 'agreed') throw new Error(`nothing was agreed: ${JSON.stringify(start)}`);
  return start;
};

describe('a common start', () => {
  it('is one moment, told to each host in the time of its own clock', async () => {
    const offsets = [0, -90_000, 7 * 60_000];
    await withAgents(offsets, [5, 5, 5]);
    const { job, runs } = await ran(request({ lead: 3000 }));
    expect(job.state).toBe('succeeded');
    expect(new Set(runs.map((run) => agreedOf(run).moment)).size).toBe(1);
    for (const [i, run] of runs.entries()) {
      const { moment, clockUncertainty } = agreedOf(run);
      const [startAt = 0] = told(agents[i]);
      expect(Math.abs(startAt - offsets[i] - moment)).toBeLessThanOrEqual(clockUncertainty);
    }
  });

  it('shows how close they really began, to within what it says', async () => {
    const late = [0, 40, 250];
    await withAgents([-90_000, 0, 7 * 60_000], late);
    const { runs } = await ran(request({ lead: 3000 }));
    const [together, ...more] = commonStarts(runs);
    expect(more).toEqual([]);
    expect(together).toMatchObject({ hosts: 3, apart: [], last: { host: 'h2' } });
    // The agents begin by their own clocks at what they were told, which is right to the uncertainty of each.
    const { spread = 0, uncertainty = 0 } = together ?? {};
    const slack = runs.map((run) => agreedOf(run).clockUncertainty).reduce((a, b) => a + b, 0);
    expect(Math.abs(spread - 250)).toBeLessThanOrEqual(uncertainty + slack);
  });

  it('is agreed on anew by each wave', async () => {
    await withAgents([0, 0, 0]);
    const rollout = { canary: { kind: 'hosts', hosts: 1 }, waves: [], settle: 0 } as const;
    const { runs } = await ran(request({ lead: 1000 }, { rollout }));
    const [canary, b, c] = runs.map((run) => agreedOf(run).moment);
    expect(b).toBe(c);
    expect(b).toBeGreaterThan(canary ?? 0);
    expect(commonStarts(runs).map(({ hosts }) => hosts)).toEqual([1, 2]);
  });

  it('does not wait for a host that cannot be reached', async () => {
    await withAgents([0, 0]);
    const hosts = app.hosts('');
    const gone = { name: 'gone', labels: {}, address: { transport: 'tls', host: '127.0.0.1', port: 9 } } as const;
    const { job, runs } = await ran(request({ lead: 1000 }, { hosts: [...hosts, gone] }));
    expect(job.state).toBe('partial');
    expect(runs.map(({ state }) => state)).toEqual(['succeeded', 'succeeded', 'failed']);
    expect(commonStarts(runs)).toMatchObject([{ hosts: 2, apart: [] }]);
  });

  it('is not that of an agent whose clock cannot be asked, or that does not wait, and says so', async () => {
    const works = async ({ emit }: FakeCapture) => emit(...profileLog(drawProfile('main 1')));
    agents = [new FakeAgent(startsLate(0)), new FakeAgent(works), new FakeAgent(works)];
    agents[1].readHealth = () => Promise.reject(fail('internal', 'the server does not implement ReadHealth'));
    await open();
    const { job, runs } = await ran(request({ lead: 1000 }));
    expect(job.state).toBe('succeeded');
    expect(told(agents[1])).toEqual([undefined]);
    expect(runs[1].start).toMatchObject({ kind: 'alone', why: expect.stringContaining('ReadHealth') });
    expect(commonStarts(runs)).toMatchObject([
      { hosts: 1, apart: [{ host: 'h2', why: 'it did not wait: its agent is older than that' }] },
    ]);
  });

  it('is not counted where the clock was moved while the host waited', async () => {
    await withAgents([0, 0]);
    agents[1] = new FakeAgent(async (capture) => {
      agents[1].clockOffset = 3_600_000;
      await startsLate(0)(capture);
    });
    await app.close();
    await open();
    const { runs } = await ran(request({ lead: 1000 }));
    expect(commonStarts(runs)).toMatchObject([
      { hosts: 1, apart: [{ host: 'h1', why: 'its clock was moved while it waited' }] },
    ]);
  });

  it('is called off by a stop while hosts still wait for each other', async () => {
    await withAgents([0, 0]);
    let onAsked: () => void = () => undefined;
    const asked = new Promise<void>((resolve) => {
      onAsked = resolve;
    });
    agents[1].readHealth = async () => {
      onAsked();
      return new Promise(() => undefined);
    };
    const { id } = await app.submit(request({ lead: 1000 }));
    const stop = new AbortController();
    const running = app.run(id, { signal: stop.signal, onEvent: () => undefined });
    await asked;
    stop.abort();
    expect((await running).state).toBe('cancelled');
    expect(agents.flatMap(told)).toEqual([]);
  });

  it.each([
    [{ lead: -1 }, {}],
    [{ lead: 11 * 60_000 }, {}],
    [{ lead: 1000 }, { spec: SPECS.file }],
  ])('is refused as %j %j', async (sync, change) => {
    await withAgents([0]);
    await expect(app.submit(request(sync, change))).rejects.toMatchObject({ failure: { code: 'bad-request' } });
  });
});
