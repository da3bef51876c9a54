// What a pull may find of a job: for the whole of it and for each host the formats, where the files go, and what they are made of.
import { createHash } from 'node:crypto';
import type { CaptureSpec } from '../../proto/capture.js';
import type { HostRun, Job } from '../api.js';
import { givesOf, partsOf } from '../jobs/capture-gives.js';
import type { ChosenJob } from './choose-jobs.js';
import { fileNames } from './file-names.js';
import type { ManifestPart, PullFormat } from './manifest.js';

/** What is pulled together: of one job, of one of its hosts or merged, in one format. */
export interface PullPart {
  readonly job: Job;
  /** Undefined: of the whole job. */
  readonly run: HostRun | undefined;
  readonly format: PullFormat;
  /** Of the artifact that the agent is asked for; '' for what is made here. */
  readonly name: string;
  /** Of the file of that artifact. */
  readonly fileName: string;
  /** Of what it is made: the same as long as the files would be the same. */
  readonly recipe: string;
  /** Where its files go, without a `/` at the end. */
  readonly directory: string;
  /** Of a file from an agent, as far as it is known beforehand. */
  readonly expected?: { readonly size: number; readonly sha256: string; readonly mediaType: string };
}

export interface PlannedJob extends ChosenJob {
  readonly directory: string;
  /** By host. */
  readonly hostDirectories: ReadonlyMap<string, string>;
  readonly parts: readonly PullPart[];
}

export interface PlanOptions {
  /** Empty: all that there are. */
  readonly formats: readonly PullFormat[];
  readonly scope: 'all' | 'hosts' | 'merged';
  /** Of this program: another one may write other files. */
  readonly version: string;
}

/** What agents make of a perf.data that they keep. */
const RAW_STACKS = 'perf-script.txt';
const RAW_RECORDING = 'perf.data';

/** @param earlier what an earlier pull took of this job: it is kept up to date, whatever is asked for now */
export function planJob(chosen: ChosenJob, earlier: readonly ManifestPart[], options: PlanOptions): PlannedJob {
  const { job, runs, hosts } = chosen;
  const directory = job.id;
  const names = fileNames(runs.map(({ host }) => host));
  const hostDirectories = new Map([...names].map(([host, name]) => [host, `${directory}/hosts/${name}`]));
  const all = [
    ...wholeParts(chosen, options.version),
    ...runs.flatMap((run) => hostParts(job, run, hostDirectories.get(run.host) ?? directory, options.version)),
  ];
  const known = new Set(earlier.map((part) => partKey(part)));
  // Merged files are of all hosts: they are no answer to a question about some.
  const isOfAll = hosts.size === new Set(runs.map(({ host }) => host)).size || options.scope === 'merged';
  const isWanted = ({ run, format }: PullPart): boolean => {
    if (options.formats.length > 0 && format !== 'job' && !options.formats.includes(format)) return false;
    if (format === 'job') return true;
    return run === undefined ? options.scope !== 'hosts' && isOfAll : options.scope !== 'merged' && hosts.has(run.host);
  };
  return {
    ...chosen,
    directory,
    hostDirectories,
    parts: all.filter((part) => known.has(keyOf(part)) || isWanted(part)),
  };
}

/** One per job. */
export function partKey({ host, format, name }: Pick<ManifestPart, 'host' | 'format' | 'name'>): string {
  return JSON.stringify([host, format, name]);
}

export function keyOf({ run, format, name }: PullPart): string {
  return partKey({ host: run?.host ?? null, format, name });
}

function wholeParts({ job, runs }: ChosenJob, version: string): PullPart[] {
  const { spec } = job.request;
  const state = [job.id, job.state, job.ended, runs.map(stateOf)];
  const formats: readonly PullFormat[] = ['job', 'report', ...formatsOf(spec)];
  return formats.map((format) => ({
    ...{ job, run: undefined, format, name: '', fileName: '', recipe: recipeOf([version, format, state]) },
    directory: format === 'job' || format === 'report' ? job.id : `${job.id}/merged`,
  }));
}

function hostParts(job: Job, run: HostRun, directory: string, version: string): PullPart[] {
  const { spec } = job.request;
  const same = { job, run };
  const state = [job.id, stateOf(run)];
  const formats = [...formatsOf(spec), ...(givesOf(spec).histograms === 'never' ? [] : (['text'] as const))];
  const isTimed = partsOf(spec).some((part) => 'detail' in part && part.detail.keepTimestamps);
  const made = run.sequence === 0 ? [] : isTimed ? [...formats, 'perf-script' as const] : formats;
  const stacks = isTimed ? undefined : stacksOf(run);
  const raw = run.artifacts.filter(({ name }) => name !== stacks?.name);
  const names = fileNames(raw.map(({ name }) => name));
  return [
    ...made.map((format) => ({
      ...{ ...same, format, name: '', fileName: '', recipe: recipeOf([version, format, state]), directory },
    })),
    ...(stacks === undefined
      ? []
      : [
          {
            ...same,
            format: 'perf-script' as const,
            fileName: '',
            recipe: recipeOf(['stacks', state]),
            directory,
            ...stacks,
          },
        ]),
    ...raw.map((artifact) => ({
      ...{ ...same, format: 'raw' as const, name: artifact.name, directory: `${directory}/raw` },
      fileName: names.get(artifact.name) ?? '',
      ...{ recipe: recipeOf(['raw', artifact.size, artifact.sha256]), expected: artifact },
    })),
  ];
}

/** Single samples as text: kept by the agent, or made by it of the perf.data that it keeps. */
function stacksOf({ artifacts }: HostRun): Pick<PullPart, 'name' | 'expected'> | undefined {
  const kept = artifacts.find(({ name }) => name === RAW_STACKS);
  if (kept !== undefined) return { name: RAW_STACKS, expected: kept };
  return artifacts.some(({ name }) => name === RAW_RECORDING) ? { name: RAW_STACKS } : undefined;
}

/** Of a result, merged or of one host. */
function formatsOf(spec: CaptureSpec): PullFormat[] {
  const { profile, counters, histograms } = givesOf(spec);
  const formats = new Set<PullFormat>();
  const add = (...more: readonly PullFormat[]) => more.forEach((format) => void formats.add(format));
  if (profile !== 'never') add('pprof', 'json', 'folded', 'svg');
  if (counters !== 'never') add('json', 'csv');
  if (histograms !== 'never') add('json', 'csv', 'svg', 'openmetrics');
  return [...formats];
}

function stateOf({ host, state, sequence, started, ended }: HostRun): unknown {
  return [host, state, sequence, started, ended];
}

function recipeOf(ingredients: unknown): string {
  return createHash('sha256').update(JSON.stringify(ingredients)).digest('hex');
}
