// The stacks that a script printed, added up to a profile. Two columns per sample type, as in every profile: how often, and the weight.
import type { Loss } from '../../../profile/loss.js';
import type { Label, Profile } from '../../../profile/profile.js';
import { ProfileBuilder, type ProfileMeta } from '../../../profile/profile-builder.js';
import { samplesOf, type Unit } from '../../../profile/sample-type.js';
import { signedAddress, wordsOf } from '../../perf/code-address.js';
import { LossTally } from '../../perf/loss-tally.js';
import type { MappedObject } from '../../perf/mapped-object.js';
import type { ObjectContext, Word64 } from '../../symbolize/object-context.js';
import type { StapFrame } from './frame-line.js';

/** One stack as printed. */
export interface PrintedStack {
  /** Innermost first. */
  readonly frames: readonly StapFrame[];
  readonly labels: readonly Label[];
  /** How often it was met. */
  readonly count: number;
  /** What was added up, in `unit`; undefined: the count is all there is. */
  readonly value: number | undefined;
  /** Such as `off-cpu`; '' when the script did not say. */
  readonly type: string;
  /** `ns`, `us`, `ms`, `s`, `bytes`, `cycles`; anything else is counted as it is. */
  readonly unit: string;
}

/** Where an address lies. */
export interface CodePlace {
  readonly object: MappedObject;
  /** As a location of the profile has it. */
  readonly address: Word64;
}

/** Knows the memory maps of the host that the script runs on, while it runs. */
export interface CodePlaces {
  /**
   * @param pid whose stack it is in; undefined when the script did not say
   * @param address as code-address.ts counts
   * @returns in place of a place one of few texts, why it is not known
   */
  find(pid: number | undefined, address: number): CodePlace | string;
}

export interface StackLimits {
  /** Distinct stacks. */
  readonly stacks: number;
  /** Of one stack. */
  readonly frames: number;
}

const UNITS: Readonly<Record<string, { readonly unit: Unit; readonly factor: number }>> = {
  ns: { unit: 'nanoseconds', factor: 1 },
  us: { unit: 'nanoseconds', factor: 1e3 },
  ms: { unit: 'nanoseconds', factor: 1e6 },
  s: { unit: 'nanoseconds', factor: 1e9 },
  bytes: { unit: 'bytes', factor: 1 },
  KiB: { unit: 'bytes', factor: 1024 },
  cycles: { unit: 'cycles', factor: 1 },
};
const PLAIN = { unit: 'count', factor: 1 } as const;
/** Types are the script's own few words. */
const MOST_TYPES = 8;
/** Characters of names, objects and labels. */
const MOST_TEXT = 1 << 26;
/** Nodes of the prefix tree. */
const MOST_NODES = 1 << 22;

export class StackProfile {
  readonly #builder = new ProfileBuilder([]);
  readonly #limits: StackLimits;
  readonly #defaultType: string;
  readonly #types = new Map<string, { readonly index: number; readonly factor: number }>();
  readonly #totals: number[] = [];
  readonly #losses = new LossTally();
  readonly #places: CodePlaces | undefined;
  /** Those of `places`, by row of the mapping table. */
  readonly #objects = new Map<number, MappedObject>();
  /** Of the process that had it last; frames of equal lines are the same object. */
  readonly #found = new WeakMap<StapFrame, FoundLocation>();
  #rows = 0;
  #locations = 0;
  #text = 0;

  /**
   * @param defaultType of stacks whose script names none
   * @param places left out where the host cannot be asked any more: then addresses stay as they were printed
   */
  constructor(defaultType: string, limits: StackLimits, places?: CodePlaces) {
    this.#defaultType = defaultType;
    this.#limits = limits;
    this.#places = places;
  }

  add(stack: PrintedStack): void {
    const type = this.#typeOf(stack);
    const weight = (stack.value ?? stack.count) * (type?.factor ?? 1);
    const total = (type === undefined ? 0 : this.#totals[type.index]) + weight;
    if (type === undefined || !Number.isSafeInteger(total) || !Number.isSafeInteger(stack.count)) {
      const why = type === undefined ? 'of too many types' : 'weight too large to add up';
      this.#losses.add('skipped-samples', why, stack.count);
      return;
    }
    if (this.#isFull()) {
      this.#losses.add(
        'skipped-samples',
        `printed after ${this.#rows} distinct stacks, the most that are kept`,
        stack.count,
      );
      return;
    }
    this.#totals[type.index] = total;
    const builder = this.#builder;
    const row = builder.sample(this.#stackRow(stack), builder.labelSet(stack.labels));
    if (row === this.#rows) {
      this.#rows++;
      for (const { key, value } of stack.labels) this.#text += key.length + value.length;
    }
    builder.add(row, 2 * type.index, stack.count);
    builder.add(row, 2 * type.index + 1, weight);
  }

  get isEmpty(): boolean {
    return this.#types.size === 0;
  }

  /** A stack that was printed without its end; `why` is one of few texts. */
  cut(why: string, count: number): void {
    this.#losses.add('truncated-stacks', why, count);
  }

  losses(): Loss[] {
    return this.#losses.list();
  }

  /** What the symbolizer has to know of the mappings; empty without `places`. */
  objects(): ObjectContext[] {
    return [...this.#objects].map(([mapping, { kind, path, buildId, pids, memoryStart }]) => {
      const context = { mapping, kind, path, buildId, pids: [...pids] };
      return { ...context, memoryStart: wordsOf(memoryStart), isLive: true };
    });
  }

  /** The profile, with the losses in it; nothing can be added afterwards. */
  freeze(meta: ProfileMeta): Profile {
    return this.#builder.freeze({ ...meta, losses: [...(meta.losses ?? []), ...this.#losses.list()] });
  }

  #isFull(): boolean {
    return this.#rows >= this.#limits.stacks || this.#text >= MOST_TEXT || this.#builder.stackCount >= MOST_NODES;
  }

  #typeOf({ type, unit, value }: PrintedStack): { readonly index: number; readonly factor: number } | undefined {
    const name = type === '' ? this.#defaultType : type;
    const known = value === undefined || !Object.hasOwn(UNITS, unit) ? PLAIN : UNITS[unit];
    const key = `${known.unit} ${known.factor} ${name}`;
    const seen = this.#types.get(key);
    if (seen !== undefined || this.#types.size >= MOST_TYPES) return seen;
    const sameColumn = [...this.#types].find(
      ([other]) => other.startsWith(`${known.unit} `) && other.endsWith(` ${name}`),
    );
    let index = sameColumn?.[1].index;
    if (index === undefined) {
      index = this.#builder.addSampleType(samplesOf(name)) / 2;
      this.#builder.addSampleType({ type: name, unit: known.unit });
      this.#totals[index] = 0;
    }
    const added = { index, factor: known.factor };
    this.#types.set(key, added);
    return added;
  }

  #stackRow({ frames, labels, count }: PrintedStack): number {
    const builder = this.#builder;
    // stap ends a kernel stack that it cannot walk further with the address 0
    const known = kernelFirst(frames.some(isNowhere) ? frames.filter((frame) => !isNowhere(frame)) : frames);
    const kept = known.slice(0, this.#limits.frames);
    if (kept.length < known.length) this.#losses.add('truncated-stacks', 'more frames than this reader keeps', count);
    const pid = pidOf(labels);
    let stack = -1;
    for (let i = kept.length - 1; i >= 0; i--) {
      const { row, why } = this.#location(kept[i], pid);
      if (why !== '') this.#losses.add('unsymbolized-frames', why, count);
      stack = builder.stack(stack, row);
    }
    return stack;
  }

  #location(frame: StapFrame, pid: number | undefined): FoundLocation {
    const seen = this.#found.get(frame);
    if (seen !== undefined && (seen.isSettled || this.#places === undefined) && seen.pid === pid) return seen;
    const found = this.#newLocation(frame, pid);
    this.#found.set(frame, found);
    return found;
  }

  #newLocation(frame: StapFrame, pid: number | undefined): FoundLocation {
    const place = this.#placeOf(frame, pid);
    if (typeof place === 'object') {
      const { object, address } = place;
      const mapping = this.#builder.mapping(object.name, object.buildId);
      this.#objects.set(mapping, this.#objects.get(mapping) ?? object);
      return { row: this.#row(mapping, address, frame), why: '', pid, isSettled: true };
    }
    const isTold = frame.object !== '' && (place === undefined || frame.name !== '');
    const digits = isTold && frame.objectOffset !== '' ? frame.objectOffset : frame.address;
    const mapping = isTold ? this.#builder.mapping(objectName(frame)) : -1;
    const why = frame.name !== '' ? '' : place === undefined ? 'stap printed no name' : `no mapping: ${place}`;
    return { row: this.#row(mapping, wordsIn(digits), frame), why, pid, isSettled: false };
  }

  /** Undefined: nobody can be asked, or nothing need be. Where stap says another object, it knows better. */
  #placeOf(frame: StapFrame, pid: number | undefined): CodePlace | string | undefined {
    if (this.#places === undefined || isZero(frame)) return undefined;
    const { lo, hi } = wordsIn(frame.address);
    const address = signedAddress(lo, hi);
    if (Number.isNaN(address)) return 'no code can be at the address';
    const place = this.#places.find(pid, address);
    if (typeof place === 'string' || frame.object === '') return place;
    const isSame = place.object.name.replace(/ \(deleted\)$/, '') === objectName(frame);
    return isSame || frame.name === '' ? place : 'in another object';
  }

  #row(mapping: number, { lo, hi }: Word64, { name, object, file, line }: StapFrame): number {
    const builder = this.#builder;
    const lines = name === '' ? [] : [{ function: builder.function(name, name, file), line }];
    const row = builder.location(mapping, lo, hi, lines);
    if (row === this.#locations) {
      this.#locations++;
      this.#text += name.length + object.length + file.length;
    }
    return row;
  }
}

interface FoundLocation {
  readonly row: number;
  /** Why it has no name and will get none; ''. */
  readonly why: string;
  readonly pid: number | undefined;
  /** False: it may be found the next time. */
  readonly isSettled: boolean;
}

/** The kernel is what user code called: its frames are the inner ones, also where a script prints them behind the others. */
function kernelFirst(frames: readonly StapFrame[]): readonly StapFrame[] {
  const from = frames.findIndex(isInKernel);
  if (from <= 0 || !frames.slice(from).every(isInKernel)) return frames;
  return [...frames.slice(from), ...frames.slice(0, from)];
}

function isInKernel({ address }: StapFrame): boolean {
  return isKernelAddress(address);
}

function isKernelAddress(address: string): boolean {
  return address.length === 16 && address.startsWith('ffff');
}

/** The process that the script says the stack is of. */
function pidOf(labels: readonly Label[]): number | undefined {
  const value = labels.find(({ key }) => key === 'pid')?.value ?? '';
  return /^[1-9]\d{0,8}$/.test(value) ? Number(value) : undefined;
}

function wordsIn(digits: string): Word64 {
  const whole = digits.padStart(16, '0');
  return { lo: Number.parseInt(whole.slice(-8), 16), hi: Number.parseInt(whole.slice(-16, -8), 16) };
}

function isZero({ address }: StapFrame): boolean {
  return /^0+$/.test(address);
}

function isNowhere(frame: StapFrame): boolean {
  return frame.name === '' && isZero(frame);
}

/** As perf names them, so that both look alike in one view: the kernel is `[kernel.kallsyms]`, its modules stand in brackets. */
function objectName({ object, address }: StapFrame): string {
  if (object === 'kernel' || object === 'vmlinux') return '[kernel.kallsyms]';
  return isKernelAddress(address) && !object.includes('/') ? `[${object}]` : object;
}
