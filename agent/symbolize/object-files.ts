// Finds the file that was mapped: in the process's own mount namespace, deleted but still mapped, kept open, or in perf's cache.
import type { Milliseconds } from '../../proto/capture.js';
import { buildIdOf, type Elf, ElfError, parseElf } from './elf.js';
import type { ObjectContext } from './object-context.js';
import type { OpenResult, SymbolFile, SymbolHost } from './symbol-host.js';

/** An open ELF file; whoever got it closes `file`. */
export interface OpenElf {
  readonly elf: Elf;
  readonly file: SymbolFile;
}

/** `prefix`: put before absolute paths to see the same files as the process did; '' for our own root. */
export type FoundObject =
  | ({ readonly kind: 'found'; readonly path: string; readonly prefix: string } & OpenElf)
  | { readonly kind: 'missing'; readonly reason: string };

const MAX_MAPS = 1 << 24;
/** Asking more processes than this for one object is not worth its time. */
const MAX_PIDS = 3;
const OPEN_TIMEOUT: Milliseconds = 2000;
const DELETED = ' (deleted)';

interface Attempt {
  readonly prefix: string;
  readonly open: () => Promise<OpenResult>;
}

/** Where files are looked for; remembers for one run what it learned of each process. */
export class ObjectFinder {
  readonly #host: SymbolHost;
  readonly #deleted = new Map<number, Promise<ReadonlyMap<string, string>>>();

  constructor(host: SymbolHost) {
    this.#host = host;
  }

  /** The file of an `elf` object; one whose build id differs from the recorded one is not taken. */
  async find(context: ObjectContext): Promise<FoundObject> {
    const path = context.path.endsWith(DELETED) ? context.path.slice(0, -DELETED.length) : context.path;
    let reason = 'file is gone';
    let isWrongBuild = false;
    for await (const attempt of this.#attempts(context, path)) {
      const opened = await openInTime(attempt.open);
      if (opened.kind !== 'file') {
        if (opened.kind === 'refused') reason = opened.reason;
        continue;
      }
      const parsed = parseOpened(opened.file);
      if (typeof parsed === 'string') {
        reason = parsed;
      } else if (sameBuildId(context.buildId, buildIdOf(parsed.elf))) {
        return { kind: 'found', path, prefix: attempt.prefix, ...parsed };
      } else {
        isWrongBuild = true;
      }
      opened.file.close();
    }
    return { kind: 'missing', reason: isWrongBuild ? 'the file now there has another build id' : reason };
  }

  async *#attempts(context: ObjectContext, path: string): AsyncGenerator<Attempt> {
    const host = this.#host;
    const pids = context.isLive ? context.pids.slice(-MAX_PIDS).reverse() : [];
    const plain: Attempt = { prefix: '', open: () => host.open(path) };
    // A build id tells whether the plain path is the right file, so nobody else need be asked first.
    if (context.buildId !== '') yield plain;
    for (const pid of pids) {
      const range = (await this.#deletedBy(pid)).get(path);
      const prefix = `/proc/${pid}/root`;
      if (range !== undefined) yield { prefix, open: () => host.open(`/proc/${pid}/map_files/${range}`) };
      else yield { prefix, open: () => host.open(prefix + path) };
      yield { prefix, open: () => this.#executable(pid, path) };
    }
    for (const file of host.kept?.objects(path, context.pids) ?? []) {
      yield { prefix: '', open: () => Promise.resolve({ kind: 'file', file }) };
    }
    if (context.buildId === '') yield plain;
    else yield { prefix: '', open: () => host.open(`${cacheEntry(host, context.buildId)}/elf`) };
  }

  /** `/proc/PID/exe`, which opens even when the file was deleted and the capabilities for `map_files` are missing. */
  async #executable(pid: number, path: string): Promise<OpenResult> {
    const target = await this.#host.readLink(`/proc/${pid}/exe`);
    if (target !== path + DELETED) return { kind: 'gone', reason: 'file is gone' };
    return this.#host.open(`/proc/${pid}/exe`);
  }

  /** Path to address range of the files that a process still has mapped although they were deleted. */
  #deletedBy(pid: number): Promise<ReadonlyMap<string, string>> {
    let found = this.#deleted.get(pid);
    if (found === undefined) {
      found = this.#host.readAll(`/proc/${pid}/maps`, MAX_MAPS).then((bytes) => deletedMappings(bytes));
      this.#deleted.set(pid, found);
    }
    return found;
  }
}

/** perf's build-id cache keeps a copy of an object as `elf` and its debug file as `debug` in this directory. */
export function cacheEntry(host: SymbolHost, buildId: string): string {
  return `${host.home}/.debug/.build-id/${buildId.slice(0, 2)}/${buildId.slice(2)}`;
}

/** Unknown ids are equal to any; perf pads ids shorter than 20 bytes with zeros. */
export function sameBuildId(recorded: string, found: string): boolean {
  if (recorded === '' || recorded === found) return true;
  return found !== '' && recorded.startsWith(found) && /^0*$/.test(recorded.slice(found.length));
}

/** @returns what is wrong with the file instead, if it is not an ELF file that can be read */
export function parseOpened(file: SymbolFile): OpenElf | string {
  try {
    return { elf: parseElf(file), file };
  } catch (error) {
    if (error instanceof ElfError) return error.message;
    throw error;
  }
}

/** A path on a dead network file system must not hold everybody up; if it opens later after all, it is closed. */
async function openInTime(open: () => Promise<OpenResult>): Promise<OpenResult> {
  const opening = open();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<OpenResult>((resolve) => {
    timer = setTimeout(() => {
      resolve({ kind: 'refused', reason: `could not be opened within ${OPEN_TIMEOUT} ms` });
      opening.then((opened) => (opened.kind === 'file' ? opened.file.close() : undefined));
    }, OPEN_TIMEOUT);
  });
  const result = await Promise.race([opening, late]);
  clearTimeout(timer);
  return result;
}

/** Lines of /proc/PID/maps: `START-END PERMS OFFSET DEV INODE   PATH (deleted)`. */
function deletedMappings(maps: Uint8Array | undefined): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  if (maps === undefined) return found;
  for (const line of Buffer.from(maps).toString('utf8').split('\n')) {
    if (!line.endsWith(DELETED)) continue;
    const path = line.indexOf('/');
    if (path > 0) found.set(line.slice(path, -DELETED.length), line.slice(0, line.indexOf(' ')));
  }
  return found;
}
