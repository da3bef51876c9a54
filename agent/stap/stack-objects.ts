// Where the addresses lie that a running script prints: memory maps of processes and kernel, read while they live.
//
//   find(pid, address) ─▶ user half    /proc/PID/maps   ┐
//                     ─▶ kernel half   /proc/kallsyms,  ├─▶ AddressSpace ─▶ object and address in it, as of perf's records
//                                      /proc/modules    ┘
//
// The maps of the processes that a capture is for are read as it begins, those of others when a stack of theirs is printed first, and
// again when an address lies outside of them: libraries are loaded later, programs replace themselves.
import type { Loss } from '../../profile/loss.js';
import type { Milliseconds } from '../../proto/capture.js';
import type { HostFiles } from '../host/host-files.js';
import { AddressSpace, type CodeMap } from '../perf/address-space.js';
import { objectAddress, wordsOf } from '../perf/code-address.js';
import { LossTally } from '../perf/loss-tally.js';
import { MappedObjectTable } from '../perf/mapped-object.js';
import type { MappingNotice } from '../symbolize/object-keeper.js';
import { readKernelSpace } from './kernel-space.js';
import { readUserMaps } from './memory-maps.js';
import type { CodePlace, CodePlaces } from './output/stack-profile.js';

export interface StackObjectsOptions {
  readonly files: HostFiles;
  /** A steady clock. */
  readonly now: () => Milliseconds;
  /** The processes that the capture is for; empty: all. */
  readonly pids: readonly number[];
  /** Told of each executable mapping, so that it can be named when its process is gone. */
  readonly note: (notice: MappingNotice) => void;
}

interface Process {
  space: AddressSpace;
  readAt: Milliseconds;
  /** A stack of it has been printed. */
  isSeen: boolean;
  /** Why nothing is known about it; '' when its maps were read. */
  reason: string;
}

/** At least this long between two readings of one process. */
const READ_INTERVAL: Milliseconds = 1000;
const MOST_PROCESSES = 4096;
/** Executable mappings of all processes together. */
const MOST_MAPS = 1 << 18;

const NO_PID = 'the script told no pid with the stack, and the capture is not for one process alone';
const ENDED = 'its process had ended before its memory maps were read';
const REFUSED = 'the memory maps of its process may not be read';
const NOT_MAPPED = 'its process had nothing mapped at the address';
const TOO_MANY = `the memory maps of ${MOST_PROCESSES} processes are kept, it is of another one`;
const NOT_KERNEL = 'neither the kernel nor a module has code at the address';

export class StackObjects implements CodePlaces {
  readonly #options: StackObjectsOptions;
  readonly #table = new MappedObjectTable();
  readonly #processes = new Map<number, Process>();
  readonly #losses = new LossTally();
  #kernel: ReturnType<typeof readKernelSpace> | undefined;
  #spaces = 0;
  #maps = 0;

  constructor(options: StackObjectsOptions) {
    this.#options = options;
    for (const pid of options.pids) this.#processOf(pid);
  }

  find(pid: number | undefined, address: number): CodePlace | string {
    if (address < 0) return this.#inKernel(address);
    const { pids } = this.#options;
    const whose = pid ?? (pids.length === 1 ? pids[0] : undefined);
    if (whose === undefined) return NO_PID;
    const process = this.#processOf(whose);
    if (process === undefined) return TOO_MANY;
    if (!process.isSeen) {
      process.isSeen = true;
      this.#readAgain(whose, process);
    }
    const map = process.space.find(address) ?? this.#laterMap(whose, process, address);
    if (map !== undefined) return placeIn(map, address);
    return process.reason === '' ? NOT_MAPPED : process.reason;
  }

  /** What was too much to be kept. */
  losses(): Loss[] {
    return this.#losses.list();
  }

  /** Modules first: they lie above the kernel's start as well, on some processors. Init code lies behind the kernel's end. */
  #inKernel(address: number): CodePlace | string {
    this.#kernel ??= readKernelSpace(this.#options.files, this.#table, this.#nextSpace);
    const { space, start, object } = this.#kernel;
    const map = space.find(address);
    if (map !== undefined) return placeIn(map, address);
    // A start of 0: hidden from this user, so all of the kernel half, as perf has it.
    if (start < 0 && address < start) return NOT_KERNEL;
    return placeIn({ start, end: 0, fileOffset: 0, object }, address);
  }

  #processOf(pid: number): Process | undefined {
    const known = this.#processes.get(pid);
    if (known !== undefined || this.#processes.size >= MOST_PROCESSES) return known;
    const space = new AddressSpace(this.#nextSpace());
    const process: Process = { space, readAt: this.#options.now(), isSeen: false, reason: '' };
    this.#processes.set(pid, process);
    this.#read(pid, process);
    return process;
  }

  #laterMap(pid: number, process: Process, address: number): CodeMap | undefined {
    return this.#readAgain(pid, process) ? process.space.find(address) : undefined;
  }

  /** False when they were read a moment ago. */
  #readAgain(pid: number, process: Process): boolean {
    const now = this.#options.now();
    if (process.reason !== '' || now - process.readAt < READ_INTERVAL) return false;
    process.readAt = now;
    this.#read(pid, process);
    return true;
  }

  /** What was mapped before stays known where nothing lies over it: stacks of then may be printed now. */
  #read(pid: number, process: Process): void {
    const { files, note } = this.#options;
    const { maps, isRefused, isCut } = readUserMaps(files, pid);
    if (isCut) this.#losses.add('out-of-budget', 'memory maps of a process beyond those that are read');
    if (maps.length === 0 && process.space.mapCount === 0) process.reason = isRefused ? REFUSED : ENDED;
    for (const map of maps) {
      const before = process.space.mapCount;
      if (this.#maps >= MOST_MAPS) {
        this.#losses.add('out-of-budget', `memory maps beyond ${MOST_MAPS} of all processes`);
        return;
      }
      const object = this.#table.ofUserMap(map, pid);
      const fileOffset = object.kind === 'vdso' ? 0 : map.fileOffset;
      const end = map.start + map.length;
      const space = process.space.with({ start: map.start, end, fileOffset, object }, this.#nextSpace);
      if (space === undefined) {
        this.#losses.add('out-of-budget', 'memory maps beyond 65,536 in one process');
        return;
      }
      process.space = space;
      this.#maps += space.mapCount - before;
      note({ pid, path: map.filename, inode: map.inode, start: map.start, end });
    }
  }

  readonly #nextSpace = (): number => this.#spaces++;
}

function placeIn(map: CodeMap, address: number): CodePlace {
  const { object } = map;
  return { object, address: wordsOf(objectAddress(object.kind, object.isAnonymous, map, address)) };
}
