// Which queued job starts next. Teams share a server in proportion to their weights over time; within a team priority goes first, then age.
import { PRIORITIES, type QueuePlace } from '../api.js';
import type { QueuedJob, QueueState, RunningJob, TeamAccount, Turn } from '../store/job-queue-store.js';

export interface QueueLimits {
  /** Hosts that all jobs capture on at a time; 0: no bound. */
  readonly mostHosts: number;
}

/**
 * Start-time fair queueing (Goyal, Vin and Cheng, 1996): each start costs a team its hosts divided by its weight, and whoever has paid
 * least is next. A team that was away goes on where the others are: it cannot save up. A job that does not fit makes those behind it wait
 * too, or it might wait for ever: all of its team where the team's quota is full, all jobs where the server's bound is. One that waits
 * for its time or for its forerunner holds up nobody.
 */
export function nextTurn(state: QueueState, limits: QueueLimits, now: number): Turn | undefined {
  const cancelled = state.queued.find((job) => job.isCancelRequested);
  if (cancelled !== undefined) {
    const { id, team } = cancelled;
    return { id, team, pass: quotaOf(state, team).pass, virtual: state.virtual };
  }
  const ready = state.queued.filter((job) => ownObstacle(job, state, now) === undefined);
  const heads = [...linesOf(ready).values()].flatMap((line) => line.slice(0, 1));
  const able = heads.filter((job) => quotaObstacle(job, state) === undefined);
  const [job] = able.toSorted((a, b) => paidBy(a.team, state) - paidBy(b.team, state) || byAge(a, b));
  if (job === undefined || !fits(job, state, limits)) return undefined;
  const virtual = paidBy(job.team, state);
  return { id: job.id, team: job.team, pass: virtual + job.hosts / quotaOf(state, job.team).weight, virtual };
}

/** What each queued job waits for, and in which order they would start: as well as can be said now. */
export function queuePlaces(state: QueueState, limits: QueueLimits, now: number): ReadonlyMap<string, QueuePlace> {
  const ready = state.queued.filter((job) => ownObstacle(job, state, now) === undefined);
  const others = state.queued.filter((job) => ownObstacle(job, state, now) !== undefined).toSorted(byAge);
  const places = new Map<string, QueuePlace>();
  for (const [index, job] of [...inTurns(ready, state), ...others].entries()) {
    const turn = `its turn, after ${index} ${index === 1 ? 'job' : 'jobs'}`;
    const room = fits(job, state, limits) ? 'a server that has room for one more job' : roomText(job, state, limits);
    const waitsFor = ownObstacle(job, state, now) ?? quotaObstacle(job, state) ?? (index === 0 ? room : turn);
    places.set(job.id, { position: index + 1, of: state.queued.length, waitsFor });
  }
  return places;
}

function ownObstacle(job: QueuedJob, { running }: QueueState, now: number): string | undefined {
  if (job.notBefore > now) return `its time, ${new Date(job.notBefore).toISOString()}`;
  if (job.serial === '' || running.every(({ serial }) => serial !== job.serial)) return undefined;
  return 'the job of the same schedule before it';
}

function quotaObstacle({ team, hosts }: QueuedJob, state: QueueState): string | undefined {
  const { mostJobs, mostHosts } = quotaOf(state, team);
  const own = state.running.filter((job) => job.team === team);
  if (mostJobs > 0 && own.length >= mostJobs) return `the quota of team ${team}: ${own.length} of ${mostJobs} jobs run`;
  const taken = hostsOf(own);
  // A job that is larger than the quota runs alone.
  if (mostHosts === 0 || taken === 0 || taken + hosts <= mostHosts) return undefined;
  return `the quota of team ${team}: it captures on ${taken} of ${mostHosts} hosts, and this needs ${hosts}`;
}

function fits(job: QueuedJob, { running }: QueueState, { mostHosts }: QueueLimits): boolean {
  const hosts = hostsOf(running);
  return mostHosts === 0 || hosts === 0 || hosts + job.hosts <= mostHosts;
}

function roomText(job: QueuedJob, { running }: QueueState, { mostHosts }: QueueLimits): string {
  return `room: jobs capture on ${hostsOf(running)} of ${mostHosts} hosts, and this needs ${job.hosts}`;
}

/** Of each team, in the order in which they start. */
function linesOf(jobs: readonly QueuedJob[]): Map<string, QueuedJob[]> {
  const lines = new Map<string, QueuedJob[]>();
  for (const job of jobs.toSorted(withinTeam)) {
    const line = lines.get(job.team);
    if (line === undefined) lines.set(job.team, [job]);
    else line.push(job);
  }
  return lines;
}

/** As the turns would go one after the other. */
function inTurns(jobs: readonly QueuedJob[], state: QueueState): QueuedJob[] {
  const lines = [...linesOf(jobs)].map(([team, line]) => ({ line, at: 0, paid: paidBy(team, state) }));
  const ordered: QueuedJob[] = [];
  while (ordered.length < jobs.length) {
    const left = lines.filter(({ line, at }) => at < line.length);
    const next = left.reduce((a, b) => ((a.paid - b.paid || byAge(a.line[a.at], b.line[b.at])) <= 0 ? a : b));
    const job = next.line[next.at++];
    next.paid += job.hosts / quotaOf(state, job.team).weight;
    ordered.push(job);
  }
  return ordered;
}

function paidBy(team: string, state: QueueState): number {
  return Math.max(quotaOf(state, team).pass, state.virtual);
}

function withinTeam(a: QueuedJob, b: QueuedJob): number {
  return PRIORITIES.indexOf(b.priority) - PRIORITIES.indexOf(a.priority) || byAge(a, b);
}

function byAge(a: QueuedJob, b: QueuedJob): number {
  const [readyA, readyB] = [Math.max(a.created, a.notBefore), Math.max(b.created, b.notBefore)];
  return readyA - readyB || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

function quotaOf({ teams }: QueueState, name: string): TeamAccount {
  return teams.find((team) => team.name === name) ?? { name, weight: 1, mostJobs: 0, mostHosts: 0, pass: 0 };
}

function hostsOf(jobs: readonly RunningJob[]): number {
  return jobs.reduce((sum, { hosts }) => sum + hosts, 0);
}
