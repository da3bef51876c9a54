// Compiled SystemTap modules in the data directory: named by what they were made from, checked against their SHA-256, the oldest go first.
import { createHash, randomUUID } from 'node:crypto';
import { chmod, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { makePrivateDirectory } from '../directories.js';

/** A .ko with what has to be known to send it. */
export interface BuiltModule {
  readonly bytes: Uint8Array;
  /** Lower-case hex, of `bytes`. */
  readonly sha256: string;
}

export interface ModuleCacheLimits {
  readonly maxFiles: number;
  readonly maxBytes: number;
}

const defaultLimits: ModuleCacheLimits = { maxFiles: 256, maxBytes: 512 * 1024 ** 2 };

/** Beside KEY.ko. */
const noteSchema = z.object({ sha256: z.string(), size: z.number(), about: z.string() });

/** Several processes may use one directory: files appear whole, and what is missing or damaged is made again. */
export class ModuleCache {
  readonly #directory: string;
  readonly #now: () => number;
  readonly #limits: ModuleCacheLimits;

  constructor(directory: string, now: () => number, limits: ModuleCacheLimits = defaultLimits) {
    this.#directory = directory;
    this.#now = now;
    this.#limits = limits;
  }

  /** @param key lower-case hex */
  async find(key: string): Promise<BuiltModule | undefined> {
    const [module, note] = [this.#file(key, 'ko'), this.#file(key, 'json')];
    const text = await readIfThere(note);
    const bytes = await readIfThere(module);
    if (text === undefined || bytes === undefined) return undefined;
    const sha256 = sha256Of(bytes);
    if (!isNoteOf(text.toString('utf8'), sha256, bytes.length)) {
      await Promise.all([rm(module, { force: true }), rm(note, { force: true })]);
      return undefined;
    }
    const used = this.#now() / 1000;
    await utimes(module, used, used).catch(unlessGone);
    return { bytes, sha256 };
  }

  /** @param about what it is, for a person who looks into the directory */
  async put(key: string, module: BuiltModule, about: string): Promise<void> {
    makePrivateDirectory(this.#directory);
    await chmod(this.#directory, 0o700);
    const note = { sha256: module.sha256, size: module.bytes.length, about };
    // The module first: a note without a module would only be made again, too.
    await this.#write(this.#file(key, 'ko'), module.bytes);
    await this.#write(this.#file(key, 'json'), `${JSON.stringify(note, undefined, 2)}\n`);
    await this.#trim(key);
  }

  async #write(file: string, data: Uint8Array | string): Promise<void> {
    const partial = `${file}.${randomUUID()}.part`;
    try {
      await writeFile(partial, data, { mode: 0o600, flag: 'wx' });
      const used = this.#now() / 1000;
      await utimes(partial, used, used);
      await rename(partial, file);
    } catch (error) {
      await rm(partial, { force: true });
      throw error;
    }
  }

  /** Drop the modules that were not used for the longest time, never `kept`. */
  async #trim(kept: string): Promise<void> {
    const names = (await readdir(this.#directory)).filter((name) => /^[0-9a-f]+\.ko$/.test(name));
    const found: { readonly key: string; readonly size: number; readonly used: number }[] = [];
    for (const name of names) {
      const facts = await stat(path.join(this.#directory, name)).catch(unlessGone);
      if (facts !== undefined) found.push({ key: name.slice(0, -3), size: facts.size, used: facts.mtimeMs });
    }
    found.sort((a, b) => b.used - a.used);
    let files = 0;
    let bytes = 0;
    for (const { key, size } of found) {
      files++;
      bytes += size;
      if (key === kept || (files <= this.#limits.maxFiles && bytes <= this.#limits.maxBytes)) continue;
      files--;
      bytes -= size;
      await Promise.all(['ko', 'json'].map((ending) => rm(this.#file(key, ending), { force: true })));
    }
  }

  #file(key: string, ending: string): string {
    return path.join(this.#directory, `${key}.${ending}`);
  }
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function isNoteOf(text: string, sha256: string, size: number): boolean {
  let note: unknown;
  try {
    note = JSON.parse(text);
  } catch {
    return false;
  }
  const read = noteSchema.safeParse(note);
  return read.success && read.data.sha256 === sha256 && read.data.size === size;
}

async function readIfThere(file: string): Promise<Buffer | undefined> {
  try {
    return await readFile(file);
  } catch (error) {
    return unlessGone(error);
  }
}

/** Another process may drop a file at any time. */
function unlessGone(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
  throw error;
}
