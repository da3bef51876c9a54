// The events of a job as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html): the state as it is, then what happens.
import type { Milliseconds } from '../../proto/capture.js';
import type { App, Job } from '../api.js';
import type { Clock } from '../clock.js';
import type { FeedEntry, JobFeed } from './job-feed.js';
import type { JobRunner } from './job-runner.js';

export interface FollowOptions {
  readonly app: Pick<App, 'job' | 'hostRuns'>;
  readonly runner: JobRunner;
  readonly clock: Clock;
  /** Rejects when the follower may not go on: asked at each beat. */
  readonly check: () => Promise<void>;
}

/** How often a quiet stream says that it is alive. */
const beat: Milliseconds = 15_000;
/** How often a job that another process runs is looked at. */
const poll: Milliseconds = 1000;

/**
 * Until the job has ended or `signal` aborts.
 * @param after the id of the last event that the follower has, `start` for all that there is, '' for what is now
 */
export async function* followJob(
  jobId: string,
  after: string,
  signal: AbortSignal,
  options: FollowOptions,
): AsyncGenerator<string> {
  const { app, runner } = options;
  let position = after;
  for (;;) {
    const feed = runner.feed(jobId);
    if (feed !== undefined) {
      yield* followFeed(jobId, feed, position, signal, options);
      if (feed.isOver || signal.aborted) return;
    }
    position = '';
    const job = yield* state(jobId, '', app);
    if (!isGoingOn(job)) return;
    yield* pollStore(job, signal, options);
    if (signal.aborted) return;
  }
}

async function* followFeed(
  jobId: string,
  feed: JobFeed,
  after: string,
  signal: AbortSignal,
  { app, clock, check }: FollowOptions,
): AsyncGenerator<string> {
  let at = positionIn(feed, after);
  let checked = clock.monotonic();
  for (;;) {
    const { changed } = feed;
    if (clock.monotonic() - checked >= beat) {
      await check();
      checked = clock.monotonic();
    }
    const entries = at === undefined ? undefined : feed.after(at);
    if (entries === undefined) {
      // What is lost to this follower shows in the state that is read anew.
      at = feed.last;
      yield* state(jobId, idOf(feed, at), app);
      continue;
    }
    for (const entry of entries) yield textOf(feed, entry);
    at = (at ?? 0) + entries.length;
    if (entries.length > 0) continue;
    if (feed.isOver || signal.aborted) return;
    if (await isQuiet(changed, signal, clock, beat)) yield ': still at it\n\n';
  }
}

/** Wait for something to happen; whether nothing did. */
async function isQuiet(
  changed: Promise<void>,
  signal: AbortSignal,
  clock: Clock,
  longest: Milliseconds,
): Promise<boolean> {
  const over = new AbortController();
  const waited = clock.sleep(longest, AbortSignal.any([signal, over.signal]));
  const first = await Promise.race([changed.then(() => 'changed' as const), waited]);
  over.abort();
  return first === 'elapsed';
}

/** A job that another process runs, or that waits: it is read until this server runs it or it has ended. */
async function* pollStore(
  known: Job,
  signal: AbortSignal,
  { app, runner, clock, check }: FollowOptions,
): AsyncGenerator<string> {
  const told = new Map((await app.hostRuns(known.id)).map((run) => [run.host, JSON.stringify({ run })]));
  let toldJob = JSON.stringify({ job: known });
  let checked = clock.monotonic();
  for (;;) {
    await isQuiet(runner.changed, signal, clock, poll);
    if (signal.aborted || runner.isRunning(known.id)) return;
    const job = await app.job(known.id);
    const state = JSON.stringify({ job });
    if (state !== toldJob && job.state === 'queued') yield eventText('', 'job', state);
    toldJob = state;
    for (const run of await app.hostRuns(known.id)) {
      const data = JSON.stringify({ run });
      if (told.get(run.host) !== data) yield eventText('', 'host-run', data);
      told.set(run.host, data);
    }
    if (job.state !== known.state) return;
    if (clock.monotonic() - checked < beat) continue;
    checked = clock.monotonic();
    await check();
    yield ': still at it\n\n';
  }
}

async function* state(jobId: string, id: string, app: FollowOptions['app']): AsyncGenerator<string, Job> {
  const runs = await app.hostRuns(jobId);
  for (const run of runs) yield eventText(id, 'host-run', JSON.stringify({ run }));
  const job = await app.job(jobId);
  yield eventText(id, 'job', JSON.stringify({ job }));
  return job;
}

function isGoingOn({ state }: Job): boolean {
  return state === 'running' || state === 'queued' || state === 'awaiting-approval';
}

function positionIn(feed: JobFeed, after: string): number | undefined {
  if (after === 'start') return 0;
  const [name, number] = after.split('-');
  return name === feed.name && /^[0-9]{1,15}$/.test(number ?? '') ? Number(number) : undefined;
}

function idOf(feed: JobFeed, number: number): string {
  return `${feed.name}-${number}`;
}

function textOf(feed: JobFeed, { number, kind, data }: FeedEntry): string {
  return eventText(idOf(feed, number), kind, data);
}

/** JSON has no line ends. */
function eventText(id: string, kind: string, data: string): string {
  return `${id === '' ? '' : `id: ${id}\n`}event: ${kind}\ndata: ${data}\n\n`;
}
