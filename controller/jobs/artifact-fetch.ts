// A raw file from the agent that made it, across broken connections, checked against its SHA-256.
import { createHash } from 'node:crypto';
import type { ArtifactPart } from '../../proto/capture.js';
import { type Failure, fail } from '../../proto/failure.js';
import type { Host, HostRun } from '../api.js';
import type { Clock } from '../clock.js';
import type { Agents } from '../fleet/host-pool.js';
import { callFailure, fetchingRetries, retryDelay } from '../transport/retry.js';

export interface FetchTools {
  readonly agents: Agents;
  readonly clock: Clock;
  readonly random: () => number;
}

/** A file that an agent has, or makes when it is asked for: of such a one size and hash are not known beforehand. */
export interface WantedFile {
  readonly name: string;
  readonly size: number | undefined;
  readonly sha256: string | undefined;
}

/** Agents make the text of `perf script` from the perf.data that they keep. */
const madeOnRequest = { name: 'perf-script.txt', from: 'perf.data' };

/** The artifact of that name. @throws FailureError 'not-found' that says which there are */
export function findArtifact(run: HostRun, name: string): WantedFile {
  const artifact = run.artifacts.find((known) => known.name === name);
  if (artifact !== undefined) return artifact;
  if (name === madeOnRequest.name && run.artifacts.some((known) => known.name === madeOnRequest.from)) {
    return { name, size: undefined, sha256: undefined };
  }
  const names = run.artifacts.map((known) => known.name).join(', ');
  throw fail(
    'not-found',
    `the run of job ${run.jobId} on ${run.host} has no file '${name}'`,
    names === '' ? 'capture with --keep-raw to have perf.data kept' : `it has ${names}`,
  );
}

/**
 * Parts from byte `offset` on. From offset 0 the bytes themselves are checked; from a later one only that the agent still has the same
 * file. The last part comes after the check. @throws FailureError 'bad-data' when the file is another one
 */
export async function* fetchArtifact(
  host: Host,
  captureId: string,
  artifact: WantedFile,
  offset: number,
  signal: AbortSignal,
  tools: FetchTools,
): AsyncGenerator<ArtifactPart> {
  const { agents, clock, random } = tools;
  const { name } = artifact;
  const most = artifact.size ?? Number.POSITIVE_INFINITY;
  if (!Number.isSafeInteger(offset) || offset < 0 || offset > most) {
    throw fail('bad-request', `offset ${offset} is outside of ${name}, which has ${most} bytes`);
  }
  const hash = createHash('sha256');
  let at = offset;
  for (let attempt = 1; ; attempt++) {
    const api = await agents.api(host);
    let broken: Failure;
    try {
      for await (const part of api.fetchArtifact(captureId, name, at, signal)) {
        at += part.data.length;
        attempt = 1;
        if (at > most) throw changed(artifact, `it is longer than ${most} bytes`);
        if (offset === 0) hash.update(part.data);
        if (part.end === undefined) yield { data: part.data };
        else {
          const { size, sha256 } = { size: artifact.size ?? part.end.size, sha256: artifact.sha256 ?? part.end.sha256 };
          if (at !== size) throw changed(artifact, `it ends at byte ${at} of ${size}`);
          if (part.end.sha256 !== sha256 || (offset === 0 && hash.digest('hex') !== sha256)) {
            throw changed(artifact, 'its SHA-256 is another one');
          }
          yield { data: part.data, end: { sha256, size } };
          return;
        }
      }
      broken = fail('unreachable', `the stream of ${name} ended at byte ${at}`).failure;
    } catch (error) {
      broken = callFailure(error, signal);
      const delay = signal.aborted ? undefined : retryDelay(fetchingRetries, broken.code, attempt, random);
      if (delay === undefined) throw error;
    }
    await agents.discard(host, api);
    const delay = retryDelay(fetchingRetries, broken.code, attempt, random);
    if (delay === undefined) throw fail(broken.code, broken.message, broken.remedy);
    if ((await clock.sleep(delay, signal)) === 'aborted') throw fail('cancelled', `fetching ${name}: cancelled`);
  }
}

function changed(artifact: WantedFile, how: string) {
  return fail(
    'bad-data',
    `the agent's ${artifact.name} is not the one that the capture made: ${how}`,
    'throw away what was fetched',
  );
}
