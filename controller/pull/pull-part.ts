// One part of a pull: kept where it is there already, made of a result, or fetched from an agent.
import { type Failure, FailureError, fail } from '../../proto/failure.js';
import type { App } from '../api.js';
import { ExportError } from '../export/exporter.js';
import type { EarlierPull } from './earlier-pull.js';
import { fetchFile } from './fetch-file.js';
import type { DonePart } from './journal.js';
import type { ManifestFile, ManifestPart } from './manifest.js';
import type { FileFacts, PullDirectory } from './pull-directory.js';
import { keyOf, type PullPart } from './pull-plan.js';
import { type ResultSource, resultFiles, STACKS_FILE } from './result-files.js';

/** `kept`: it was there already. `resumedAt`: bytes of a file that were there from before. */
export type PartOutcome =
  | { readonly kind: 'kept'; readonly files: readonly ManifestFile[] }
  | {
      readonly kind: 'made';
      readonly files: readonly ManifestFile[];
      readonly changed: number;
      readonly resumedAt: number;
    }
  | { readonly kind: 'failed'; readonly failure: Failure };

export interface PulledPart extends DonePart {
  readonly outcome: PartOutcome;
}

export interface PartTools {
  readonly app: App;
  readonly directory: PullDirectory;
  readonly earlier: EarlierPull;
  readonly signal: AbortSignal;
  /** Told of bytes from agents as they come. */
  readonly onBytes: (bytes: number) => void;
}

/** What an agent or a store cannot give is a value. @throws FailureError 'cancelled', and errors of the file system */
export async function pullPart(part: PullPart, source: ResultSource, tools: PartTools): Promise<PulledPart> {
  const outcome = await outcomeOf(part, source, tools);
  const files = outcome.kind === 'failed' ? [] : outcome.files;
  return { job: part.job.id, part: manifestPart(part, outcome), files, outcome };
}

async function outcomeOf(part: PullPart, source: ResultSource, tools: PartTools): Promise<PartOutcome> {
  const { directory, earlier, signal } = tools;
  try {
    const kept = await keptFiles(directory, earlier, part);
    if (kept !== undefined) return { kind: 'kept', files: kept };
    return await (part.name === '' ? makePart(directory, source, part) : fetchPart(part, tools));
  } catch (error) {
    throwIfStopped(signal);
    if (error instanceof ExportError) return { kind: 'failed', failure: fail('bad-data', error.message).failure };
    if (error instanceof FailureError) return { kind: 'failed', failure: error.failure };
    throw error;
  }
}

async function makePart(directory: PullDirectory, source: ResultSource, part: PullPart): Promise<PartOutcome> {
  const files: ManifestFile[] = [];
  let changed = 0;
  for (const { name, mediaType, parts } of await resultFiles(part.format, source)) {
    const path = `${part.directory}/${name}`;
    const { size, sha256, isChanged } = await directory.write(path, parts);
    if (isChanged) changed++;
    files.push(manifestFile(part, path, { size, sha256 }, mediaType));
  }
  return { kind: 'made', files, changed, resumedAt: 0 };
}

async function fetchPart(part: PullPart, { app, directory, signal, onBytes }: PartTools): Promise<PartOutcome> {
  const { job, run, name, expected } = part;
  const file = placeOf(part);
  const { resumedAt, ...facts } = await fetchFile(
    app,
    directory,
    { jobId: job.id, host: run?.host ?? '', name, file, expected },
    { signal, onBytes },
  );
  const mediaType = expected?.mediaType ?? 'text/plain; charset=utf-8';
  return { kind: 'made', files: [manifestFile(part, file, facts, mediaType)], changed: 1, resumedAt };
}

/** Those of an earlier pull, if they were made of the same and are unchanged; also a whole file whose hash is known beforehand. */
export async function keptFiles(
  directory: PullDirectory,
  earlier: EarlierPull,
  part: PullPart,
): Promise<readonly ManifestFile[] | undefined> {
  if (earlier.isForgotten) return undefined;
  const { expected } = part;
  if (expected !== undefined) {
    const file = placeOf(part);
    const facts = await directory.facts(file);
    const isWhole = facts?.size === expected.size && facts.sha256 === expected.sha256;
    return isWhole ? [manifestFile(part, file, facts, expected.mediaType)] : undefined;
  }
  const known = earlier.find(part.job.id, keyOf(part));
  if (known === undefined || known.part.recipe !== part.recipe || known.part.failure !== undefined) return undefined;
  for (const { path, size, sha256 } of known.files) {
    const facts = await directory.facts(path);
    if (facts?.size !== size || facts.sha256 !== sha256) return undefined;
  }
  return known.files;
}

/** Where the file of an agent goes. */
export function placeOf({ format, directory, fileName }: PullPart): string {
  return `${directory}/${format === 'perf-script' ? STACKS_FILE : fileName}`;
}

function manifestPart(part: PullPart, outcome: PartOutcome): ManifestPart {
  const { run, format, name, recipe } = part;
  const files = outcome.kind === 'failed' ? [] : outcome.files.map(({ path }) => path);
  const failure = outcome.kind === 'failed' ? { failure: { ...outcome.failure } } : {};
  return { host: run?.host ?? null, format, name, recipe, files, ...failure };
}

function manifestFile(
  { job, run, format }: PullPart,
  path: string,
  { size, sha256 }: FileFacts,
  mediaType: string,
): ManifestFile {
  return { path, size, sha256, mediaType, job: job.id, host: run?.host ?? null, format };
}

export function throwIfStopped(signal: AbortSignal): void {
  if (!signal.aborted) return;
  if (signal.reason instanceof FailureError) throw signal.reason;
  throw fail(
    'cancelled',
    'the pull was interrupted; what has come is kept',
    'the same command again goes on from there',
  );
}
