// Results of jobs as files of a directory: what is missing or has changed is made or fetched, the rest stays, and a manifest says what there is.
import { setMaxListeners } from 'node:events';
import { fail } from '../../proto/failure.js';
import type { App, Job } from '../api.js';
import type { Report } from '../export/report.js';
import { fanOut } from '../jobs/fan-out.js';
import type { Owners } from '../jobs/owner.js';
import { chooseJobs, type JobChoice } from './choose-jobs.js';
import { lockDirectory } from './directory-lock.js';
import { type EarlierPull, readEarlier } from './earlier-pull.js';
import { JOURNAL, Journal } from './journal.js';
import type { PullFormat } from './manifest.js';
import { PullDirectory } from './pull-directory.js';
import { keptFiles, type PartOutcome, type PulledPart, placeOf, pullPart, throwIfStopped } from './pull-part.js';
import { type PlannedJob, type PullPart, planJob } from './pull-plan.js';
import { finishPull, type PullResult, type Signing } from './pull-result.js';
import { resultSource } from './result-files.js';

export interface PullOptions {
  readonly directory: string;
  readonly choice: JobChoice;
  /** Empty: all that there are. */
  readonly formats: readonly PullFormat[];
  readonly scope: 'all' | 'hosts' | 'merged';
  /** Make and fetch everything anew, also in a directory that holds something else. */
  readonly isForced: boolean;
  /** Parts at a time. */
  readonly maxParallel: number;
  readonly signing: Signing | undefined;
  /** `user@machine`. */
  readonly puller: string;
  /** `this machine`, or a server and who the puller is there. */
  readonly from: string;
  /** Of this program. */
  readonly version: string;
  readonly makeReport: (app: App, job: Job) => Promise<Report>;
  readonly now: () => number;
  readonly owners: Owners;
  /** Aborting leaves what there is for the next pull; `pull` rejects. */
  readonly signal: AbortSignal;
  readonly onEvent: (event: PullEvent) => void;
}

export type PullEvent =
  | { readonly kind: 'planned'; readonly jobs: number; readonly parts: number }
  /** Came from agents. */
  | { readonly kind: 'bytes'; readonly bytes: number }
  | { readonly kind: 'part'; readonly part: PullPart; readonly outcome: PartOutcome };

/** What a pull would do. */
export interface PullPreview {
  readonly jobs: readonly { readonly id: string; readonly directory: string; readonly parts: readonly PreviewPart[] }[];
}

export interface PreviewPart {
  readonly host: string | null;
  readonly format: PullFormat;
  readonly name: string;
  /** `resume`: some of its bytes are there. */
  readonly does: 'keep' | 'make' | 'fetch' | 'resume';
  /** Of a file from an agent; null where it is not known. */
  readonly size: number | null;
  /** Bytes of it that are there. */
  readonly there: number;
}

/** @throws FailureError when nothing can be pulled; what one host cannot give is a value of the result */
export async function pull(app: App, options: PullOptions): Promise<PullResult> {
  const directory = new PullDirectory(options.directory);
  directory.make();
  const lock = await lockDirectory(directory, options.owners);
  try {
    const earlier = await readEarlier(directory, options.isForced);
    await refuseForeign(directory, options);
    const jobs = await planAll(app, earlier, options);
    const parts = jobs.flatMap((job) => job.parts);
    options.onEvent({ kind: 'planned', jobs: jobs.length, parts: parts.length });
    const journal = await Journal.open(directory);
    let done: readonly (readonly PulledPart[])[];
    try {
      // Every part listens to it: many listeners are no leak.
      setMaxListeners(0, options.signal);
      done = await fanOut(groupsOf(jobs), options.maxParallel, (group, abandoned) => {
        const signal = AbortSignal.any([options.signal, abandoned]);
        return pullGroup(group, { app, directory, earlier, journal, signal, options });
      });
    } finally {
      await journal.close();
    }
    const result = await finishPull(directory, earlier.manifest, jobs, done.flat(), options);
    await directory.remove(JOURNAL);
    return result;
  } finally {
    await lock.release();
  }
}

/** Nothing is written. */
export async function previewPull(app: App, options: PullOptions): Promise<PullPreview> {
  const directory = new PullDirectory(options.directory);
  const earlier = await readEarlier(directory, options.isForced);
  const jobs = await planAll(app, earlier, options);
  const preview: PullPreview['jobs'][number][] = [];
  for (const { job, directory: place, parts } of jobs) {
    const previews: PreviewPart[] = [];
    for (const part of parts) previews.push(await previewPart(directory, earlier, part));
    preview.push({ id: job.id, directory: place, parts: previews });
  }
  return { jobs: preview };
}

async function previewPart(directory: PullDirectory, earlier: EarlierPull, part: PullPart): Promise<PreviewPart> {
  const { run, format, name, expected } = part;
  const facts = { host: run?.host ?? null, format, name, size: expected?.size ?? null };
  const kept = await keptFiles(directory, earlier, part);
  if (kept !== undefined) return { ...facts, does: 'keep', there: kept.reduce((sum, { size }) => sum + size, 0) };
  if (name === '') return { ...facts, does: 'make', there: 0 };
  const there = await directory.partialSize(placeOf(part));
  return { ...facts, does: there === 0 ? 'fetch' : 'resume', there };
}

async function planAll(app: App, earlier: EarlierPull, options: PullOptions): Promise<readonly PlannedJob[]> {
  const chosen = await chooseJobs(app, options.choice);
  return chosen.map((one) => planJob(one, earlier.partsOf(one.job.id), options));
}

/** What others put there would be signed as if it had been pulled. @throws FailureError 'permission' */
async function refuseForeign(directory: PullDirectory, { signing }: PullOptions): Promise<void> {
  if (signing === undefined || !(await directory.isWritableByOthers())) return;
  throw fail(
    'permission',
    `others may write into ${directory.root}, so that what is there cannot be vouched for`,
    `chmod go-w ${directory.root}, or pull into a new directory`,
  );
}

/** Parts that are made of one result are made one after the other, so that it is loaded once. */
interface PartGroup {
  readonly planned: PlannedJob;
  readonly host: string | undefined;
  readonly parts: readonly PullPart[];
}

function groupsOf(jobs: readonly PlannedJob[]): PartGroup[] {
  return jobs.flatMap((planned) => {
    const made = planned.parts.filter(({ name }) => name === '');
    const hosts = [...new Set(made.map(({ run }) => run?.host))];
    const ofHost = hosts.map((host) => ({ planned, host, parts: made.filter(({ run }) => run?.host === host) }));
    const fetched = planned.parts.filter(({ name }) => name !== '');
    return [...fetched.map((part) => ({ planned, host: part.run?.host, parts: [part] })), ...ofHost];
  });
}

interface GroupTools {
  readonly app: App;
  readonly directory: PullDirectory;
  readonly earlier: EarlierPull;
  readonly journal: Journal;
  readonly signal: AbortSignal;
  readonly options: PullOptions;
}

async function pullGroup({ planned, host, parts }: PartGroup, tools: GroupTools): Promise<readonly PulledPart[]> {
  const { app, journal, signal, options } = tools;
  const { makeReport, onEvent } = options;
  const source = resultSource(app, planned.job, planned.runs, host, makeReport);
  const done: PulledPart[] = [];
  for (const part of parts) {
    throwIfStopped(signal);
    const { outcome, ...rest } = await pullPart(part, source, {
      ...tools,
      onBytes: (bytes) => onEvent({ kind: 'bytes', bytes }),
    });
    if (outcome.kind === 'made') await journal.note(rest);
    done.push({ ...rest, outcome });
    onEvent({ kind: 'part', part, outcome });
  }
  return done;
}
