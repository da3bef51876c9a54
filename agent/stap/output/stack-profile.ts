// The stacks that a script printed, added up to a profile. Two columns per sample type, as in every profile: how often, and the weight.
import type { Loss } from '../../../profile/loss.js';
import type { Label, Profile } from '../../../profile/profile.js';
import { ProfileBuilder, type ProfileMeta } from '../../../profile/profile-builder.js';
import { samplesOf, type Unit } from '../../../profile/sample-type.js';
import { LossTally } from '../../perf/loss-tally.js';
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
  /** Row of the location table; frames of equal lines are the same object. */
  readonly #locationOf = new WeakMap<StapFrame, number>();
  #rows = 0;
  #locations = 0;
  #text = 0;

  /** `defaultType`: of stacks whose script names none. */
  constructor(defaultType: string, limits: StackLimits) {
    this.#defaultType = defaultType;
    this.#limits = limits;
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

  #stackRow({ frames, count }: PrintedStack): number {
    const builder = this.#builder;
    // stap ends a kernel stack that it cannot walk further with the address 0
    const known = frames.some(isNowhere) ? frames.filter((frame) => !isNowhere(frame)) : frames;
    const kept = known.slice(0, this.#limits.frames);
    if (kept.length < known.length) this.#losses.add('truncated-stacks', 'more frames than this reader keeps', count);
    let stack = -1;
    let unnamed = 0;
    for (let i = kept.length - 1; i >= 0; i--) {
      if (kept[i].name === '') unnamed++;
      stack = builder.stack(stack, this.#location(kept[i]));
    }
    this.#losses.add('unsymbolized-frames', 'stap printed no name', unnamed * count);
    return stack;
  }

  #location(frame: StapFrame): number {
    const seen = this.#locationOf.get(frame);
    if (seen !== undefined) return seen;
    const row = this.#newLocation(frame);
    this.#locationOf.set(frame, row);
    return row;
  }

  #newLocation(frame: StapFrame): number {
    const builder = this.#builder;
    const mapping = frame.object === '' ? -1 : builder.mapping(objectName(frame));
    const digits = (frame.objectOffset === '' ? frame.address : frame.objectOffset).padStart(16, '0');
    const lo = Number.parseInt(digits.slice(-8), 16);
    const hi = Number.parseInt(digits.slice(-16, -8), 16);
    const lines =
      frame.name === '' ? [] : [{ function: builder.function(frame.name, frame.name, frame.file), line: frame.line }];
    const row = builder.location(mapping, lo, hi, lines);
    if (row === this.#locations) {
      this.#locations++;
      this.#text += frame.name.length + frame.object.length + frame.file.length;
    }
    return row;
  }
}

function isNowhere({ address, name }: StapFrame): boolean {
  return name === '' && /^0+$/.test(address);
}

/** As perf names them, so that both look alike in one view: the kernel is `[kernel.kallsyms]`, its modules stand in brackets. */
function objectName({ object, address }: StapFrame): string {
  if (object === 'kernel' || object === 'vmlinux') return '[kernel.kallsyms]';
  const isKernelAddress = address.length === 16 && address.startsWith('ffff');
  return isKernelAddress && !object.includes('/') ? `[${object}]` : object;
}
