// Names the addresses of one object of user space: an ELF file, the vDSO, or the memory of a JIT compiler.
import type { Milliseconds } from '../../proto/capture.js';
import { memorySource, readToEnd } from './byte-source.js';
import { findDebugSymbols } from './debug-files.js';
import { addressOfOffset, buildIdOf, type Elf, ElfError, parseElf } from './elf.js';
import { hasSymtab, type SymbolNames, scanElf } from './elf-symbols.js';
import { OverlappingSymbolsError } from './needed-symbols.js';
import type { ObjectContext } from './object-context.js';
import { type ObjectFinder, sameBuildId } from './object-files.js';
import { scanPerfMap } from './perf-map.js';
import { findSourceLines, type SourceFrame, type SourceLines } from './source-lines.js';
import type { SymbolFile, SymbolHost } from './symbol-host.js';

/** In the order of the addresses. */
export interface NamedObject {
  readonly names: readonly SymbolNames[];
  /** Source frames of each address, where they were asked for. */
  readonly frames: readonly (readonly SourceFrame[])[];
  /** Why those without source frames have none; absent where they were not asked for. */
  readonly lineReason?: string;
  /** Why those without a name have none. */
  readonly reason: string;
  /** Names may be mangled. */
  readonly isMangled?: boolean;
}

export interface LookUp {
  readonly lines: boolean;
  readonly remaining: () => Milliseconds;
}

const MAX_PERF_MAP = 1 << 28;
const MAX_VDSO = 1 << 20;

class OutOfTimeError extends Error {
  override readonly name = 'OutOfTimeError';
}

/** @param offsets file offsets, sorted, distinct */
export async function nameObject(
  host: SymbolHost,
  finder: ObjectFinder,
  context: ObjectContext,
  offsets: Float64Array,
  { lines, remaining }: LookUp,
): Promise<NamedObject> {
  const object = await finder.find(context);
  if (object.kind === 'missing') return unnamed(object.reason);
  const files: SymbolFile[] = [object.file];
  try {
    const { debug, mini, problem } = await findDebugSymbols(host, object, lines, remaining);
    if (debug !== undefined) files.push(debug.file);
    const names = scanElf({ runtime: object.elf, debug: debug?.elf, mini }, offsets, timeCheck(remaining));
    const isStripped = !hasSymtab(object.elf) && debug === undefined;
    const reason = problem !== '' ? problem : isStripped ? STRIPPED : 'no symbol covers the address';
    if (!lines) return { names, frames: [], reason, isMangled: true };
    const source = debug ?? object;
    // Lines may take half of the time that is left, so that the other objects still get their names.
    const found = await sourceFrames(host, object.elf, source.file, offsets, remaining() / 2);
    const lineReason = found.problem === '' ? 'no debug information covers the address' : found.problem;
    return { names, frames: found.frames, reason, lineReason, isMangled: true };
  } catch (error) {
    return unnamed(failureReason(error));
  } finally {
    for (const file of files) file.close();
  }
}

/** The vDSO is the same for every process of this kernel, so our own is read. @param offsets sorted, distinct */
export async function nameVdso(
  host: SymbolHost,
  context: ObjectContext,
  offsets: Float64Array,
  remaining: () => Milliseconds,
): Promise<NamedObject> {
  try {
    const elf = await ownVdso(host);
    if (elf === undefined) return unnamed('the vDSO of this process cannot be read');
    if (!sameBuildId(context.buildId, buildIdOf(elf)))
      return unnamed('the vDSO of the running kernel has another build id');
    const names = scanElf({ runtime: elf, debug: undefined, mini: undefined }, offsets, timeCheck(remaining));
    return { names, frames: [], reason: 'no symbol covers the address' };
  } catch (error) {
    return unnamed(failureReason(error));
  }
}

/** @param addresses process-absolute, sorted, distinct */
export async function nameJitCode(
  host: SymbolHost,
  context: ObjectContext,
  addresses: Float64Array,
): Promise<NamedObject> {
  const pid = Number(/perf-(\d+)\.map$/.exec(context.path)?.[1] ?? context.pids.at(-1) ?? -1);
  let reason = 'there is no such map: run node with --perf-basic-prof, Java with a perf map agent, Python with -X perf';
  for (const attempt of await perfMapAttempts(host, context, pid)) {
    const file = await attempt();
    if (typeof file === 'string') {
      if (file !== '') reason = file;
      continue;
    }
    try {
      const names = scanPerfMap(readToEnd(file, MAX_PERF_MAP), addresses);
      const listed = names.map((name) => (name === undefined ? [] : [{ text: name, suffix: '' }]));
      return { names: listed, frames: [], reason: 'no entry of the map covers the address' };
    } finally {
      file.close();
    }
  }
  return unnamed(reason);
}

const STRIPPED = 'no symbol covers the address: the file is stripped and no debug file was found';

/** Each gives the open map, or why it may not be used; '' when there is none. */
async function perfMapAttempts(
  host: SymbolHost,
  context: ObjectContext,
  pid: number,
): Promise<(() => Promise<SymbolFile | string>)[]> {
  const attempts: (() => Promise<SymbolFile | string>)[] = [];
  if (context.isLive) {
    const status = await host.readAll(`/proc/${pid}/status`, 1 << 16);
    const text = Buffer.from(status ?? []).toString('latin1');
    const inner = /^NSpid:.*?(\d+)$/m.exec(text)?.[1];
    const owner = /^Uid:\s+\d+\s+(\d+)/m.exec(text)?.[1];
    if (inner !== undefined) {
      attempts.push(() => ownedMap(host, `/proc/${pid}/root/tmp/perf-${inner}.map`, Number(owner ?? -1)));
    }
    const kept = host.kept?.perfMap(pid);
    if (kept !== undefined) attempts.push(() => Promise.resolve(kept));
  }
  attempts.push(() => ownedMap(host, `/tmp/perf-${pid}.map`, -1));
  return attempts;
}

/** Anybody can write to /tmp: only maps of ours, of root and of the process's own user are believed. */
async function ownedMap(host: SymbolHost, path: string, owner: number): Promise<SymbolFile | string> {
  const opened = await host.open(path, false);
  if (opened.kind !== 'file') return opened.kind === 'gone' ? '' : `the map cannot be used: ${opened.reason}`;
  const { file } = opened;
  if (file.owner === 0 || file.owner === host.user || file.owner === owner) return file;
  file.close();
  return 'the map belongs to another user';
}

async function ownVdso(host: SymbolHost): Promise<Elf | undefined> {
  const maps = Buffer.from((await host.readAll('/proc/self/maps', 1 << 24)) ?? []).toString('latin1');
  const range = /^([0-9a-f]+)-([0-9a-f]+) .*\[vdso\]$/m.exec(maps);
  if (range === null) return undefined;
  const start = Number.parseInt(range[1], 16);
  const opened = await host.open('/proc/self/mem');
  if (opened.kind !== 'file') return undefined;
  try {
    const size = Math.min(Number.parseInt(range[2], 16) - start, MAX_VDSO);
    return parseElf(memorySource(opened.file.read(start, size)));
  } finally {
    opened.file.close();
  }
}

/** addr2line wants the addresses that the object was linked for; offsets outside its segments have none. */
async function sourceFrames(
  host: SymbolHost,
  elf: Elf,
  file: SymbolFile,
  offsets: Float64Array,
  timeout: Milliseconds,
): Promise<SourceLines> {
  const addresses = Array.from(offsets, (offset) => addressOfOffset(elf, offset) ?? 0);
  const found = await findSourceLines(host, file.path, addresses, timeout);
  return { ...found, frames: found.frames.map((frames, at) => (addresses[at] === 0 ? [] : frames)) };
}

function timeCheck(remaining: () => Milliseconds): () => void {
  return () => {
    if (remaining() <= 0) throw new OutOfTimeError('given up, the time budget was used up');
  };
}

function unnamed(reason: string): NamedObject {
  return { names: [], frames: [], reason };
}

/** Expected failures become the reason of the loss; anything else is a bug. */
function failureReason(error: unknown): string {
  if (error instanceof ElfError || error instanceof OverlappingSymbolsError || error instanceof OutOfTimeError) {
    return error.message;
  }
  throw error;
}
