// What earlier pulls have left in a directory: their manifest, and what one that was broken off had done since.
import { FailureError, fail } from '../../proto/failure.js';
import { LOCK } from './directory-lock.js';
import { type DonePart, JOURNAL, readJournal } from './journal.js';
import {
  MANIFEST,
  type Manifest,
  type ManifestFile,
  type ManifestPart,
  mostManifestBytes,
  parseManifest,
} from './manifest.js';
import type { PullDirectory } from './pull-directory.js';
import { partKey } from './pull-plan.js';

export interface EarlierPull {
  /** As it was written; undefined at first. */
  readonly manifest: Manifest | undefined;
  /** Nothing of it is taken for granted. */
  readonly isForgotten: boolean;
  /** Of a job, whether they are still right or not. */
  partsOf(job: string): readonly ManifestPart[];
  find(job: string, key: string): { readonly part: ManifestPart; readonly files: readonly ManifestFile[] } | undefined;
}

/**
 * @param isForced everything is to be made anew, whatever is there
 * @throws FailureError 'conflict' for a directory that holds something else, 'bad-data' for a manifest that cannot be read
 */
export async function readEarlier(directory: PullDirectory, isForced: boolean): Promise<EarlierPull> {
  const manifest = await readManifest(directory, isForced);
  const journal = await readJournal(directory);
  if (!isForced && manifest === undefined) await refuseOthers(directory);
  const jobs = new Map<string, Map<string, Pick<DonePart, 'part' | 'files'>>>();
  const note = ({ job, part, files }: DonePart): void => {
    const parts = jobs.get(job) ?? new Map();
    jobs.set(job, parts.set(partKey(part), { part, files }));
  };
  const files = new Map(manifest?.files.map((file) => [file.path, file]));
  for (const { id, parts } of manifest?.jobs ?? []) {
    for (const part of parts) {
      const its = part.files.flatMap((path) => files.get(path) ?? []);
      // A manifest that does not list what a part has made says nothing about it.
      if (its.length === part.files.length) note({ job: id, part, files: its });
    }
  }
  journal.forEach(note);
  return {
    ...{ manifest, isForgotten: isForced },
    partsOf: (job) => [...(jobs.get(job)?.values() ?? [])].map(({ part }) => part),
    find: (job, key) => jobs.get(job)?.get(key),
  };
}

/** One that cannot be read is none where everything is made anew. */
async function readManifest(directory: PullDirectory, isForced: boolean): Promise<Manifest | undefined> {
  try {
    const text = await directory.read(MANIFEST, mostManifestBytes);
    return text === undefined ? undefined : parseManifest(text.toString('utf8'), `${directory.root}/${MANIFEST}`);
  } catch (error) {
    if (isForced && error instanceof FailureError) return undefined;
    throw error;
  }
}

async function refuseOthers(directory: PullDirectory): Promise<void> {
  const names = await directory.names();
  if (names.includes(JOURNAL)) return;
  const others = names.filter((name) => name !== LOCK);
  if (others.length === 0) return;
  throw fail(
    'conflict',
    `${directory.root} is not empty, and what is in it was not pulled`,
    'choose another directory, or pull into this one all the same with --force',
  );
}
