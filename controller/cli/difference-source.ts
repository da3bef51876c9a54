// The two sides of a comparison: what a person wrote, the profiles that it means, and whether they compare.
import { eventsOf } from '../../profile/folded.js';
import { type Loss, mergeLosses } from '../../profile/loss.js';
import type { Profile } from '../../profile/profile.js';
import { type SampleType, weightOf } from '../../profile/sample-type.js';
import type { Milliseconds } from '../../proto/capture.js';
import { fail } from '../../proto/failure.js';
import type { App, HostRun, Job } from '../api.js';
import { type Comparability, comparability } from '../views/comparable.js';
import type { ComparedProfile, DifferenceOptions } from '../views/profile-difference.js';
import { keptSamples, type SampleFilter } from '../views/sample-filter.js';
import { sampleSize } from '../views/sampling-noise.js';
import { profileOf } from './commands/show.js';

/** All of a job, one of its hosts, or all but that one. */
export interface SideChoice {
  readonly job: string;
  readonly host?: string;
  readonly isRest?: boolean;
}

export interface DifferenceSource extends ComparedProfile {
  /** `1nf0c2`, `1nf0c2:web3`, `1nf0c2 without web3`. */
  readonly name: string;
  readonly job: Job;
  readonly host: string | null;
  readonly event: string;
  /** Whose results are in it. */
  readonly hosts: readonly string[];
  readonly losses: readonly Loss[];
}

export interface DifferenceSources extends Comparability {
  readonly a: DifferenceSource;
  readonly b: DifferenceSource;
}

/** `JOB` or `JOB:HOST`; neither a job nor a host has a colon in its name. */
export function parseSide(text: string, host: string | undefined): SideChoice {
  const at = text.indexOf(':');
  if (at >= 0) return { job: text.slice(0, at), host: text.slice(at + 1) };
  return { job: text, ...(host === undefined ? {} : { host }) };
}

/**
 * @param event the same on both sides; absent: the first of A that B has too, else the first of each
 * @throws FailureError that says why there is no profile, or nothing in it
 */
export async function differenceSources(
  app: App,
  choices: { readonly a: SideChoice; readonly b: SideChoice },
  options: { readonly event?: string; readonly filter: SampleFilter } & Pick<DifferenceOptions, 'countSamples'>,
): Promise<DifferenceSources> {
  const [readA, readB] = [await readSide(app, choices.a), await readSide(app, choices.b)];
  const [eventsA, eventsB] = [eventsOf(readA.profile), eventsOf(readB.profile)];
  const common = eventsA.find((event) => eventsB.includes(event));
  const sideOf = (read: Read, events: readonly string[]): DifferenceSource => {
    const event = options.event ?? common ?? events[0] ?? '';
    const profile = keptSamples(read.profile, options.filter);
    const counted = options.countSamples === true ? { countSamples: true } : {};
    if (events.length === 0 || sampleSize(profile, { ...counted, event }).weight === 0) {
      throw fail(
        'bad-request',
        `${read.name} has no samples to compare`,
        `\`perftrawl show ${read.job.id}\` shows what it has`,
      );
    }
    return { ...read, profile, event };
  };
  const [a, b] = [sideOf(readA, eventsA), sideOf(readB, eventsB)];
  const facts = ({ name, job, event, profile, losses }: DifferenceSource) => ({
    ...{ name, spec: job.request.spec, losses, samples: sampleSize(profile, { event }).samples },
  });
  const types = { a: typeOf(a), b: typeOf(b) };
  return { a, b, ...comparability(facts(a), facts(b), types) };
}

type Read = Omit<DifferenceSource, 'event'>;

async function readSide(app: App, { job: id, host, isRest = false }: SideChoice): Promise<Read> {
  const job = await app.job(id);
  const runs = await app.hostRuns(job.id);
  if (host !== undefined && !runs.some((run) => run.host === host)) {
    const names = runs.slice(0, 10).map((run) => run.host);
    throw fail('not-found', `host ${host} is not in job ${job.id}`, `its hosts are ${names.join(', ')}`);
  }
  await refuseOthers(app, job, host);
  const whole = await profileOf(app, job, isRest ? undefined : host);
  const isIn = (run: HostRun): boolean => host === undefined || (run.host === host) !== isRest;
  const its = runs.filter((run) => run.state === 'succeeded' && isIn(run));
  if (isRest && its.length === 0) {
    throw fail(
      'bad-request',
      `job ${job.id} has no other host than ${host} with a result`,
      'compare it with another job: perftrawl diff JOB_A JOB_B',
    );
  }
  const profile = isRest && host !== undefined ? keptSamples(whole, { withoutLabels: { host } }) : whole;
  return {
    ...{ job, profile, host: host ?? null, hosts: its.map((run) => run.host) },
    name: host === undefined ? job.id : isRest ? `${job.id} without ${host}` : `${job.id}:${host}`,
    recorded: recordedOf(whole, its, isRest ? undefined : host),
    losses: isRest ? mergeLosses(its.map((run) => run.losses)) : whole.losses,
  };
}

/** What else there is to compare has a command of its own. */
async function refuseOthers(app: App, job: Job, host: string | undefined): Promise<void> {
  const { kind } = job.request.spec;
  if (kind === 'stat') {
    throw fail(
      'bad-request',
      `job ${job.id} has counters, and diff compares profiles`,
      `perftrawl show ${job.id} shows them`,
    );
  }
  if (kind !== 'stap' && kind !== 'file') return;
  if ((await app.profile(job.id, host)) !== undefined || (await app.histograms(job.id, host)) === undefined) return;
  throw fail(
    'bad-request',
    `job ${job.id} has histograms, and diff compares profiles`,
    `use perftrawl hist ${job.id} --diff JOB`,
  );
}

/** Of a merged profile the duration is that of its longest host; one that a budget ended early recorded for less. */
function recordedOf(profile: Profile, runs: readonly HostRun[], host: string | undefined): Milliseconds {
  if (host !== undefined) return profile.duration;
  return runs.reduce((sum, { cost }) => {
    const recording = cost?.budget?.recording ?? 0;
    return sum + (recording > 0 ? Math.min(recording, profile.duration) : profile.duration);
  }, 0);
}

/** In what the event of a side is counted. */
function typeOf({ profile, event }: DifferenceSource): SampleType {
  const { type } = weightOf(event);
  return profile.sampleTypes.find((found) => found.type === type) ?? weightOf(event);
}
