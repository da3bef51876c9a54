// The end of a pull: the manifest over all that is in the directory, its signature, and SHA256SUMS for `sha256sum -c`.
import { createHash } from 'node:crypto';
import type { HostRun, Job } from '../api.js';
import { missingOf } from './completeness.js';
import {
  CERTIFICATE,
  CHECKSUMS,
  checksumText,
  MANIFEST,
  type Manifest,
  type ManifestJob,
  type ManifestPart,
  manifestText,
  SIGNATURE,
} from './manifest.js';
import type { PullDirectory } from './pull-directory.js';
import type { PartOutcome, PulledPart } from './pull-part.js';
import type { PlannedJob } from './pull-plan.js';

/** Who signs manifests. */
export interface Signing {
  /** The common name of the certificate. */
  readonly name: string;
  /** PEM, as Node writes it. */
  readonly certificate: string;
  /** Lower-case hex, of the DER certificate. */
  readonly certificateSha256: string;
  sign(data: Uint8Array): Uint8Array;
}

export interface PullResult {
  readonly manifest: Manifest;
  /** Of this pull. */
  readonly jobs: readonly ManifestJob[];
  readonly outcomes: readonly PartOutcome[];
}

export interface ManifestFacts {
  readonly puller: string;
  readonly from: string;
  readonly version: string;
  readonly signing: Signing | undefined;
  readonly now: () => number;
}

export async function finishPull(
  directory: PullDirectory,
  before: Manifest | undefined,
  planned: readonly PlannedJob[],
  done: readonly PulledPart[],
  facts: ManifestFacts,
): Promise<PullResult> {
  const time = facts.now();
  const partsOf = new Map<string, ManifestPart[]>(planned.map(({ job }) => [job.id, []]));
  for (const { job, part } of done) partsOf.get(job)?.push(part);
  const jobs = planned.map((one) => manifestJob(one, partsOf.get(one.job.id) ?? [], facts, time));
  const isPulled = new Set(jobs.map(({ id }) => id));
  const others = (before?.jobs ?? []).filter(({ id }) => !isPulled.has(id));
  const files = [
    ...(before?.files ?? []).filter((file) => !isPulled.has(file.job)),
    ...done.flatMap((part) => part.files),
  ].sort((a, b) => (a.path < b.path ? -1 : 1));
  const { signing, version } = facts;
  const all = [...others, ...jobs].sort((a, b) => a.created - b.created || (a.id < b.id ? -1 : 1));
  const manifest: Manifest = {
    ...{ format: 'perftrawl-pull', version: 1, program: `perftrawl ${version}`, written: time },
    isComplete: all.every(({ isComplete }) => isComplete),
    ...(signing === undefined
      ? {}
      : { signer: { name: signing.name, certificateSha256: signing.certificateSha256, time } }),
    ...{ jobs: all, files },
  };
  await removeStale(directory, before, manifest);
  await writeManifest(directory, manifest, signing);
  return { manifest, jobs, outcomes: done.map(({ outcome }) => outcome) };
}

/** Files of this program that an earlier pull made and this one did not: of a result that has changed since. */
async function removeStale(directory: PullDirectory, before: Manifest | undefined, now: Manifest): Promise<void> {
  const wanted = new Set(now.files.map(({ path }) => path));
  for (const { path } of before?.files ?? []) if (!wanted.has(path)) await directory.remove(path);
}

async function writeManifest(
  directory: PullDirectory,
  manifest: Manifest,
  signing: Signing | undefined,
): Promise<void> {
  const text = Buffer.from(manifestText(manifest));
  const own: { path: string; sha256: string }[] = [];
  const write = async (path: string, data: Uint8Array): Promise<void> => {
    await directory.write(path, [data]);
    own.push({ path, sha256: createHash('sha256').update(data).digest('hex') });
  };
  await write(MANIFEST, text);
  if (signing === undefined) {
    await directory.remove(SIGNATURE);
    await directory.remove(CERTIFICATE);
  } else {
    await write(SIGNATURE, signing.sign(text));
    await write(CERTIFICATE, Buffer.from(signing.certificate));
  }
  await directory.write(CHECKSUMS, [checksumText([...manifest.files, ...own])]);
}

function manifestJob(
  { job, runs, directory, hostDirectories }: PlannedJob,
  parts: readonly ManifestPart[],
  { puller, from, version }: ManifestFacts,
  time: number,
): ManifestJob {
  const missing = missingOf(job, runs, parts);
  return {
    ...{ id: job.id, directory, state: job.state, created: job.created, ended: job.ended },
    request: requestOf(job),
    ...{ isComplete: missing.length === 0, missing },
    pulled: { time, by: puller, from, version },
    hosts: runs.map((run) => hostOf(job, run, hostDirectories.get(run.host) ?? directory)),
    parts: [...parts],
  };
}

/** How hosts are reached is nobody's business elsewhere; who they are is told host by host. */
function requestOf({ request }: Job): Record<string, unknown> {
  const { hosts: _, buildHost, ...rest } = request;
  return { ...rest, ...(buildHost === undefined ? {} : { buildHost: buildHost.name }) };
}

function hostOf(job: Job, run: HostRun, directory: string): ManifestJob['hosts'][number] {
  const { jobId: _1, delivery: _2, host, failure, cost, captureState, module, ...rest } = run;
  const labels = job.request.hosts.find(({ name }) => name === host)?.labels ?? {};
  return { host, directory, labels, ...rest, ...definedOf({ failure, cost, captureState, module }) };
}

/** JSON has no undefined: an absent value is left out. */
function definedOf(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
