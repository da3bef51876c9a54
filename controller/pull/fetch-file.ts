// A file that an agent keeps, byte by byte into the directory: gone on with where an earlier attempt ended, and checked before it appears.
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { FailureError, fail } from '../../proto/failure.js';
import type { App } from '../api.js';
import { type FileFacts, hashInto, type PullDirectory } from './pull-directory.js';

export interface WantedFile {
  readonly jobId: string;
  readonly host: string;
  readonly name: string;
  /** Where it goes. */
  readonly file: string;
  /** Undefined where only the agent's answer says it. */
  readonly expected: FileFacts | undefined;
}

export interface FetchOptions {
  readonly signal: AbortSignal;
  /** Told of bytes as they come. */
  readonly onBytes: (bytes: number) => void;
}

export interface FetchedFile extends FileFacts {
  /** Bytes that were there from an earlier attempt. */
  readonly resumedAt: number;
}

/** What says that the bytes so far are not those of this file. */
const notOurs = new Set(['bad-data', 'bad-request']);

/**
 * What an earlier attempt left is used unless it turns out to be broken; then all of it is fetched anew, once.
 * @throws FailureError of the app, and 'bad-data' when what comes is damaged; what came before a connection broke stays for the next attempt
 */
export async function fetchFile(
  app: App,
  directory: PullDirectory,
  wanted: WantedFile,
  options: FetchOptions,
): Promise<FetchedFile> {
  for (;;) {
    const handle = await directory.openPartial(wanted.file);
    let resumedAt = 0;
    let hasCome = false;
    try {
      const there = (await handle.stat()).size;
      if (there > (wanted.expected?.size ?? Number.MAX_SAFE_INTEGER)) await handle.truncate(0);
      else resumedAt = there;
      const facts = await fetchRest(app, wanted, handle, options);
      hasCome = true;
      await handle.sync();
      await directory.complete(wanted.file);
      return { ...facts, resumedAt };
    } catch (error) {
      options.signal.throwIfAborted();
      const isBroken = error instanceof FailureError && notOurs.has(error.failure.code);
      if (isBroken) await handle.truncate(0);
      if (!isBroken || resumedAt === 0) throw error;
    } finally {
      const isEmpty = !hasCome && (await handle.stat()).size === 0;
      await handle.close();
      if (isEmpty) await directory.removePartial(wanted.file);
    }
  }
}

async function fetchRest(app: App, wanted: WantedFile, handle: FileHandle, options: FetchOptions): Promise<FileFacts> {
  const { jobId, host, name, expected } = wanted;
  const hash = createHash('sha256');
  let size = await hashInto(hash, handle);
  let told = expected;
  const isWhole = (): boolean => expected !== undefined && size === expected.size && size > 0;
  // When nothing is left to be asked for, its hash says whether it is right; also where a server breaks off behind the last byte.
  try {
    for await (const { data, end } of isWhole() ? [] : app.fetchArtifact(jobId, host, name, size, options.signal)) {
      options.signal.throwIfAborted();
      if (expected !== undefined && size + data.length > expected.size) {
        throw damaged(wanted, `it is longer than the ${expected.size} bytes that the capture made`);
      }
      hash.update(data);
      await writeAt(handle, data, size);
      size += data.length;
      options.onBytes(data.length);
      told ??= end;
    }
  } catch (error) {
    if (!(error instanceof FailureError) || options.signal.aborted || !isWhole()) throw error;
  }
  const sha256 = hash.digest('hex');
  if (told === undefined) throw fail('lost', `${name} of ${host} broke off after ${size} bytes`, 'pull again');
  if (size !== told.size) throw damaged(wanted, `it has ${size} bytes, not ${told.size}`);
  if (sha256 !== told.sha256) throw damaged(wanted, `its SHA-256 is ${sha256}, not ${told.sha256}`);
  return { size, sha256 };
}

/** A write may take less than it is given. */
async function writeAt(handle: FileHandle, data: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < data.length; ) {
    const { bytesWritten } = await handle.write(data, done, data.length - done, position + done);
    done += bytesWritten;
  }
}

function damaged({ host, name }: WantedFile, how: string): FailureError {
  return fail('bad-data', `${name} of ${host} arrived damaged: ${how}`, 'pull again');
}
