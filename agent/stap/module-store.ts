// A directory of kernel modules, bounded in number and bytes: what was used longest ago goes first.
import { link, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode } from '../spool/file-error.js';
import { makePrivateDirectory } from '../spool/private-directory.js';

export interface ModuleStoreLimits {
  readonly bytes: number;
  readonly files: number;
}

export const STORE_LIMITS: ModuleStoreLimits = { bytes: 512 * 1024 * 1024, files: 64 };

/** Keys are lower-case hex. Several agent processes may use one directory: files appear and go as wholes. */
export class ModuleStore {
  readonly directory: string;
  readonly #limits: ModuleStoreLimits;

  constructor(directory: string, limits: ModuleStoreLimits = STORE_LIMITS) {
    this.directory = directory;
    this.#limits = limits;
  }

  path(key: string): string {
    return join(this.directory, `${key}.ko`);
  }

  /** Of an unfinished one. */
  partPath(key: string): string {
    return join(this.directory, `${key}.part`);
  }

  async prepare(): Promise<void> {
    await makePrivateDirectory(this.directory);
  }

  /** Bytes of the module; undefined when it is not here. */
  async sizeOf(key: string): Promise<number | undefined> {
    return sizeOf(this.path(key));
  }

  /** Give the module another name at `to`, on the same file system; it stays there whatever goes here. False when it is not here. */
  async linkTo(key: string, to: string): Promise<boolean> {
    try {
      const now = new Date();
      await utimes(this.path(key), now, now);
      await link(this.path(key), to);
      return true;
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return false;
      throw error;
    }
  }

  /** Take the file at `from`, on the same file system. */
  async adopt(key: string, from: string): Promise<void> {
    await this.prepare();
    await rename(from, this.path(key));
    await this.trim(key);
  }

  /** Make room; `kept` stays whatever its age. */
  async trim(kept: string): Promise<void> {
    const entries = await this.#entries();
    entries.sort((a, b) => b.used - a.used);
    let bytes = 0;
    let files = 0;
    for (const { name, size } of entries) {
      bytes += size;
      files++;
      const isKept = name === `${kept}.ko` || name === `${kept}.part`;
      if (!isKept && (bytes > this.#limits.bytes || files > this.#limits.files)) {
        await rm(join(this.directory, name), { force: true });
        bytes -= size;
        files--;
      }
    }
  }

  async #entries(): Promise<{ name: string; size: number; used: number }[]> {
    const entries = [];
    for (const name of await readdir(this.directory)) {
      try {
        const { size, mtimeMs } = await stat(join(this.directory, name));
        entries.push({ name, size, used: mtimeMs });
      } catch (error) {
        if (!hasCode(error, 'ENOENT')) throw error;
      }
    }
    return entries;
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}
