// Whether a pulled directory is what its manifest says: each file present and unchanged, nothing besides, and signed by whom one trusts.
import { createHash } from 'node:crypto';
import { opendir } from 'node:fs/promises';
import path from 'node:path';
import { FailureError, fail } from '../../proto/failure.js';
import { fanOut } from '../jobs/fan-out.js';
import {
  CERTIFICATE,
  CHECKSUMS,
  checksumText,
  MANIFEST,
  type Manifest,
  mostManifestBytes,
  parseManifest,
  SIGNATURE,
} from './manifest.js';
import { isCode, PullDirectory } from './pull-directory.js';
import { checkSignature, type SignatureState, type Trust } from './signature-check.js';

export interface Verdict {
  readonly state: 'sound' | 'damaged' | 'untrusted';
  /** Undefined when it cannot be read. */
  readonly manifest: Manifest | undefined;
  readonly problems: readonly FileProblem[];
  readonly signature: SignatureState;
}

export interface FileProblem {
  /** `extra`: it is not in the manifest. `unfinished`: a pull was broken off. `unreadable`: it is no file, or may not be read. */
  readonly kind: 'missing' | 'changed' | 'extra' | 'unfinished' | 'unreadable';
  readonly path: string;
  readonly detail: string;
}

/** Read at the same time. */
const filesAtOnce = 4;
/** More files are said to be too many; a pull of a thousand hosts has some 20,000. */
const mostFiles = 1_000_000;
const mostDepth = 16;
const mostSignatureBytes = 64 * 1024;

/** Trust says nothing about files that are damaged, nor the other way round: the state is the worse of both. */
export async function verifyDirectory(root: string, trust: Trust, signal: AbortSignal): Promise<Verdict> {
  const directory = new PullDirectory(root);
  const found = await filesOf(directory);
  const own = await ownFile(directory, MANIFEST, mostManifestBytes);
  if (own.problem !== undefined) return unreadable(own.problem);
  const read = readManifest(own.bytes);
  if (read.problem !== undefined) return unreadable(read.problem);
  const { manifest } = read;
  const signing =
    manifest.signer === undefined
      ? []
      : [
          await ownFile(directory, SIGNATURE, mostSignatureBytes),
          await ownFile(directory, CERTIFICATE, mostSignatureBytes),
        ];
  const sums = await ownFile(directory, CHECKSUMS, mostManifestBytes);
  const problems = [
    ...(await changes(directory, manifest, signal)),
    ...[...signing, sums].flatMap(({ problem }) => problem ?? []),
    ...(sums.problem === undefined ? checksumProblems(manifest, sums.bytes, [own, ...signing]) : []),
    ...extras(found, manifest),
  ].sort((a, b) => (a.path < b.path ? -1 : 1));
  const [signature, certificate] = signing.map(({ bytes }) => bytes);
  const state = checkSignature(manifest, { manifest: own.bytes, signature, certificate }, trust);
  return {
    state: problems.length > 0 ? 'damaged' : state.state === 'untrusted' ? 'untrusted' : 'sound',
    ...{ manifest, problems, signature: state },
  };
}

/** Without a manifest nothing says what should be there. */
function unreadable(problem: FileProblem): Verdict {
  return { state: 'damaged', manifest: undefined, problems: [problem], signature: { state: 'none' } };
}

type OwnFile =
  | { readonly path: string; readonly bytes: Buffer; readonly problem?: undefined }
  | { readonly path: string; readonly bytes?: undefined; readonly problem: FileProblem };

/** One of those beside the results. */
async function ownFile(directory: PullDirectory, file: string, most: number): Promise<OwnFile> {
  try {
    const bytes = await directory.read(file, most);
    if (bytes !== undefined) return { path: file, bytes };
    return { path: file, problem: { kind: 'missing', path: file, detail: '' } };
  } catch (error) {
    return { path: file, problem: { kind: 'unreadable', path: file, detail: readingProblem(error) } };
  }
}

type ReadManifest =
  | { readonly manifest: Manifest; readonly problem?: undefined }
  | { readonly manifest?: undefined; readonly problem: FileProblem };

function readManifest(bytes: Buffer): ReadManifest {
  const text = bytes.toString('utf8');
  // What is no UTF-8 would be read as if it were.
  if (!Buffer.from(text).equals(bytes)) return { problem: changed(MANIFEST, 'it is no UTF-8') };
  try {
    return { manifest: parseManifest(text, 'it') };
  } catch (error) {
    if (error instanceof FailureError) return { problem: changed(MANIFEST, error.failure.message) };
    throw error;
  }
}

async function changes(directory: PullDirectory, manifest: Manifest, signal: AbortSignal): Promise<FileProblem[]> {
  const found = await fanOut(manifest.files, filesAtOnce, async (file): Promise<FileProblem[]> => {
    if (signal.aborted) throw fail('cancelled', 'interrupted');
    try {
      const facts = await directory.facts(file.path);
      if (facts === undefined) return [{ kind: 'missing', path: file.path, detail: '' }];
      if (facts.size !== file.size) return [changed(file.path, `it has ${facts.size} bytes, not ${file.size}`)];
      if (facts.sha256 !== file.sha256) return [changed(file.path, 'its SHA-256 is another one')];
      return [];
    } catch (error) {
      return [{ kind: 'unreadable', path: file.path, detail: readingProblem(error) }];
    }
  });
  return found.flat();
}

/** @throws what is no matter of that file */
function readingProblem(error: unknown): string {
  if (error instanceof FailureError) return error.failure.message;
  if (error instanceof Error && ['EACCES', 'EPERM', 'EIO'].some((code) => isCode(error, code))) return error.message;
  throw error;
}

function checksumProblems(manifest: Manifest, sums: Buffer, own: readonly OwnFile[]): FileProblem[] {
  const ofOwn = own.flatMap(({ path: file, bytes }) =>
    bytes === undefined ? [] : [{ path: file, sha256: createHash('sha256').update(bytes).digest('hex') }],
  );
  if (sums.equals(Buffer.from(checksumText([...manifest.files, ...ofOwn])))) return [];
  return [changed(CHECKSUMS, 'it does not say what the manifest says: one of the two was changed')];
}

/** Directories are no content: what is in them counts. */
function extras(found: readonly string[], { files, signer }: Manifest): FileProblem[] {
  const own = [MANIFEST, CHECKSUMS, ...(signer === undefined ? [] : [SIGNATURE, CERTIFICATE])];
  const known = new Set([...own, ...files.map((file) => file.path)]);
  return found.filter((file) => !known.has(file)).map(extra);
}

function extra(file: string): FileProblem {
  const isUnfinished = /\.part$|^\.pull\.(journal|lock)$/.test(file);
  return isUnfinished
    ? { kind: 'unfinished', path: file, detail: 'a pull was broken off here' }
    : { kind: 'extra', path: file, detail: 'it is not in the manifest' };
}

/** All that is no directory. Links are not followed. @throws FailureError 'exhausted', and the error of the file system */
async function filesOf({ root }: PullDirectory): Promise<readonly string[]> {
  const files: string[] = [];
  const walk = async (inner: string, depth: number): Promise<void> => {
    for await (const entry of await opendir(path.join(root, inner))) {
      const place = inner === '' ? entry.name : `${inner}/${entry.name}`;
      if (entry.isDirectory() && depth < mostDepth) await walk(place, depth + 1);
      else files.push(place);
      if (files.length > mostFiles) throw fail('exhausted', `${root} holds more than ${mostFiles} files`);
    }
  };
  await walk('', 0);
  return files;
}

function changed(file: string, detail: string): FileProblem {
  return { kind: 'changed', path: file, detail };
}
