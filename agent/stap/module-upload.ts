// Takes in a kernel module that was compiled elsewhere, piece by piece; what was there before an interruption counts.
import { createHash } from 'node:crypto';
import { open, readFile, rename, rm, stat } from 'node:fs/promises';
import type { ModuleUpload } from '../../proto/capture.js';
import { fail } from '../../proto/failure.js';
import { MAX_MODULE_BYTES, MAX_MODULE_PART_BYTES } from '../../proto/stap-codec.js';
import { hasCode, writeFailure } from '../spool/file-error.js';
import { readModuleFacts } from './module-file.js';
import { ModuleStore } from './module-store.js';
import { stapDirectory } from './stap-directory.js';

/** One after the other, module by module: two controllers may send the same one. */
const underWay = new Map<string, Promise<unknown>>();

/**
 * @returns bytes that are here now; `size` once the module is complete
 * @throws FailureError `bad-request` for what no upload can be, `bad-data` when the whole is not what it should be, `exhausted`
 */
export async function putModule(stateDirectory: string, upload: ModuleUpload): Promise<number> {
  checkUpload(upload);
  const before = underWay.get(upload.sha256) ?? Promise.resolve();
  const turn = before.then(() => take(stateDirectory, upload));
  const settled = turn.catch(() => undefined);
  underWay.set(upload.sha256, settled);
  try {
    return await turn;
  } finally {
    if (underWay.get(upload.sha256) === settled) underWay.delete(upload.sha256);
  }
}

function checkUpload({ sha256, size, offset, data }: ModuleUpload): void {
  const wrong = (message: string) => fail('bad-request', `the upload of a module ${message}`, 'update the controller');
  if (!/^[0-9a-f]{64}$/.test(sha256)) throw wrong('is not named by a SHA-256');
  if (!Number.isSafeInteger(size) || size < 1 || size > MAX_MODULE_BYTES) {
    throw wrong(`of ${size} bytes is not of 1 to ${MAX_MODULE_BYTES} bytes`);
  }
  if (data.length > MAX_MODULE_PART_BYTES) throw wrong(`has a part of more than ${MAX_MODULE_PART_BYTES} bytes`);
  if (!Number.isSafeInteger(offset) || offset < 0 || offset + data.length > size) {
    throw wrong(`has a part from ${offset} to ${offset + data.length} of ${size} bytes`);
  }
}

async function take(stateDirectory: string, { sha256, size, offset, data }: ModuleUpload): Promise<number> {
  const store = new ModuleStore(stapDirectory(stateDirectory).uploaded);
  if ((await store.sizeOf(sha256)) === size) return size;
  try {
    await store.prepare();
    const part = store.partPath(sha256);
    const there = await partSize(part, size);
    // Not where we are: the sender is told how far that is.
    if (offset !== there || data.length === 0) return there;
    await append(part, data, there);
    const received = there + data.length;
    if (received < size) {
      await store.trim(sha256);
      return received;
    }
    await complete(store, sha256, part);
    return size;
  } catch (error) {
    if (hasCode(error, 'ENOSPC', 'EDQUOT', 'EACCES', 'EROFS')) throw writeFailure('cannot keep the module', error);
    throw error;
  }
}

/** A part that is longer than the module is none of it. */
async function partSize(part: string, size: number): Promise<number> {
  try {
    const there = (await stat(part)).size;
    if (there < size) return there;
    await rm(part, { force: true });
    return 0;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return 0;
    throw error;
  }
}

async function append(part: string, data: Uint8Array, at: number): Promise<void> {
  const file = await open(part, at === 0 ? 'w' : 'r+', 0o600);
  try {
    for (let written = 0; written < data.length; ) {
      written += (await file.write(data, written, data.length - written, at + written)).bytesWritten;
    }
  } finally {
    await file.close();
  }
}

/** Nothing is loaded into a kernel that is not what was announced. */
async function complete(store: ModuleStore, sha256: string, part: string): Promise<void> {
  const bytes = await readFile(part);
  try {
    const found = createHash('sha256').update(bytes).digest('hex');
    if (found !== sha256) {
      throw fail('bad-data', `the module arrived with SHA-256 ${found}, not ${sha256}`, 'send it again');
    }
    readModuleFacts(bytes, `the module ${sha256}`);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
  await rename(part, store.path(sha256));
  await store.trim(sha256);
}
