// Where histograms come from: a job, or a file of saved stap output, which is read as a job that is deleted again.
import { access, constants } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, resolve } from 'node:path';
import type { HistogramSeries } from '../../profile/histogram-series.js';
import type { FileSpec, Milliseconds } from '../../proto/capture.js';
import { FailureError, fail } from '../../proto/failure.js';
import type { App, Job } from '../api.js';
import type { CommandContext } from './context.js';
import { readLocalFile } from './local-file.js';
import { THIS_MACHINE } from './run-job.js';

export interface HistogramSource {
  /** Id of the job, or name of the file. */
  readonly name: string;
  /** '' for a file. */
  readonly jobId: string;
  /** All hosts, or the one that was asked for. */
  readonly series: HistogramSeries;
  readonly hosts: readonly { readonly host: string; readonly series: HistogramSeries }[];
}

/** For reading a file: it may be large, and the machine slow. */
const FILE_GRACE: Milliseconds = 3_600_000;
/** Looked at before a file is taken for text. */
const HEAD_BYTES = 64 * 1024;

/** @param isByHost whether the hosts are wanted too @throws FailureError that says why there are none */
export async function histogramSource(
  context: CommandContext,
  app: App,
  name: string,
  host: string | undefined,
  isByHost: boolean,
): Promise<HistogramSource> {
  if (!(await isFile(app, name))) {
    const job = await app.job(name);
    return sourceOf(app, job, host, isByHost, { name: job.id, jobId: job.id });
  }
  const job = await readFileAsJob(context, app, name);
  try {
    if (job.state !== 'succeeded') throw await failureOf(app, job);
    return await sourceOf(app, job, host, isByHost, { name: basename(name), jobId: '' });
  } finally {
    await app.deleteJob(job.id);
  }
}

/** A path, or the name of a file that is here and of no job. */
async function isFile(app: App, name: string): Promise<boolean> {
  if (/[/.]/.test(name)) return true;
  try {
    await app.job(name);
    return false;
  } catch (error) {
    const isUnknown = error instanceof FailureError && error.failure.code === 'not-found' && name !== 'last';
    if (!isUnknown || !(await isReadable(name))) throw error;
    return true;
  }
}

async function isReadable(file: string): Promise<boolean> {
  try {
    await access(file, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

async function readFileAsJob(context: CommandContext, app: App, file: string): Promise<Job> {
  const path = resolve(file);
  await refuseBinary(path);
  const detail = { split: 'comm', keepTimestamps: false, lines: false } as const;
  const spec: FileSpec = { kind: 'file', path, format: 'stap-text', detail };
  const job = await app.submit({
    ...{ spec, hosts: [THIS_MACHINE], selectorText: `name=${THIS_MACHINE.name}`, maxParallel: 1 },
    ...{ requester: `${context.io.userName}@${hostname()}`, grace: FILE_GRACE, note: `hist ${file}` },
  });
  return app.run(job.id, { signal: context.io.interrupt.stop, onEvent: () => undefined });
}

/** A perf.data or a program would become one long line of text. @throws FailureError 'bad-data', and what opening throws */
async function refuseBinary(path: string): Promise<void> {
  const head = await readLocalFile(path, HEAD_BYTES);
  if (!head.includes(0)) return;
  throw fail(
    'bad-data',
    `${path} is no text, so nothing that stap printed`,
    'a perf.data is read by `perftrawl import`',
  );
}

async function failureOf(app: App, job: Job): Promise<FailureError> {
  const [run] = await app.hostRuns(job.id);
  return run.failure === undefined ? fail('cancelled', 'reading was stopped') : new FailureError(run.failure);
}

async function sourceOf(
  app: App,
  job: Job,
  host: string | undefined,
  isByHost: boolean,
  names: Pick<HistogramSource, 'name' | 'jobId'>,
): Promise<HistogramSource> {
  const series = await app.histograms(job.id, host);
  if (series === undefined) {
    throw fail(
      'not-found',
      `job ${job.id} has no histograms${host === undefined ? '' : ` of ${host}`}`,
      `\`perftrawl jobs show ${job.id}\` says what it has`,
    );
  }
  const hosts: { host: string; series: HistogramSeries }[] = [];
  for (const run of isByHost ? await app.hostRuns(job.id) : []) {
    if (host !== undefined && run.host !== host) continue;
    const its = await app.histograms(job.id, run.host);
    if (its !== undefined) hosts.push({ host: run.host, series: its });
  }
  return { ...names, series, hosts };
}
