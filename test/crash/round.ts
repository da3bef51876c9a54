// One round: a capture on all hosts, blows as planned, then whether everything that was told is there once and nothing else is.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Job } from '../../controller/api.js';
import type { Workstation } from '../fleet/workstation.js';
import { live } from './blows.js';
import { leftovers, type Snapshot, snapshotOf } from './leftovers.js';
import type { Blow, Plan } from './plan.js';
import { judge, type Verdict } from './verdict.js';

export interface RoundResult extends Verdict {
  /** How each host run ended: `ws succeeded`, `db1 lost: lost`. Empty when the controller died before there was a job. */
  readonly ends: readonly string[];
  /** What was hit: `agent db1`; a victim that was not there at that moment is not. */
  readonly hits: readonly string[];
  /** How often `jobs resume` went on with the job, and host runs that it found under way, all times together. */
  readonly resumes: number;
  readonly takenUp: number;
  /** What remained on a host. */
  readonly leftovers: readonly string[];
}

/** perf ends by itself after its duration; a little later everything has to be gone. */
const SETTLE_LOOKS = 60;
const SETTLE_MS = 500;
const RESUME_LIMIT = 8;
const AGENT_CACHE = '/root/.cache/perftrawl';

export async function runRound(
  workstation: Workstation,
  plan: Plan,
  before: ReadonlyMap<string, Snapshot>,
): Promise<RoundResult> {
  const hits: string[] = [];
  const last = await newestJob(workstation);
  for (const host of plan.emptied) await workstation.fleet.host(host).run('rm', '-rf', AGENT_CACHE);
  await live(workstation, captureArguments(plan), plan.lives[0], hits);
  const newest = await newestJob(workstation);
  const job = newest?.id === last?.id ? undefined : newest;
  await mendAll(workstation);
  const resuming = { resumes: 0, takenUp: 0 };
  let verdict: Verdict = { told: 0, weight: 0, doubled: [], missing: [], wrong: [] };
  let ends: readonly string[] = [];
  if (job !== undefined) {
    for (const blows of plan.lives.slice(1)) await resume(workstation, job.id, blows, hits, resuming);
    await mendAll(workstation);
    for (let i = 0; i < RESUME_LIMIT && !(await isEnded(workstation, job.id)); i++) {
      await resume(workstation, job.id, [], hits, resuming);
    }
    const report = await workstation.withStore(async (app) => ({
      job: await app.job(job.id),
      hosts: await app.hostRuns(job.id),
    }));
    verdict = await judge(workstation, report);
    ends = report.hosts.map(
      ({ host, state, failure }) => `${host} ${state}${failure === undefined ? '' : `: ${failure.code}`}`,
    );
  }
  return { ...verdict, ...resuming, ends, hits, leftovers: await settle(workstation, before) };
}

function captureArguments({ capture }: Plan): string[] {
  const common = ['--comm', 'faults', '--for', '1s', '--grace', '20s', '--even-if-busy'];
  switch (capture) {
    case 'record':
      return ['record', '-e', 'page-faults', '-c', '1', ...common];
    case 'dwarf':
      return ['record', '-e', 'page-faults', '-c', '10', '--call-graph', 'dwarf,1024', ...common];
    case 'stat':
      return ['stat', '-e', 'page-faults', '--interval', '200ms', ...common];
  }
}

/** Every link up, every agent there. */
async function mendAll(workstation: Workstation): Promise<void> {
  for (const host of workstation.fleet.hosts.values()) {
    await host.mend();
    if (workstation.listening.includes(host.name) && !workstation.isAgentUp(host.name))
      await workstation.startAgent(host.name);
  }
}

async function newestJob(workstation: Workstation): Promise<Job | undefined> {
  return workstation.withStore(async (app) => (await app.jobs({ limit: 1 }))[0]);
}

/** Seen from outside of the workstation an owner that was just killed may still live. */
async function isEnded(workstation: Workstation, id: string): Promise<boolean> {
  return workstation.withStore(async (app) => (await app.job(id)).ended > 0);
}

/** Go on with a job that has not ended. */
async function resume(
  workstation: Workstation,
  id: string,
  blows: readonly Blow[],
  hits: string[],
  resuming: { resumes: number; takenUp: number },
): Promise<void> {
  if (await isEnded(workstation, id)) return;
  const runs = await workstation.withStore((app) => app.hostRuns(id));
  resuming.resumes++;
  resuming.takenUp += runs.filter(({ state }) => state === 'running' || state === 'fetching').length;
  await live(workstation, ['jobs', 'resume', id], blows, hits);
}

/** Everything that was begun ends by itself; the next agents and controllers tidy what killed ones left. */
async function settle(workstation: Workstation, before: ReadonlyMap<string, Snapshot>): Promise<string[]> {
  let remaining: string[] = [];
  for (let look = 0; look < SETTLE_LOOKS; look++) {
    remaining = [];
    // Starts a local agent, and asks the others.
    if (look % 10 === 0) await workstation.run('doctor');
    for (const host of workstation.fleet.hosts.values()) {
      const snapshot = before.get(host.name);
      if (snapshot === undefined) throw new Error(`no snapshot of ${host.name}`);
      const after = await snapshotOf(host);
      remaining.push(...leftovers(snapshot, after).map((what) => `left on ${host.name}: ${what}`));
    }
    if (remaining.length === 0) return [];
    await sleep(SETTLE_MS);
  }
  return remaining;
}
