// What a soak must come to, counted from the rows of the store and from what the agents wrote down, without the code that made either.
import { type CaptureRecord, HOST_WEIGHT } from './simulated-agent.js';

/** Times are milliseconds since 1970 UTC. */
export interface SoakFacts {
  /** Due at each multiple of this after `created` and before `until`. */
  readonly every: number;
  readonly created: number;
  readonly until: number;
  readonly hosts: readonly string[];
  readonly ticks: readonly TickRow[];
  /** Of the schedule. */
  readonly jobs: readonly { readonly id: string; readonly state: string }[];
  readonly runs: readonly RunRow[];
  /** Profiles that are stored, those of hosts and, with the host '', the merged ones. */
  readonly results: readonly { readonly jobId: string; readonly host: string }[];
  /** Job -> host -> its weight in the merged result. */
  readonly merged: ReadonlyMap<string, ReadonlyMap<string, number>>;
  readonly captures: readonly CaptureRecord[];
  /** Captures that agents may delete and were not told to. */
  readonly pendingReleases: number;
}

export interface TickRow {
  readonly due: number;
  readonly state: string;
  readonly reason: string;
  readonly jobId: string;
  readonly count: number;
}

export interface RunRow {
  readonly jobId: string;
  readonly host: string;
  readonly state: string;
  readonly captureId: string;
}

/** @returns what is not as promised, in words; empty after a soak that went well */
export function judgeSoak(facts: SoakFacts): string[] {
  return [...judgeTicks(facts), ...judgeJobs(facts), ...judgeRuns(facts), ...judgeMerged(facts), ...judgeAgents(facts)];
}

/** When the schedule is due, by the definition of its pattern. */
export function dueMoments({ every, created, until }: Pick<SoakFacts, 'every' | 'created' | 'until'>): number[] {
  const moments: number[] = [];
  for (let due = (Math.floor(created / every) + 1) * every; due < until; due += every) moments.push(due);
  return moments;
}

function* judgeTicks(facts: SoakFacts): Generator<string> {
  const due = dueMoments(facts);
  yield* exactly(
    'tick',
    due.map(timeText),
    facts.ticks.map((tick) => timeText(tick.due)),
  );
  for (const { due: at, state, reason, count } of facts.ticks) {
    if (state !== 'fired' || reason !== '' || count !== 1)
      yield `tick ${timeText(at)} is ${state} for ${count} (${reason})`;
  }
}

function* judgeJobs({ ticks, jobs }: SoakFacts): Generator<string> {
  const asked = ticks.filter(({ state }) => state === 'fired').map(({ jobId }) => jobId);
  yield* exactly(
    'job',
    asked,
    jobs.map(({ id }) => id),
  );
  yield* exactly('job of a tick', [...new Set(asked)], asked);
  for (const { id, state } of jobs) if (state !== 'succeeded') yield `job ${id} is ${state}`;
}

function* judgeRuns({ jobs, hosts, runs, results }: SoakFacts): Generator<string> {
  const all = jobs.flatMap(({ id }) => hosts.map((host) => `${id} on ${host}`));
  const place = ({ jobId, host }: { readonly jobId: string; readonly host: string }) => `${jobId} on ${host}`;
  yield* exactly('host run', all, runs.map(place));
  for (const { jobId, host, state } of runs)
    if (state !== 'succeeded') yield `the host run ${jobId} on ${host} is ${state}`;
  yield* exactly('result', all, results.filter(({ host }) => host !== '').map(place));
}

function* judgeMerged({ jobs, hosts, merged }: SoakFacts): Generator<string> {
  for (const { id } of jobs) {
    const weights = merged.get(id) ?? new Map<string, number>();
    yield* exactly(`host in the merged result of ${id}`, hosts, [...weights.keys()]);
    for (const [host, weight] of weights)
      if (weight !== HOST_WEIGHT) yield `${host} weighs ${weight} in the merged result of ${id}, not ${HOST_WEIGHT}`;
  }
}

function* judgeAgents({ runs, captures, pendingReleases }: SoakFacts): Generator<string> {
  const name = ({ host, captureId }: { readonly host: string; readonly captureId: string }) =>
    `${captureId} on ${host}`;
  yield* exactly('capture', runs.map(name), captures.map(name));
  for (const capture of captures) {
    const { begun, released, stopped, isLeft } = capture;
    if (begun !== 1) yield `capture ${name(capture)} began ${begun} times`;
    if (released !== 1) yield `capture ${name(capture)} was released ${released} times`;
    if (stopped !== 0) yield `capture ${name(capture)} was stopped ${stopped} times`;
    if (isLeft) yield `capture ${name(capture)} is left`;
  }
  if (pendingReleases > 0) yield `${pendingReleases} captures may be released, and nobody was told`;
}

function* exactly(what: string, wanted: readonly string[], found: readonly string[]): Generator<string> {
  const counts = new Map(wanted.map((name) => [name, 0]));
  for (const name of found) {
    const count = counts.get(name);
    if (count === undefined) yield `nobody asked for ${what} ${name}`;
    else counts.set(name, count + 1);
  }
  for (const [name, count] of counts) {
    if (count === 0) yield `${what} ${name} is missing`;
    if (count > 1) yield `${what} ${name} is there ${count} times`;
  }
}

function timeText(time: number): string {
  return new Date(time).toISOString();
}
