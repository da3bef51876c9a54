// The directory that results are pulled into: files appear in it whole, nothing outside of it is touched, links in it are not followed.
import { createHash, type Hash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { fail } from '../../proto/failure.js';
import { makePrivateDirectory } from '../directories.js';

export interface FileFacts {
  readonly size: number;
  /** Lower-case hex. */
  readonly sha256: string;
}

export type FileParts = Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>;

/** Whoever looks finds regular files, or this says what is in the way. */
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const CONTINUE = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const blockBytes = 256 * 1024;

/** Paths are relative, as `isInnerPath` has them. Errors of the file system are thrown as they are. */
export class PullDirectory {
  readonly root: string;

  constructor(root: string) {
    this.root = path.resolve(root);
  }

  /** Where it is missing, for its owner alone. */
  make(): void {
    makePrivateDirectory(this.root);
  }

  /** Names in it, in order; none when there is no such directory. */
  async names(): Promise<readonly string[]> {
    try {
      return (await readdir(this.root)).sort();
    } catch (error) {
      if (isCode(error, 'ENOENT')) return [];
      throw error;
    }
  }

  /** Whether others than its owner may change what is in it. */
  async isWritableByOthers(): Promise<boolean> {
    return ((await lstat(`${this.root}/.`)).mode & 0o022) !== 0;
  }

  /** Undefined when there is no such file. @throws FailureError 'conflict' when something else is there */
  async facts(file: string): Promise<FileFacts | undefined> {
    const handle = await this.#open(file, READ);
    if (handle === undefined) return undefined;
    try {
      const hash = createHash('sha256');
      const size = await hashInto(hash, handle);
      return { size, sha256: hash.digest('hex') };
    } finally {
      await handle.close();
    }
  }

  /** Undefined when there is no such file. @throws FailureError 'exhausted' for more than `most` bytes */
  async read(file: string, most: number): Promise<Buffer | undefined> {
    const handle = await this.#open(file, READ);
    if (handle === undefined) return undefined;
    try {
      const { size } = await handle.stat();
      if (size > most) throw fail('exhausted', `${this.#place(file)} has ${size} bytes, more than ${most}`);
      return await handle.readFile();
    } finally {
      await handle.close();
    }
  }

  /** Replaces the file when all parts are written, and leaves an equal one alone. */
  async write(file: string, parts: FileParts): Promise<FileFacts & { readonly isChanged: boolean }> {
    await this.#makeParent(file);
    const partial = partialOf(file);
    await this.remove(partial);
    const handle = await open(this.#place(partial), CREATE, 0o600);
    const hash = createHash('sha256');
    let size = 0;
    try {
      for await (const block of blocks(parts)) {
        hash.update(block);
        size += block.length;
        await handle.writeFile(block);
      }
      await handle.close();
      const sha256 = hash.digest('hex');
      const there = await this.facts(file);
      const isChanged = there?.sha256 !== sha256 || there.size !== size;
      if (isChanged) await rename(this.#place(partial), this.#place(file));
      else await this.remove(partial);
      return { size, sha256, isChanged };
    } catch (error) {
      await handle.close();
      await this.remove(partial);
      throw error;
    }
  }

  /** What there is of a file that is not whole yet, to be gone on with; empty at first. */
  async openPartial(file: string): Promise<FileHandle> {
    await this.#makeParent(file);
    const partial = partialOf(file);
    const handle = await open(this.#place(partial), CONTINUE, 0o600).catch((error: unknown) => {
      throw this.#inTheWay(partial, error);
    });
    const stats = await handle.stat();
    // A second name of it would be a file elsewhere that is written to.
    if (stats.isFile() && stats.nlink === 1) return handle;
    await handle.close();
    throw this.#inTheWay(partial);
  }

  /** Bytes of a file that is not whole yet. */
  async partialSize(file: string): Promise<number> {
    const handle = await this.#open(partialOf(file), READ);
    if (handle === undefined) return 0;
    try {
      return (await handle.stat()).size;
    } finally {
      await handle.close();
    }
  }

  /** The partial file becomes the file. */
  async complete(file: string): Promise<void> {
    await rename(this.#place(partialOf(file)), this.#place(file));
  }

  async removePartial(file: string): Promise<void> {
    await this.remove(partialOf(file));
  }

  /** Nothing happens when it is not there. */
  async remove(file: string): Promise<void> {
    if (await this.#hasParent(file)) await rm(this.#place(file), { force: true });
  }

  /** To be added to; made where it is missing. */
  async openLog(file: string): Promise<FileHandle> {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW;
    return open(this.#place(file), flags | constants.O_NONBLOCK, 0o600).catch((error: unknown) => {
      throw this.#inTheWay(file, error);
    });
  }

  /** False when there is such a file already. */
  async create(file: string, text: string): Promise<boolean> {
    try {
      const handle = await open(this.#place(file), CREATE, 0o600);
      await handle.writeFile(text).finally(() => handle.close());
      return true;
    } catch (error) {
      if (isCode(error, 'EEXIST')) return false;
      throw error;
    }
  }

  async #open(file: string, flags: number): Promise<FileHandle | undefined> {
    if (!(await this.#hasParent(file))) return undefined;
    let handle: FileHandle;
    try {
      handle = await open(this.#place(file), flags);
    } catch (error) {
      if (isCode(error, 'ENOENT')) return undefined;
      throw this.#inTheWay(file, error);
    }
    if ((await handle.stat()).isFile()) return handle;
    await handle.close();
    throw this.#inTheWay(file);
  }

  #place(file: string): string {
    return path.join(this.root, file);
  }

  async #makeParent(file: string): Promise<void> {
    for (const directory of parentsOf(file)) {
      await mkdir(this.#place(directory), { mode: 0o700 }).catch((error: unknown) => {
        if (!isCode(error, 'EEXIST')) throw error;
      });
      if (!(await lstat(this.#place(directory))).isDirectory()) throw this.#inTheWay(directory);
    }
  }

  async #hasParent(file: string): Promise<boolean> {
    for (const directory of parentsOf(file)) {
      try {
        if (!(await lstat(this.#place(directory))).isDirectory()) throw this.#inTheWay(directory);
      } catch (error) {
        if (isCode(error, 'ENOENT')) return false;
        throw error;
      }
    }
    return true;
  }

  /** A link, a device, a second name of another file: what a pull does not make and does not touch. */
  #inTheWay(file: string, error?: unknown): unknown {
    if (error !== undefined && !isCode(error, 'ELOOP') && !isCode(error, 'EISDIR') && !isCode(error, 'ENXIO')) {
      return error;
    }
    const message = `${this.#place(file)} is in the way: it is no file of its own, and was not made by a pull`;
    return fail('conflict', message, 'look at it, then remove it or choose another directory', error);
  }
}

/** Reads from where the file begins. Returns its size. */
export async function hashInto(hash: Hash, handle: FileHandle): Promise<number> {
  const buffer = Buffer.alloc(blockBytes);
  let at = 0;
  for (;;) {
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) return at;
    hash.update(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
}

/** Many small parts are one write. */
async function* blocks(parts: FileParts): AsyncGenerator<Buffer> {
  let waiting: Buffer[] = [];
  let size = 0;
  for await (const part of parts) {
    const bytes = Buffer.from(part);
    waiting.push(bytes);
    size += bytes.length;
    if (size < blockBytes) continue;
    yield Buffer.concat(waiting);
    waiting = [];
    size = 0;
  }
  if (size > 0) yield Buffer.concat(waiting);
}

function partialOf(file: string): string {
  return `${file}.part`;
}

/** `a`, `a/b` of `a/b/c`. */
function parentsOf(file: string): string[] {
  const segments = file.split('/').slice(0, -1);
  return segments.map((_, i) => segments.slice(0, i + 1).join('/'));
}

export function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
