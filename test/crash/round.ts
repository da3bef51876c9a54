// One round: a capture on all hosts, blows as planned, then whether everything that was told is there once and nothing else is.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { App, HostRun, Job } from '../../controller/api.js';
import { createApp } from '../../controller/app.js';
import { WORKSTATION, type Workstation } from '../fleet/workstation.js';
import { leftovers, type Snapshot, snapshotOf } from './leftovers.js';
import type { Blow, Plan } from './plan.js';

export interface RoundResult {
  /** How each host run ended: `ws succeeded, db1 lost`. '' when the controller died before there was a job. */
  readonly ends: string;
  /** What was hit: `agent db1`; a victim that was not there at that moment is not. */
  readonly hits: readonly string[];
  /** Broken promises; none in a round that went well. */
  readonly problems: readonly string[];
  /** Samples of all hosts together. */
  readonly weight: number;
}

interface Report {
  readonly job: Job;
  readonly hosts: readonly HostRun[];
}

const ENDS = ['succeeded', 'failed', 'lost', 'cancelled'];
/** perf ends by itself after its duration; a little later everything has to be gone. */
const SETTLE_LOOKS = 60;
const SETTLE_MS = 500;
const RESUME_LIMIT = 8;

export async function runRound(
  workstation: Workstation,
  plan: Plan,
  before: ReadonlyMap<string, Snapshot>,
): Promise<RoundResult> {
  const hits: string[] = [];
  const last = await newestJob(workstation);
  await live(workstation, captureArguments(plan), plan.lives[0], hits);
  const newest = await newestJob(workstation);
  const job = newest?.id === last?.id ? undefined : newest;
  await mendAll(workstation);
  const problems: string[] = [];
  let report: Report | undefined;
  if (job !== undefined) {
    for (const blows of plan.lives.slice(1)) await resume(workstation, job.id, blows, hits);
    await mendAll(workstation);
    report = await finish(workstation, job.id);
    problems.push(...checkRuns(workstation, report));
  }
  const { weight, differences } =
    report === undefined ? { weight: 0, differences: [] } : await weigh(workstation, report);
  problems.push(...differences, ...(await settle(workstation, before)));
  const ends =
    report?.hosts
      .map(({ host, state, failure }) => `${host} ${state}${failure === undefined ? '' : `: ${failure.code}`}`)
      .join(', ') ?? '';
  return { ends, hits, problems, weight };
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

/** A controller from its start to its end, and the blows meanwhile. */
async function live(workstation: Workstation, args: readonly string[], blows: readonly Blow[], hits: string[]) {
  const controller = workstation.spawn(args);
  controller.stdout?.resume();
  controller.stderr?.resume();
  const exited = once(controller, 'exit');
  const over = new AbortController();
  const falling = blows.map((blow) => strike(workstation, controller, blow, over.signal, hits));
  await exited;
  over.abort();
  await Promise.all(falling);
}

async function strike(
  workstation: Workstation,
  controller: ChildProcess,
  { victim, host, at, pause }: Blow,
  over: AbortSignal,
  hits: string[],
): Promise<void> {
  try {
    await sleep(at, undefined, { signal: over });
  } catch (error) {
    // The controller was faster.
    if (over.aborted) return;
    throw error;
  }
  switch (victim) {
    case 'controller': {
      const pids = controller.exitCode === null ? await workstation.controllers() : [];
      if (killAll(pids) > 0) hits.push('controller');
      return;
    }
    case 'agent':
      if (host === WORKSTATION) {
        if (killAll(await workstation.agentsOn(host)) > 0) hits.push(`agent ${host}`);
        return;
      }
      if (!(await workstation.killAgent(host))) return;
      hits.push(`agent ${host}`);
      await sleep(pause);
      if (!workstation.isAgentUp(host)) await workstation.startAgent(host);
      return;
    case 'perf':
    case 'sleep':
      if (killAll(await workstation.fleet.host(host).processes(victim)) > 0) hits.push(`${victim} ${host}`);
      return;
    case 'link':
      await workstation.fleet.host(host).cut();
      hits.push(`link ${host}`);
      await sleep(pause);
      await workstation.fleet.host(host).mend();
      return;
  }
}

function killAll(pids: readonly number[]): number {
  let killed = 0;
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
      killed++;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
    }
  }
  return killed;
}

/** Every link up, every agent there. */
async function mendAll(workstation: Workstation): Promise<void> {
  for (const host of workstation.fleet.hosts.values()) {
    await host.mend();
    if (host.name !== WORKSTATION && !workstation.isAgentUp(host.name)) await workstation.startAgent(host.name);
  }
}

/** What the store of the workstation holds: read here, in place of a process for each question. */
async function withStore<T>(workstation: Workstation, ask: (app: App) => Promise<T>): Promise<T> {
  const app = await createApp({
    dataDir: workstation.dataDirectory,
    configDir: workstation.fleet.directory,
    inventoryPath: workstation.inventory,
    agentCommand: ['false'],
  });
  try {
    return await ask(app);
  } finally {
    await app.close();
  }
}

async function newestJob(workstation: Workstation): Promise<Job | undefined> {
  return withStore(workstation, async (app) => (await app.jobs({ limit: 1 }))[0]);
}

/** Seen from outside of the workstation an owner that was just killed may still live. */
async function isEnded(workstation: Workstation, id: string): Promise<boolean> {
  return withStore(workstation, async (app) => (await app.job(id)).ended > 0);
}

async function resume(workstation: Workstation, id: string, blows: readonly Blow[], hits: string[]): Promise<void> {
  if (!(await isEnded(workstation, id))) await live(workstation, ['jobs', 'resume', id], blows, hits);
}

async function finish(workstation: Workstation, id: string): Promise<Report> {
  for (let i = 0; i < RESUME_LIMIT && !(await isEnded(workstation, id)); i++) {
    await workstation.run('jobs', 'resume', id);
  }
  return withStore(workstation, async (app) => ({ job: await app.job(id), hosts: await app.hostRuns(id) }));
}

function checkRuns({ fleet }: Workstation, { job, hosts }: Report): string[] {
  const problems: string[] = [];
  if (!['succeeded', 'partial', 'failed', 'cancelled'].includes(job.state)) problems.push(`the job is ${job.state}`);
  const names = hosts.map(({ host }) => host).sort();
  const expected = [...fleet.hosts.keys()].sort();
  if (names.join() !== expected.join()) problems.push(`host runs of ${names.join()} instead of ${expected.join()}`);
  for (const { host, state, failure } of hosts) {
    if (!ENDS.includes(state)) problems.push(`the host run of ${host} is ${state}`);
    if ((state === 'succeeded') !== (failure === undefined))
      problems.push(`${host} ${state} with failure ${failure?.code}`);
    if (failure?.code === 'internal') problems.push(`${host} failed as a defect: ${failure.message}`);
  }
  return problems;
}

/** The merged result is the sum of those of the hosts that succeeded, and only they have one. */
async function weigh(workstation: Workstation, { job, hosts }: Report) {
  const differences: string[] = [];
  let sum = 0;
  const weight = await withStore(workstation, async (app) => {
    for (const { host, state } of hosts) {
      const own = await totalOf(app, job.id, host);
      if (state === 'succeeded' && own === undefined) differences.push(`${host} succeeded without a result`);
      if (state === 'succeeded') sum += own ?? 0;
    }
    return (await totalOf(app, job.id)) ?? 0;
  });
  if (weight !== sum) differences.push(`the merged result weighs ${weight}, those of the hosts ${sum}`);
  return { weight, differences };
}

/** undefined when there is no such result. */
async function totalOf(app: App, jobId: string, host?: string): Promise<number | undefined> {
  const profile = await app.profile(jobId, host);
  const series = await app.series(jobId, host);
  if (profile === undefined && series === undefined) return undefined;
  const weights = profile?.samples.values.reduce((sum, column) => sum + column.reduce((a, b) => a + b, 0), 0) ?? 0;
  return weights + (series?.points.reduce((sum, { value }) => sum + (value ?? 0), 0) ?? 0);
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
