// From counted call chains and address spaces to a profile of object-relative addresses, not symbolized yet.
import type { Label, Profile } from '../../profile/profile.js';
import { ProfileBuilder } from '../../profile/profile-builder.js';
import { samplesOf, weightOf } from '../../profile/sample-type.js';
import type { KernelSymbol, ObjectContext } from '../symbolize/object-context.js';
import type { AddressSpace, CodeMap } from './address-space.js';
import { objectAddress, signedAddress, wordsOf } from './code-address.js';
import { LocationCache } from './location-cache.js';
import type { MappedObject } from './mapped-object.js';
import { ContextMarker } from './record-type.js';
import type { SampleContext, SampleSorter } from './sorter.js';
import type { TimedSamples } from './timed-samples.js';

export interface CollectorOptions {
  readonly split: 'comm' | 'pid' | 'tid';
  /** Captured just now on this host: the symbolizer may ask its processes and its kernel. */
  readonly isLive: boolean;
}

export interface CollectedProfile {
  readonly profile: Profile;
  /** One for each row of `profile.mappings`, in that order. */
  readonly objects: readonly ObjectContext[];
  readonly kernelSymbols: readonly KernelSymbol[];
  /** The event of the earliest sample; '' without any. */
  readonly firstEvent: string;
  readonly hostname: string;
  /** As `uname -r` on the host that recorded; '' when unknown. */
  readonly osRelease: string;
  /** User stacks are to be unwound (`--call-graph dwarf` or `lbr`), which only perf itself can do. */
  readonly needsUnwinding: boolean;
}

const KERNEL_MODE = -1;
const HYPERVISOR_MODE = -2;

export function collect(
  sorter: SampleSorter,
  timed: TimedSamples | undefined,
  options: CollectorOptions,
): CollectedProfile {
  const { counts, contexts, facts, losses, events } = sorter;
  const names = eventNames(sorter);
  const builder = new ProfileBuilder(names.list.flatMap((name) => [samplesOf(name), weightOf(name)]));
  const locations = new Locations(builder, sorter, options);
  const stacks = new Stacks(builder, sorter, locations);
  const labels = contexts.map((context) => builder.labelSet(labelsOf(context, sorter.threads.comms, options)));
  const sampleRows = new Int32Array(counts.length);
  /** Of all rows of a column. */
  const weights = new Float64Array(2 * names.list.length);
  let truncated = 0;
  for (let row = 0; row < counts.length; row++) {
    const context = counts.context[row];
    const event = events.list[counts.event[row]];
    const column = 2 * names.ofEvent[event.index];
    sampleRows[row] = -1;
    if (column < 0) continue;
    const total = weights[column] + counts.weight[row];
    if (total > Number.MAX_SAFE_INTEGER) {
      losses.add('skipped-samples', 'weight too large to add up', counts.samples[row]);
      continue;
    }
    weights[column] = total;
    const stack = stacks.stackOf(counts.chain[row], contexts[context].space);
    const sample = builder.sample(stack, labels[context]);
    builder.add(sample, column, counts.samples[row]);
    builder.add(sample, column + 1, counts.weight[row]);
    sampleRows[row] = sample;
    if (stacks.lastDepth === event.attr.maxStack) truncated += counts.samples[row];
  }
  losses.add('truncated-stacks', 'stacks as deep as the kernel records them (kernel.perf_event_max_stack)', truncated);
  if (events.needsUnwinding) losses.add('truncated-stacks', UNWIND_DETAIL, sum(counts.samples, counts.length));
  if (stacks.corrupt > 0)
    losses.add('skipped-samples', 'call chains with unknown context markers, kept without frames', stacks.corrupt);
  const hasTimes = sorter.lastTime >= sorter.firstTime;
  if (timed !== undefined) {
    for (let i = 0; i < timed.length; i++) {
      const row = timed.row[i];
      if (sampleRows[row] < 0) continue;
      const time = Math.max(0, timed.time[i] - (hasTimes ? sorter.firstTime : 0));
      if (time > LONGEST_RECORDING) {
        losses.add('skipped-samples', 'time more than 100 days after the first');
        continue;
      }
      builder.timed(sampleRows[row], names.ofEvent[counts.event[row]], time, timed.cpu[i], timed.weight[i]);
    }
  }
  const profile = builder.freeze({
    duration: hasTimes ? (sorter.lastTime - sorter.firstTime) / 1e6 : 0,
    clockStart: timed !== undefined && hasTimes ? sorter.clockStart + sorter.firstTime : 0,
    comments: facts.comments(),
    losses: losses.list(),
  });
  const first = events.list[sorter.firstEvent];
  return {
    profile,
    objects: locations.objectContexts(),
    kernelSymbols: sorter.threads.kernelSymbols,
    firstEvent: first === undefined ? (names.list[0] ?? '') : events.nameOf(first),
    hostname: facts.hostname,
    osRelease: facts.osRelease,
    needsUnwinding: events.needsUnwinding,
  };
}

const UNWIND_DETAIL = 'user stacks to be unwound (--call-graph dwarf or lbr): only `perf script` can do that';

/**
 * Events of the same name count together. All of them have columns, so that profiles of several hosts are alike, unless they are so
 * many that the columns would fill the memory: then only the most sampled ones are kept, as far as they fit.
 */
function eventNames({ events, counts, losses }: SampleSorter): {
  readonly list: string[];
  readonly ofEvent: Int32Array;
} {
  const names = events.sampled.map((event) => events.nameOf(event));
  const samplesOfName = new Map<string, number>(names.map((name) => [name, 0]));
  const nameOfEvent = new Map(events.sampled.map((event, i) => [event.index, names[i]]));
  for (let row = 0; row < counts.length; row++) {
    const name = nameOfEvent.get(counts.event[row]);
    if (name !== undefined) samplesOfName.set(name, (samplesOfName.get(name) ?? 0) + counts.samples[row]);
  }
  let list = [...samplesOfName.keys()];
  const room = Math.max(1, Math.floor(MOST_CELLS / (2 * Math.max(1, counts.length))));
  if (list.length > room) {
    const bySamples = [...samplesOfName].sort(([, a], [, b]) => b - a);
    const dropped = bySamples.slice(room).reduce((sum, [, samples]) => sum + samples, 0);
    losses.add('out-of-budget', `samples of the least frequent of ${list.length} events`, dropped);
    const kept = new Set(bySamples.slice(0, room).map(([name]) => name));
    list = list.filter((name) => kept.has(name));
  }
  const columns = new Map(list.map((name, column) => [name, column]));
  const ofEvent = new Int32Array(events.list.length).fill(-1);
  for (const [index, name] of nameOfEvent) ofEvent[index] = columns.get(name) ?? -1;
  return { list, ofEvent };
}

/** 100 days in nanoseconds, which are exact up to there. */
const LONGEST_RECORDING = 8_640_000 * 1e9;

/** Values in all columns of a profile: 128 MiB. */
const MOST_CELLS = 1 << 24;

function labelsOf(context: SampleContext, comms: readonly string[], { split }: CollectorOptions): Label[] {
  const labels = [{ key: 'comm', value: comms[context.comm] }];
  if (split !== 'comm') labels.push({ key: 'pid', value: String(context.pid) });
  if (split === 'tid') labels.push({ key: 'tid', value: String(context.tid) });
  return labels;
}

function sum(values: Float64Array, length: number): number {
  let total = 0;
  for (let i = 0; i < length; i++) total += values[i];
  return total;
}

/** Rows of the location table for addresses, and the objects they lie in. */
class Locations {
  readonly #builder: ProfileBuilder;
  readonly #sorter: SampleSorter;
  readonly #options: CollectorOptions;
  readonly #cache: LocationCache;
  readonly #mappingOf: Int32Array;
  readonly #objects: MappedObject[] = [];
  #space: AddressSpace | undefined;

  constructor(builder: ProfileBuilder, sorter: SampleSorter, options: CollectorOptions) {
    this.#builder = builder;
    this.#sorter = sorter;
    this.#options = options;
    this.#mappingOf = new Int32Array(sorter.threads.objects.list.length).fill(-1);
    this.#cache = new LocationCache((space, lo, hi) => this.#resolve(space, lo, hi));
  }

  kernel(lo: number, hi: number): number {
    return this.#cache.get(KERNEL_MODE, lo, hi);
  }

  /** The hypervisor's own code: nobody knows its maps. */
  hypervisor(lo: number, hi: number): number {
    return this.#cache.get(HYPERVISOR_MODE, lo, hi);
  }

  user(space: AddressSpace, lo: number, hi: number): number {
    this.#space = space;
    return this.#cache.get(space.id, lo, hi);
  }

  objectContexts(): ObjectContext[] {
    return this.#objects.map((object, mapping) => ({
      mapping,
      kind: object.kind,
      path: object.path,
      buildId: this.#buildIdOf(object),
      pids: [...object.pids],
      memoryStart: wordsOf(object.memoryStart),
      isLive: this.#options.isLive,
    }));
  }

  #resolve(space: number, lo: number, hi: number): number {
    const address = signedAddress(lo, hi);
    if (Number.isNaN(address) || space === HYPERVISOR_MODE) return this.#builder.location(-1, lo, hi);
    const map = space === KERNEL_MODE ? this.#kernelMap(address) : this.#space?.find(address);
    if (map === undefined) return this.#builder.location(-1, lo, hi);
    const mapping = this.#mapping(map.object);
    const words = wordsOf(objectAddress(map.object.kind, map.object.isAnonymous, map, address));
    return this.#builder.location(mapping, words.lo, words.hi);
  }

  /** Modules and the like by their maps; everything else above the kernel's start is the kernel: its map leaves out init code. */
  #kernelMap(address: number): CodeMap | undefined {
    const { kernel, kernelSpace } = this.#sorter.threads;
    const map = kernelSpace.find(address);
    if (map !== undefined || kernel === undefined || address >= 0) return map;
    // A start of 0 (kptr_restrict) or of user space: all of the kernel half.
    if (kernel.memoryStart < 0 && address < kernel.memoryStart) return undefined;
    return { start: kernel.memoryStart, end: 0, fileOffset: 0, object: kernel };
  }

  #mapping(object: MappedObject): number {
    const known = this.#mappingOf[object.index];
    if (known >= 0) return known;
    const row = this.#builder.mapping(object.name, this.#buildIdOf(object));
    this.#mappingOf[object.index] = row;
    this.#objects[row] ??= object;
    return row;
  }

  #buildIdOf(object: MappedObject): string {
    const { buildIds } = this.#sorter.facts;
    return object.buildId !== '' ? object.buildId : (buildIds.get(object.path) ?? buildIds.get(object.name) ?? '');
  }
}

/** Rows of the stack table for call chains. */
class Stacks {
  /** Chains thrown away because a marker in them means nothing. */
  corrupt = 0;
  /** Frames of the chain that was asked for last. */
  lastDepth = 0;
  readonly #builder: ProfileBuilder;
  readonly #sorter: SampleSorter;
  readonly #locations: Locations;
  /** Locations of one chain, callee first. */
  #frames = new Int32Array(1024);

  constructor(builder: ProfileBuilder, sorter: SampleSorter, locations: Locations) {
    this.#builder = builder;
    this.#sorter = sorter;
    this.#locations = locations;
  }

  stackOf(chain: number, space: AddressSpace): number {
    this.lastDepth = this.#readFrames(chain, space);
    let stack = -1;
    for (let i = this.lastDepth - 1; i >= 0; i--) stack = this.#builder.stack(stack, this.#frames[i]);
    return stack;
  }

  /** As perf reads chains: user mode until a marker says otherwise; an unknown marker spoils the whole chain. */
  #readFrames(chain: number, space: AddressSpace): number {
    const { words, start, size } = this.#sorter.chains.at(chain);
    const locations = this.#locations;
    if (this.#frames.length < size) this.#frames = new Int32Array(size);
    const frames = this.#frames;
    let mode: number = ContextMarker.USER;
    let depth = 0;
    for (let i = start; i < start + size; i += 2) {
      const lo = words[i];
      const hi = words[i + 1];
      if (hi === -1 && lo < 0 && lo >= ContextMarker.MAX) {
        mode = lo;
        if (mode !== ContextMarker.KERNEL && mode !== ContextMarker.USER && mode !== ContextMarker.HV) {
          this.corrupt++;
          return 0;
        }
      } else if (mode === ContextMarker.KERNEL) frames[depth++] = locations.kernel(lo, hi);
      else if (mode === ContextMarker.USER) frames[depth++] = locations.user(space, lo, hi);
      else frames[depth++] = locations.hypervisor(lo, hi);
    }
    return depth;
  }
}
