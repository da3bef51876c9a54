// A schedule that is due every moment, on a fleet of simulated agents, while one of two servers is killed and comes back later.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createApp } from '../../controller/app.js';
import { foldedStacks } from '../../profile/folded.js';
import { SoakFleet, type SoakServer } from './soak-fleet.js';
import { dueMoments, judgeSoak, type SoakFacts } from './soak-verdict.js';

export interface SoakOptions {
  readonly agents: number;
  /** For how long the schedule is due. */
  readonly seconds: number;
  /** Seconds between ticks; divides 60. */
  readonly every: number;
  /** Says which server is killed, when, and how long it stays away. */
  readonly seed: number;
  readonly say: (line: string) => void;
}

export interface SoakResult {
  /** What was not as promised. */
  readonly problems: readonly string[];
  readonly ticks: number;
  readonly jobs: number;
  readonly hostRuns: number;
  readonly begun: number;
  /** Captures that were asked for again while they were there. */
  readonly repeated: number;
  readonly released: number;
  /** Jobs that the killed server ran then, and how many of them a server took up after that. */
  readonly orphaned: number;
  readonly takenUp: number;
  /** Jobs that each server started, of all its lives. */
  readonly started: Readonly<Record<string, number>>;
  /** Weight of all merged results. */
  readonly weight: number;
  /** Seconds from the end of the schedule until everything had ended and was released. */
  readonly drained: number;
}

const SCHEDULE = 'soak';
/** Longer than it is from one tick to the next, so that jobs overlap. */
const CAPTURE = '2500ms';

export async function runSoak(options: SoakOptions): Promise<SoakResult> {
  const { agents, seconds, every, say } = options;
  const plan = planOf(options);
  const fleet = await SoakFleet.start(agents);
  try {
    const victim = fleet.servers[plan.victim];
    const until = (Math.floor(Date.now() / 1000) + seconds) * 1000;
    await fleet.run(
      ...['schedule', 'add', SCHEDULE, '--cron', `*/${every} * * * * *`, '--tz', 'UTC'],
      ...['--until', `${new Date(until).toISOString().slice(0, 19)}Z`, '--overlap', 'allow', '--missed', 'all', '--'],
      ...['record', '-e', 'page-faults', '-c', '1', '--on', 'role=sim', '--for', CAPTURE, '--grace', '3m'],
    );
    say(`${agents} agents, due every ${every} s for ${seconds} s; ${victim.name} is killed after ${plan.killAfter} s`);
    await sleep(plan.killAfter * 1000);
    const orphaned = await killAmongJobs(fleet, victim);
    say(`killed ${victim.name}, which ran ${orphaned.length} jobs`);
    await sleep(plan.awayFor * 1000);
    await fleet.serve(victim);
    await fleet.dialedIn(victim);
    say(`${victim.name} is back`);
    await fleet.until(async () => (await scheduleOf(fleet)).state === 'ended', 'the schedule ends', seconds / 60 + 2);
    await fleet.until(() => hasDrained(fleet), 'the jobs end and the captures are released', 5);
    const drained = Math.round((Date.now() - until) / 1000);
    const facts = await factsOf(fleet, every * 1000, until);
    const takenUp = orphaned.filter((id) => startsOf(fleet.servers, id) > 1).length;
    return { ...figuresOf(facts, fleet), orphaned: orphaned.length, takenUp, drained, problems: judgeSoak(facts) };
  } finally {
    await fleet.close();
  }
}

/** The figures, for a person. */
export function soakText(result: SoakResult): string {
  const { problems, ticks, jobs, hostRuns, begun, repeated, released, orphaned, takenUp, started, weight } = result;
  const shares = Object.entries(started).map(([name, count]) => `${count} by ${name}`);
  return [
    ...problems.slice(0, 50).map((problem) => `BROKEN: ${problem}`),
    `${ticks} ticks, ${jobs} jobs (${shares.join(', ')}; ${orphaned} orphaned, ${takenUp} of them taken up), ${hostRuns} host runs`,
    `captures: ${begun} begun, ${repeated} asked for again, ${released} released; ${weight} counted`,
    `drained ${result.drained} s after the last tick; ${problems.length} problems`,
  ].join('\n');
}

interface Plan {
  readonly victim: number;
  /** Seconds. */
  readonly killAfter: number;
  readonly awayFor: number;
}

/** In the middle of the schedule, and back before its end. */
function planOf({ seed, seconds }: SoakOptions): Plan {
  const share = (salt: number) => (((Math.imul(seed + salt, 0x9e3779b1) >>> 0) % 1000) + 1) / 1000;
  return {
    victim: share(1) > 0.5 ? 1 : 0,
    killAfter: Math.round(seconds * (0.3 + 0.2 * share(2))),
    awayFor: Math.round(seconds * (0.15 + 0.15 * share(3))),
  };
}

/** @returns ids of the jobs that it ran */
async function killAmongJobs(fleet: SoakFleet, victim: SoakServer): Promise<readonly string[]> {
  let ids: string[] = [];
  await fleet.until(async () => {
    const rows = await fleet.query(
      `select distinct j.id from TABLES.jobs j join TABLES.host_runs r on r.job_id = j.id
        where j.state = 'running' and r.state = 'running'`,
    );
    ids = rows.map(({ id }) => String(id)).filter((id) => startsOf([victim], id) > 0);
    return ids.length > 0;
  }, `server ${victim.name} runs a job`);
  await fleet.kill(victim);
  return ids;
}

async function scheduleOf(fleet: SoakFleet): Promise<{ readonly state: string; readonly created: number }> {
  const [row] = await fleet.query('select state, created from TABLES.schedules');
  return { state: String(row.state), created: Number(row.created) };
}

async function hasDrained(fleet: SoakFleet): Promise<boolean> {
  const [open] = await fleet.query("select count(*) from TABLES.jobs where state in ('queued', 'running')");
  const [pending] = await fleet.query('select count(*) from TABLES.pending_releases');
  return Number(open.count) === 0 && Number(pending.count) === 0;
}

async function factsOf(fleet: SoakFleet, every: number, until: number): Promise<SoakFacts> {
  const ticks = await fleet.query('select due, state, reason, job_id, count from TABLES.schedule_ticks order by due');
  const jobs = await fleet.query('select id, state from TABLES.jobs');
  const runs = await fleet.query('select job_id, host, state, run from TABLES.host_runs');
  const results = await fleet.query('select job_id, host from TABLES.profile_chunks where is_last = 1');
  const [pending] = await fleet.query('select count(*) from TABLES.pending_releases');
  const ids = jobs.map(({ id }) => String(id));
  return {
    ...{ every, until, created: (await scheduleOf(fleet)).created },
    hosts: fleet.agents.map(({ name }) => name),
    ticks: ticks.map(({ due, state, reason, job_id, count }) => ({
      ...{ due: Number(due), count: Number(count) },
      ...{ state: String(state), reason: String(reason), jobId: String(job_id) },
    })),
    jobs: jobs.map(({ id, state }) => ({ id: String(id), state: String(state) })),
    runs: runs.map(({ job_id, host, state, run }) => ({
      ...{ jobId: String(job_id), host: String(host), state: String(state) },
      captureId: String(JSON.parse(String(run)).captureId),
    })),
    results: results.map(({ job_id, host }) => ({ jobId: String(job_id), host: String(host) })),
    merged: await mergedOf(fleet, ids),
    captures: fleet.agents.flatMap(({ records }) => records),
    pendingReleases: Number(pending.count),
  };
}

/** Each host has a stack of its own, `app;main;HOST`. */
async function mergedOf(fleet: SoakFleet, ids: readonly string[]): Promise<Map<string, ReadonlyMap<string, number>>> {
  const { directory, store } = fleet;
  const app = await createApp({
    ...{ dataDir: join(directory, 'reader'), configDir: directory, agentCommand: ['false'] },
    store: { name: store, env: {}, homeDirectory: directory },
  });
  try {
    const merged = new Map<string, ReadonlyMap<string, number>>();
    for (const id of ids) {
      const profile = await app.profile(id);
      const stacks = profile === undefined ? [] : [...foldedStacks(profile)];
      merged.set(id, new Map(stacks.map(({ stack, weight }) => [stack.split(';').at(-1) ?? '', weight])));
    }
    return merged;
  } finally {
    await app.close();
  }
}

function figuresOf(facts: SoakFacts, { servers }: SoakFleet) {
  const sum = (numbers: readonly number[]) => numbers.reduce((total, each) => total + each, 0);
  const { captures, merged } = facts;
  return {
    ticks: dueMoments(facts).length,
    jobs: facts.jobs.length,
    hostRuns: facts.runs.length,
    begun: sum(captures.map(({ begun }) => begun)),
    repeated: sum(captures.map(({ repeated }) => repeated)),
    released: sum(captures.map(({ released }) => released)),
    started: Object.fromEntries(servers.map((server) => [server.name, startsOf([server], '')])),
    weight: sum([...merged.values()].flatMap((weights) => [...weights.values()])),
  };
}

/** How often these servers have begun or taken up a job. @param id of the job; '' for any */
function startsOf(servers: readonly SoakServer[], id: string): number {
  const starts = servers.flatMap(({ log }) => log).filter((line) => line.includes('"job-started"'));
  return starts.filter((line) => line.includes(id)).length;
}
