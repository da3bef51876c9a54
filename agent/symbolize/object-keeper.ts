// Keeps objects open while a capture runs, so that they can still be symbolized when their process, container or file is gone.
//
// Told of every executable mapping as it is recorded, it opens what may vanish: files that are not at their path in our own root
// directory (other mount namespaces), files outside the system's directories (build results, temporary files), and perf maps.
import { readFile, stat } from 'node:fs';
import { promisify } from 'node:util';
import { openFile } from './local-host.js';
import type { KeptObjects, SymbolFile } from './symbol-host.js';

/** One executable mapping, as in MMAP2 records. */
export interface MappingNotice {
  readonly pid: number;
  /** As recorded: an absolute path, or `//anon` for memory without a file. */
  readonly path: string;
  /** Inode number; 0 or absent when not recorded. */
  readonly inode?: number;
  /** Address range; with it a file that was deleted at once can still be opened. */
  readonly start?: number;
  readonly end?: number;
}

export interface ObjectKeeperOptions {
  /** Put before every path; '' by default. */
  readonly root?: string;
  /** Files kept open at a time; 256 by default. What comes later is not kept. */
  readonly maxFiles?: number;
}

const MAX_FILES = 256;
const MAX_WAITING = 1024;
const MAX_KNOWN = 65_536;
const MAX_PIDS = 64;
const MAX_MAP_TRIES = 16;
const PARALLEL = 4;
const SYSTEM_PATHS = /^\/(usr|lib|lib32|lib64|libx32|bin|sbin)\//;
const DELETED = / \(deleted\)$/;
const IS_ANONYMOUS = /^(\/\/anon|\/memfd:|\/dev\/zero|\/anon_hugepage|\[anon)/;

const readText = promisify(readFile);
const statFile = promisify(stat);

interface KeptObject {
  readonly path: string;
  /** Some of the processes that had it mapped. */
  readonly pids: Set<number>;
  readonly file: SymbolFile;
}

export class ObjectKeeper implements KeptObjects {
  readonly #root: string;
  readonly #maxFiles: number;
  readonly #known = new Map<string, Set<number>>();
  readonly #mapTries = new Map<number, number>();
  readonly #waiting: MappingNotice[] = [];
  readonly #objects: KeptObject[] = [];
  readonly #maps = new Map<number, SymbolFile>();
  readonly #working = new Set<Promise<void>>();
  #isClosed = false;

  constructor(options: ObjectKeeperOptions = {}) {
    this.#root = options.root ?? '';
    this.#maxFiles = options.maxFiles ?? MAX_FILES;
  }

  /** Cheap and never fails: the files are opened later, a few at a time. */
  note(notice: MappingNotice): void {
    if (this.#isClosed || notice.pid <= 0) return;
    const isNew = IS_ANONYMOUS.test(notice.path) ? this.#isNewMap(notice.pid) : this.#isNewObject(notice);
    if (!isNew || this.#waiting.length >= MAX_WAITING) return;
    this.#waiting.push(notice);
    this.#work();
  }

  /** Waits until everything noted so far has been opened or given up. */
  async settled(): Promise<void> {
    while (this.#working.size > 0) await Promise.all(this.#working);
  }

  objects(path: string, pids: readonly number[]): SymbolFile[] {
    const same = this.#objects.filter((kept) => kept.path === path);
    const mapped = same.filter((kept) => pids.some((pid) => kept.pids.has(pid)));
    const sure = mapped.length > 0 ? mapped : same.length === 1 ? same : [];
    return sure.reverse().map(({ file }) => borrowed(file));
  }

  perfMap(pid: number): SymbolFile | undefined {
    const file = this.#maps.get(pid);
    return file === undefined ? undefined : borrowed(file);
  }

  /** Closes everything; what is noted afterwards is ignored. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#waiting.length = 0;
    await this.settled();
    for (const { file } of this.#objects) file.close();
    for (const file of this.#maps.values()) file.close();
    this.#objects.length = 0;
    this.#maps.clear();
  }

  #work(): void {
    while (this.#working.size < PARALLEL) {
      const notice = this.#waiting.shift();
      if (notice === undefined) return;
      const work = (IS_ANONYMOUS.test(notice.path) ? this.#keepMap(notice.pid) : this.#keepObject(notice)).finally(
        () => {
          this.#working.delete(work);
          this.#work();
        },
      );
      this.#working.add(work);
    }
  }

  /** A process's first anonymous code may be older than its map: it is looked for again with some of the next mappings. */
  #isNewMap(pid: number): boolean {
    const tries = this.#mapTries.get(pid) ?? 0;
    if (this.#maps.has(pid) || tries >= MAX_MAP_TRIES || this.#mapTries.size >= MAX_KNOWN) return false;
    this.#mapTries.set(pid, tries + 1);
    return true;
  }

  #isNewObject(notice: MappingNotice): boolean {
    if (!notice.path.startsWith('/')) return false;
    const key = keyOf(notice);
    const pids = this.#known.get(key);
    if (pids === undefined && this.#known.size < MAX_KNOWN) this.#known.set(key, new Set([notice.pid]));
    else if (pids !== undefined && pids.size < MAX_PIDS) pids.add(notice.pid);
    return pids === undefined && this.#known.has(key);
  }

  async #keepObject(notice: MappingNotice): Promise<void> {
    const path = notice.path.replace(DELETED, '');
    if (SYSTEM_PATHS.test(path) && (await this.#isAtItsPath(path, notice))) return;
    if (this.#fileCount() >= this.#maxFiles) return;
    const file = await this.#openMapped(notice, path);
    if (file === undefined) return;
    const pids = this.#known.get(keyOf(notice)) ?? new Set([notice.pid]);
    if (this.#isClosed || this.#fileCount() >= this.#maxFiles) file.close();
    else this.#objects.push({ path, pids, file });
  }

  /** The mapped file itself, if the kernel lets us have it, else what is at its path in the process's root directory. */
  async #openMapped({ pid, path: recorded, start, end }: MappingNotice, path: string): Promise<SymbolFile | undefined> {
    const process = `${this.#root}/proc/${pid}`;
    if (start !== undefined && end !== undefined) {
      const mapped = await openFile(`${process}/map_files/${start.toString(16)}-${end.toString(16)}`, true);
      if (mapped.kind === 'file') return mapped.file;
    }
    const opened = await openFile(recorded === path ? `${process}/root${path}` : `${process}/exe`, true);
    return opened.kind === 'file' ? opened.file : undefined;
  }

  /** The file at that path in our own root directory is the one that the process mapped, as far as can be told. */
  async #isAtItsPath(path: string, { pid, inode }: MappingNotice): Promise<boolean> {
    const own = await inodeAt(this.#root + path);
    return own !== undefined && own === (inode || (await inodeAt(`${this.#root}/proc/${pid}/root${path}`)));
  }

  async #keepMap(pid: number): Promise<void> {
    if (this.#maps.has(pid) || this.#fileCount() >= this.#maxFiles) return;
    const status = await readText(`${this.#root}/proc/${pid}/status`, 'latin1').catch(nothingThere);
    const inner = /^NSpid:.*?(\d+)$/m.exec(status ?? '')?.[1] ?? String(pid);
    const owner = Number(/^Uid:\s+\d+\s+(\d+)/m.exec(status ?? '')?.[1] ?? -1);
    const opened = await openFile(`${this.#root}/proc/${pid}/root/tmp/perf-${inner}.map`, false);
    if (opened.kind !== 'file') return;
    const isTrusted = opened.file.owner === 0 || opened.file.owner === owner;
    if (this.#isClosed || !isTrusted || this.#maps.has(pid)) opened.file.close();
    else this.#maps.set(pid, opened.file);
  }

  #fileCount(): number {
    return this.#objects.length + this.#maps.size;
  }
}

/** The reader may close what it has borrowed, the file stays open here. */
function borrowed(file: SymbolFile): SymbolFile {
  return { ...file, close: () => undefined };
}

/** The same inode at the same path is the same object for all processes. */
function keyOf({ pid, path, inode }: MappingNotice): string {
  return inode ? `${inode}\0${path}` : `pid ${pid}\0${path}`;
}

async function inodeAt(path: string): Promise<number | undefined> {
  return (await statFile(path).catch(nothingThere))?.ino;
}

/** Processes end at any moment: a file of theirs that cannot be read is an answer. */
function nothingThere(): undefined {
  return undefined;
}
