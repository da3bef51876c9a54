// Threads and processes as the side-band records tell them: who has which name and which code mapped at which moment.
// The rules are perf's own: threads are known by their tid alone, exec keeps the old maps, a fork inherits name and maps.
import type { KernelSymbol } from '../symbolize/object-context.js';
import { AddressSpace } from './address-space.js';
import { signedAddress } from './code-address.js';
import { History } from './history.js';
import type { LossTally } from './loss-tally.js';
import { type MappedObject, MappedObjectTable } from './mapped-object.js';
import type { MapRecord, SidebandRecord } from './sideband-record.js';

interface Process {
  readonly pid: number;
  readonly space: History<AddressSpace>;
  /** Known threads that have not ended. */
  liveThreads: number;
}

export interface Thread {
  readonly tid: number;
  /** -1 until some record tells it. */
  readonly pid: number;
  readonly process: Process;
  /** Index of the name in `comms`. */
  readonly comm: History<number>;
  /** Whether a record or the parent named it; `:tid` is only a stand-in. */
  isNamed: boolean;
  hasEnded: boolean;
  /** Cache of the sorter: which context this thread counts for from `contextSince` on; -1 unknown. */
  context: number;
  contextSince: number;
}

const FRESH = { hasEnded: false, context: -1, contextSince: 0 };

/** Linux allows 4,194,304 at a time; a machine that comes near this in one recording is a made-up one. */
const MOST_THREADS = 1 << 19;

/** Entries of maps that were copied so that older samples keep what they saw: 8 bytes each. */
const MOST_COPIED_MAPS = 1 << 25;

/** Registered and taken away again and again, BPF programs could fill the memory. */
const MOST_KERNEL_SYMBOLS = 1 << 18;

export class ThreadTable {
  readonly comms: string[] = [];
  readonly objects = new MappedObjectTable();
  readonly kernelSymbols: KernelSymbol[] = [];
  kernelSpace: AddressSpace;
  /** The kernel itself; its map only says where it starts, initialization code lies beyond its end. */
  kernel: MappedObject | undefined;
  readonly #commIndex = new Map<string, number>();
  readonly #threads = new Map<number, Thread>();
  readonly #processes = new Map<number, Process>();
  /** Processes whose last thread ended, in order of time: their maps can go once no older sample is left to count. */
  readonly #ended: { readonly process: Process; readonly time: number }[] = [];
  readonly #nothing: AddressSpace;
  readonly #losses: LossTally;
  #spaces = 0;
  #copiedMaps = 0;
  /** Samples before this time have all been counted. */
  #horizon = Number.NEGATIVE_INFINITY;

  constructor(losses: LossTally) {
    this.#losses = losses;
    this.kernelSpace = this.#newSpace();
    this.#nothing = this.#newSpace().share();
    const swapper = this.find(0, 0);
    swapper.comm.set(swapper.comm.latestSince, this.#comm('swapper'), this.#horizon);
    swapper.isNamed = true;
    this.find(-1, -1);
  }

  /** All samples before `time` have been counted: forget what only they could need. */
  forgetBefore(time: number): void {
    this.#horizon = time;
    let done = 0;
    for (const { process, time: ended } of this.#ended) {
      if (ended > time) break;
      if (process.liveThreads <= 0) process.space.reset(this.#nothing);
      done++;
    }
    this.#ended.splice(0, done);
  }

  /** The thread `tid`, known from now on if it was not; `pid` matters only while its process is unknown. */
  find(pid: number, tid: number): Thread {
    const known = this.#threads.get(tid);
    if (known !== undefined && (known.pid === pid || pid === -1 || known.pid !== -1)) return known;
    if (known === undefined && this.#threads.size >= MOST_THREADS) {
      this.#losses.add('out-of-budget', 'samples and records of threads beyond 524,288, counted as thread -1');
      return this.find(-1, -1);
    }
    const process = this.#process(pid === -1 ? tid : pid);
    const comm = known?.comm ?? new History(this.#comm(`:${tid}`));
    return this.#put({ tid, pid, process, comm, isNamed: known?.isNamed ?? false, ...FRESH });
  }

  /** `time` is when it holds from: the record's own, or the present for records without. */
  apply(record: SidebandRecord, time: number): void {
    switch (record.kind) {
      case 'comm': {
        const thread = this.find(record.pid, record.tid);
        // The first name is that of the thread's whole past; `:tid` was only a stand-in.
        const since = thread.isNamed ? time : thread.comm.latestSince;
        thread.isNamed = true;
        thread.comm.set(since, this.#comm(record.comm), this.#horizon);
        thread.context = -1;
        return;
      }
      case 'fork':
        this.#fork(record, time);
        return;
      case 'exit': {
        // The kernel has taken its memory away before it says so: no later sample can have user frames.
        const thread = this.#threads.get(record.tid);
        if (thread !== undefined && this.#end(thread) === 0) this.#ended.push({ process: thread.process, time });
        return;
      }
      case 'map':
        if (record.isKernel) this.#mapKernel(record);
        else this.#mapUser(record, time);
        return;
      case 'kernel-symbol': {
        const start = signedAddress(record.lo, record.hi);
        if (Number.isNaN(start) || record.length === 0) return;
        const object = this.objects.ofKernelSymbol(record.name, start);
        const { lo, hi, length, name } = record;
        if (this.kernelSymbols.length < MOST_KERNEL_SYMBOLS) this.kernelSymbols.push({ lo, hi, length, name });
        this.#addKernelMap({ start, end: start + record.length, fileOffset: 0, object });
        return;
      }
    }
  }

  #fork(record: SidebandRecord & { kind: 'fork' }, time: number): void {
    const parent = this.find(record.parentPid, record.parentTid);
    const known = this.#threads.get(record.tid);
    let process: Process;
    if (record.pid === record.parentPid) process = parent.process;
    else if (record.isMadeUp) process = this.#process(record.pid);
    else {
      // An older process of this pid keeps what it had for samples that are still to be counted.
      process = this.#processes.get(record.pid) ?? this.#newProcess(record.pid);
      process.space.set(time, parent.process.space.latest.share(), this.#horizon);
      this.#processes.set(record.pid, process);
    }
    if (known === undefined && this.#threads.size >= MOST_THREADS) return;
    const { isNamed } = parent;
    const name = isNamed ? parent.comm.latest : this.#comm(`:${record.tid}`);
    const comm = known?.comm ?? new History(name);
    comm.set(time, name, this.#horizon);
    this.#put({ tid: record.tid, pid: record.pid, process, comm, isNamed, ...FRESH });
  }

  #mapUser(map: MapRecord, time: number): void {
    if (!(map.length > 0)) return;
    const { process } = this.find(map.pid, map.tid);
    const object = this.objects.ofUserMap(map, process.pid);
    const old = process.space.latest;
    const fileOffset = object.kind === 'vdso' ? 0 : map.fileOffset;
    const space = old.with({ start: map.start, end: map.start + map.length, fileOffset, object }, () => this.#spaces++);
    if (space !== undefined && space !== old) this.#copiedMaps += space.mapCount;
    if (space !== undefined && this.#copiedMaps > MOST_COPIED_MAPS) {
      this.#losses.add(
        'out-of-budget',
        'memory maps laid over others, which hold for older samples of their round as well',
      );
      process.space.reset(space);
      return;
    }
    if (space === undefined) this.#losses.add('out-of-budget', 'memory maps beyond 65,536 in one process');
    else process.space.set(time, space, this.#horizon);
  }

  #mapKernel(map: MapRecord): void {
    const object = this.objects.ofKernelMap(map);
    if (object.kind === 'kernel') this.kernel ??= object;
    else if (map.length > 0)
      this.#addKernelMap({ start: map.start, end: map.start + map.length, fileOffset: 0, object });
  }

  #addKernelMap(map: Parameters<AddressSpace['with']>[0]): void {
    const space = this.kernelSpace.with(map, () => this.#spaces++);
    if (space === undefined) this.#losses.add('out-of-budget', 'kernel maps beyond 65,536');
    else this.kernelSpace = space;
  }

  #put(thread: Thread): Thread {
    const known = this.#threads.get(thread.tid);
    if (known !== undefined) this.#end(known);
    thread.process.liveThreads++;
    this.#threads.set(thread.tid, thread);
    return thread;
  }

  /** @returns how many threads of its process are left */
  #end(thread: Thread): number {
    if (!thread.hasEnded) thread.process.liveThreads--;
    thread.hasEnded = true;
    return thread.process.liveThreads;
  }

  #process(pid: number): Process {
    let process = this.#processes.get(pid);
    if (process === undefined) {
      process = this.#newProcess(pid);
      if (this.#processes.size < MOST_THREADS) this.#processes.set(pid, process);
    }
    return process;
  }

  #newProcess(pid: number): Process {
    return { pid, space: new History(this.#newSpace()), liveThreads: 0 };
  }

  #newSpace(): AddressSpace {
    return new AddressSpace(this.#spaces++);
  }

  #comm(name: string): number {
    let index = this.#commIndex.get(name);
    if (index === undefined) {
      index = this.comms.push(name) - 1;
      this.#commIndex.set(name, index);
    }
    return index;
  }
}
