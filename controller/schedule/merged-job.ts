// Several jobs of a schedule as one: their results host by host, and over all hosts, as if they were one long capture.
import { createHash } from 'node:crypto';
import { mergeSeries, UnlikeSeriesError } from '../../profile/counter-series.js';
import { UnlikeHistogramsError } from '../../profile/histogram.js';
import { mergeHistogramSeries, UnlikeIntervalsError } from '../../profile/histogram-series.js';
import { mergeLosses } from '../../profile/loss.js';
import { mergeProfiles, UnlikeProfilesError } from '../../profile/merge.js';
import type { Cost } from '../../proto/capture.js';
import { toFailure } from '../../proto/failure.js';
import { type DecodeLimits, encodeProfile } from '../../proto/profile-codec.js';
import type { HostRun } from '../api.js';
import { Aggregate, type Merged, wantedTypes } from '../jobs/aggregate.js';
import { newJobId } from '../jobs/job-id.js';
import { loadResult } from '../jobs/job-run.js';
import type { ControlStore, StoredJob } from '../store/control-store.js';
import type { SampleStore } from '../store/sample-store.js';

/** @param bucket `2026-11-27T10` (UTC) or `2026-11-27` @returns ids of the jobs that are in the merged one, which is stored: they may be deleted */
export type MergeJobs = (
  tier: 'hour' | 'day',
  bucket: string,
  jobs: readonly StoredJob[],
) => Promise<readonly string[]>;

export interface MergedJobOptions {
  readonly control: ControlStore;
  readonly samples: SampleStore;
  readonly decode: DecodeLimits;
  readonly log: (text: string) => void;
}

interface HostPart {
  readonly run: HostRun;
  readonly result: Merged;
}

/**
 * One bucket is merged by one server at a time. A server that dies in between leaves results without a job, which the next one writes
 * anew; or the merged job and those that are in it, whose ids it holds, so that they are deleted and not merged again.
 */
export function mergeJobs({ control, samples, decode, log }: MergedJobOptions): MergeJobs {
  return async (tier, bucket, jobs) => {
    const ordered = jobs.toSorted((a, b) => a.created - b.created || (a.id < b.id ? -1 : 1));
    const [first] = ordered;
    const last = ordered[ordered.length - 1];
    const id = mergedId(tier, bucket, first);
    const there = await control.job(id);
    if (there !== undefined) {
      const inIt = new Set(there.request.merged?.jobs ?? []);
      return ordered.map((job) => job.id).filter((jobId) => inIt.has(jobId));
    }
    if (ordered.length < 2) return [];
    const parts = new Map<string, HostPart[]>();
    for (const job of ordered) {
      for (const run of await control.hostRuns(job.id)) {
        if (run.state !== 'succeeded') continue;
        const part = { run, result: await loadResult(samples, job.id, run.host, decode) };
        parts.set(run.host, [...(parts.get(run.host) ?? []), part]);
      }
    }
    const aggregate = new Aggregate(wantedTypes(first.request.spec));
    const runs: HostRun[] = [];
    for (const [host, list] of parts) {
      const result = join(list, host, log);
      if (result === undefined) return [];
      if (aggregate.add(host, result, true).kind !== 'merged') {
        log(`jobs of ${bucket} are not merged: what ${host} counted is unlike the others`);
        return [];
      }
      const chunks = result.profile === undefined ? [] : [...encodeProfile(result.profile)];
      await samples.put(
        { jobId: id, host },
        { chunks, series: result.series, histograms: result.histograms, text: [] },
      );
      runs.push(runOf(id, host, list, result));
    }
    const { profile, series, histograms } = aggregate.finish([]);
    const chunks = profile === undefined ? [] : [...encodeProfile(profile)];
    await samples.put({ jobId: id, host: undefined }, { chunks, series, histograms, text: [] });
    const hosts = new Map(ordered.flatMap(({ request }) => request.hosts.map((host) => [host.name, host])));
    const { sample: _drawn, ...request } = last.request;
    await control.createJob(
      {
        ...{ id, state: 'succeeded', created: first.created, started: first.started, ended: last.ended },
        ...{ owner: '', ownerSilence: 0, isCancelRequested: false },
        request: {
          ...request,
          hosts: runs.flatMap(({ host }) => hosts.get(host) ?? []),
          merged: { tier, from: first.created, to: last.created, jobs: ordered.map((job) => job.id) },
        },
      },
      runs,
    );
    return ordered.map((job) => job.id);
  };
}

/** The same each time that a bucket is merged, whatever is left of it; longer than that of any other job. */
function mergedId(tier: string, bucket: string, first: StoredJob): string {
  const about = `${tier}\0${bucket}\0${first.request.schedule?.name ?? ''}\0${JSON.stringify(first.request.spec)}`;
  const hash = createHash('sha256').update(about).digest('hex').slice(0, 10);
  const begin = Date.parse(tier === 'day' ? bucket : `${bucket}:00Z`);
  return `${newJobId(begin, () => 0).slice(0, 7)}${tier}${hash}`;
}

function join(parts: readonly HostPart[], host: string, log: (text: string) => void): Merged | undefined {
  const results = parts.map(({ result }) => result);
  const profiles = results.flatMap(({ profile }) => profile ?? []);
  const series = results.flatMap(({ series: one }) => one ?? []);
  const histograms = results.flatMap(({ histograms: one }) => one ?? []);
  try {
    const merged = profiles.length === 0 ? undefined : mergeProfiles(profiles);
    // One after the other, not side by side as on several hosts.
    const duration = profiles.reduce((sum, profile) => sum + profile.duration, 0);
    return {
      profile: merged === undefined ? undefined : { ...merged, duration },
      series: series.length === 0 ? undefined : mergeSeries(series),
      histograms: histograms.length === 0 ? undefined : mergeHistogramSeries(histograms),
    };
  } catch (error) {
    const isUnlike = [UnlikeProfilesError, UnlikeSeriesError, UnlikeHistogramsError, UnlikeIntervalsError].some(
      (kind) => error instanceof kind,
    );
    if (!isUnlike) throw error;
    log(`results of ${host} are not merged: ${toFailure(error).message}`);
    return undefined;
  }
}

function runOf(jobId: string, host: string, parts: readonly HostPart[], { profile }: Merged): HostRun {
  const runs = parts.map(({ run }) => run);
  const newest = runs[runs.length - 1];
  const sum = (of: (run: HostRun) => number) => runs.reduce((total, run) => total + of(run), 0);
  return {
    ...{ jobId, host, captureId: `${jobId}.${host}`, state: 'succeeded', captureState: 'done', sequence: 0 },
    ...{ started: runs[0].started, ended: newest.ended, failure: undefined, module: undefined, artifacts: [] },
    progress: {
      ...{ elapsed: sum((run) => run.progress.elapsed), samples: sum((run) => run.progress.samples) },
      ...{ bytes: sum((run) => run.progress.bytes), lost: sum((run) => run.progress.lost) },
    },
    losses: profile?.losses ?? mergeLosses(runs.map(({ losses }) => losses)),
    cost: costOf(runs),
    ...{ commandLines: newest.commandLines, parts: [] },
    ...(newest.machine === undefined ? {} : { machine: newest.machine }),
  };
}

function costOf(runs: readonly HostRun[]): Cost | undefined {
  const costs = runs.flatMap(({ cost }) => cost ?? []);
  if (costs.length === 0) return undefined;
  const sum = (of: (cost: Cost) => number) => costs.reduce((total, cost) => total + of(cost), 0);
  return {
    ...{ toolCpu: sum((cost) => cost.toolCpu), agentCpu: sum((cost) => cost.agentCpu) },
    peakMemoryBytes: Math.max(...costs.map((cost) => cost.peakMemoryBytes)),
    ...{ recordedBytes: sum((cost) => cost.recordedBytes), spooledBytes: sum((cost) => cost.spooledBytes) },
    wall: sum((cost) => cost.wall),
  };
}
