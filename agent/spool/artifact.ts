// Raw files of a capture (perf.data, perf-script.txt) with their SHA-256: written once, then fetched from any offset.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Artifact, ArtifactPart } from '../../proto/capture.js';
import { fail } from '../../proto/failure.js';
import { hasCode, writeFailure } from './file-error.js';
import { makePrivateDirectory } from './private-directory.js';

const PART_BYTES = 512 * 1024;

export interface ArtifactWriter {
  /** @throws FailureError `exhausted` */
  write(data: Uint8Array): Promise<void>;
  /** The file is complete; it can be fetched from now on. */
  finish(): Promise<Artifact>;
  /** Forget what was written. */
  discard(): Promise<void>;
}

/** @throws FailureError `bad-request` for anything but a plain file name */
export function checkArtifactName(name: string): void {
  if (!/^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/.test(name)) {
    throw fail('bad-request', `${JSON.stringify(name.slice(0, 140))} is no name of an artifact`, 'such as perf.data');
  }
}

/** @param reserve throws when the spool may not grow by so many bytes */
export async function createArtifact(
  directory: string,
  name: string,
  mediaType: string,
  reserve: (bytes: number) => void,
): Promise<ArtifactWriter> {
  checkArtifactName(name);
  await makePrivateDirectory(directory);
  const part = join(directory, `${name}.part`);
  const file: FileHandle = await open(part, 'w', 0o600);
  const hash = createHash('sha256');
  let size = 0;
  return {
    async write(data) {
      reserve(data.length);
      hash.update(data);
      try {
        for (let written = 0; written < data.length; ) {
          written += (await file.write(data, written, data.length - written)).bytesWritten;
        }
      } catch (error) {
        throw writeFailure(`cannot write ${name} to the spool`, error);
      }
      size += data.length;
    },
    async finish() {
      await file.sync();
      await file.close();
      const artifact: Artifact = { name, size, sha256: hash.digest('hex'), mediaType };
      await publish(directory, part, artifact);
      return artifact;
    },
    async discard() {
      await file.close();
      await rm(part, { force: true });
    },
  };
}

/** Make an artifact of a file that a tool wrote; the file moves. */
export async function adoptArtifact(
  directory: string,
  name: string,
  mediaType: string,
  path: string,
): Promise<Artifact> {
  checkArtifactName(name);
  await makePrivateDirectory(directory);
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: PART_BYTES })) {
    if (!Buffer.isBuffer(chunk)) continue;
    hash.update(chunk);
    size += chunk.length;
  }
  const artifact: Artifact = { name, size, sha256: hash.digest('hex'), mediaType };
  await publish(directory, path, artifact);
  return artifact;
}

/** Its description, or undefined when there is no such artifact (yet). */
export async function findArtifact(directory: string, name: string): Promise<Artifact | undefined> {
  checkArtifactName(name);
  let text: string;
  try {
    text = await readFile(join(directory, `${name}.json`), 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
  const value: unknown = JSON.parse(text);
  if (typeof value === 'object' && value !== null && 'size' in value && 'sha256' in value && 'mediaType' in value) {
    const { size, sha256, mediaType } = value;
    if (typeof size === 'number' && typeof sha256 === 'string' && typeof mediaType === 'string') {
      return { name, size, sha256, mediaType };
    }
  }
  throw fail('bad-data', `the description of artifact ${name} is damaged`, 'repeat the capture');
}

/** The bytes from `offset` on; the last part says what the whole file is. @throws FailureError `bad-request` */
export async function* readArtifact(
  directory: string,
  artifact: Artifact,
  offset: number,
  signal: AbortSignal,
): AsyncGenerator<ArtifactPart> {
  const { name, size, sha256 } = artifact;
  if (!Number.isSafeInteger(offset) || offset < 0 || offset > size) {
    throw fail('bad-request', `offset ${offset} is outside ${name} of ${size} bytes`, 'begin at 0');
  }
  const path = join(directory, name);
  if ((await stat(path)).size !== size)
    throw fail('bad-data', `${name} changed its size since it was made`, 'repeat the capture');
  const file = await open(path, 'r');
  try {
    for (let at = offset; ; ) {
      signal.throwIfAborted();
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(PART_BYTES), 0, PART_BYTES, at);
      at += bytesRead;
      const data = buffer.subarray(0, bytesRead);
      if (at >= size) return yield { data, end: { sha256, size } };
      if (bytesRead === 0) throw fail('bad-data', `${name} ended at byte ${at} of ${size}`, 'repeat the capture');
      yield { data };
    }
  } finally {
    await file.close();
  }
}

/** The description comes last: an artifact with one is complete. */
async function publish(directory: string, from: string, artifact: Artifact): Promise<void> {
  await rename(from, join(directory, artifact.name));
  const { size, sha256, mediaType } = artifact;
  const description = join(directory, `${artifact.name}.json`);
  await writeFile(`${description}.new`, JSON.stringify({ size, sha256, mediaType }), { mode: 0o600 });
  await rename(`${description}.new`, description);
}
