// Gathers the lines of one printed stack and finds its count: told in a `#pt1 stack` line, or in the line before or behind the frames.
import type { Loss } from '../../../profile/loss.js';
import type { Label, Profile } from '../../../profile/profile.js';
import type { ProfileMeta } from '../../../profile/profile-builder.js';
import type { TextLine } from '../../../profile/text-line.js';
import type { ObjectContext } from '../../symbolize/object-context.js';
import { readCaption } from './caption.js';
import { type FrameReading, isNoBacktrace, readFrames, type StapFrame } from './frame-line.js';
import { type CodePlaces, type PrintedStack, type StackLimits, StackProfile } from './stack-profile.js';
import type { StructuredLine } from './structured-line.js';

interface OpenStack {
  frames: StapFrame[];
  /** Frames of the part above a `user:` or `kernel:` line. */
  upper: StapFrame[];
  part: 'kernel' | 'user' | '';
  /** The line that told the part of the frames below it. */
  partLine: TextLine | undefined;
  labels: readonly Label[];
  /** Undefined: no line has told it yet. */
  count: number | undefined;
  readonly told: (StructuredLine & { readonly kind: 'stack' }) | undefined;
  isCut: boolean;
  /** Lines between `#pt1 stack` and its end that are no frames. */
  readonly others: TextLine[];
}

interface StackCount {
  readonly count: number;
  readonly labels: readonly Label[];
  /** The line says nothing else. */
  readonly isWhole: boolean;
}

/** Strings of a script end at MAXSTRINGLEN, 512 unless compiled otherwise: a list of addresses of that length is cut. */
const STRING_END = 511;
const partOfStack = /^\W*(kernel|user)(?:[ -]?(?:stack|backtrace|space|land))?:?\W*$/i;
const countAndNoun = /^\[?(\d{1,15})\]?\s+(?:times?|samples?|hits?|calls?|counts?)$/i;
const MOST_OTHERS = 64;

/** Distinct frame lines that are remembered: a script prints the same ones again and again. */
const MOST_KNOWN = 4096;

export class StackCollector {
  readonly #known = new Map<string, FrameReading>();
  readonly #profile: StackProfile;
  readonly #limits: StackLimits;
  #open: OpenStack | undefined;
  /** The stack above waits for a count in this line. */
  #countless: PrintedStack | undefined;

  constructor(defaultType: string, limits: StackLimits, places?: CodePlaces) {
    this.#profile = new StackProfile(defaultType, limits, places);
    this.#limits = limits;
  }

  get isOpen(): boolean {
    return this.#open !== undefined;
  }

  get isEmpty(): boolean {
    return this.#profile.isEmpty;
  }

  /** Those of the stacks; freeze() puts them into the profile. */
  losses(): Loss[] {
    return this.#profile.losses();
  }

  objects(): ObjectContext[] {
    return this.#profile.objects();
  }

  freeze(meta: ProfileMeta): Profile {
    return this.#profile.freeze(meta);
  }

  /** The frames of a line; equal lines give the same objects. */
  read(text: string): FrameReading | undefined {
    const seen = this.#known.get(text);
    if (seen !== undefined) return seen;
    const reading = readFrames(text);
    if (reading === undefined) return undefined;
    if (this.#known.size >= MOST_KNOWN) this.#known.clear();
    this.#known.set(text, reading);
    return reading;
  }

  /** Frames follow, with all that the script said about them. */
  openTold(told: StructuredLine & { readonly kind: 'stack' }): void {
    this.#open = newStack(told, told.count, told.labels);
  }

  /** The first frames of a stack. The number of lines at the end of `before` that are said in full by it. */
  open(reading: FrameReading, line: TextLine, before: readonly string[]): number {
    let used = 0;
    const part = partOfStack.exec(before[before.length - 1] ?? '');
    if (part !== null) used++;
    const count = readCount(before[before.length - 1 - used] ?? '');
    this.#open = newStack(undefined, count?.count, count?.labels ?? []);
    if (part !== null) this.#open.part = part[1].toLowerCase() === 'user' ? 'user' : 'kernel';
    this.#add(this.#open, reading, line);
    return count?.isWhole === true ? used + 1 : used;
  }

  /** Whether the line belongs to the open stack. */
  push(line: TextLine): boolean {
    const open = this.#open;
    if (open === undefined) return false;
    const reading = this.read(line.text);
    if (reading !== undefined) {
      this.#add(open, reading, line);
      return true;
    }
    if (isNoBacktrace(line.text)) {
      this.#profile.cut('stap could not walk the stack', open.count ?? 1);
      return true;
    }
    const part = partOfStack.exec(line.text);
    if (part !== null && open.upper.length === 0) {
      open.upper = open.frames;
      open.frames = [];
      open.part = part[1].toLowerCase() === 'user' ? 'user' : 'kernel';
      open.partLine = line;
      return true;
    }
    if (open.told === undefined) return false;
    if (line.text.trim() === '') return true;
    if (open.others.length >= MOST_OTHERS) return false;
    open.others.push(line);
    return true;
  }

  /** The open stack is over. The lines inside it that were no frames. `isEnd`: the output ended here. */
  close(isEnd: boolean): readonly TextLine[] {
    this.#settle();
    const open = this.#open;
    if (open === undefined) return [];
    this.#open = undefined;
    const { told } = open;
    // the kernel is what user code called, so its frames are the inner ones
    const isUserFirst = open.upper.length > 0 && open.part === 'kernel';
    const frames = isUserFirst ? [...open.frames, ...open.upper] : [...open.upper, ...open.frames];
    const stack: PrintedStack = {
      frames,
      labels: open.labels,
      count: open.count ?? 1,
      value: told?.value,
      type: told?.type ?? '',
      unit: told?.unit ?? '',
    };
    if (told === undefined && open.count === undefined && !isEnd) this.#countless = stack;
    else this.#profile.add(stack);
    const last = open.others[open.others.length - 1];
    if (open.isCut || (last !== undefined && /^ ?0x/.test(last.text))) {
      this.#profile.cut('a string of the script ended before the stack did', stack.count);
    } else if (told !== undefined && isEnd) {
      this.#profile.cut('the output ends inside the stack', stack.count);
    }
    // a line like the name of a part, but no frames below it: text
    const { frames: lower, partLine, others } = open;
    return lower.length > 0 || partLine === undefined ? others : [...others, partLine];
  }

  /** The line directly behind a stack; whether it is its count and nothing else, or its end. */
  takeBehind(text: string): boolean {
    const stack = this.#countless;
    // one empty line behind a stack is its end, as it is a histogram's
    if (stack === undefined) return text === '';
    this.#countless = undefined;
    const found = readCount(text);
    const isCount = found?.isWhole === true;
    this.#profile.add(isCount ? { ...stack, count: found.count, labels: found.labels } : stack);
    return isCount || text === '';
  }

  #settle(): void {
    if (this.#countless !== undefined) this.#profile.add(this.#countless);
    this.#countless = undefined;
  }

  #add(open: OpenStack, { frames }: FrameReading, line: TextLine): void {
    const isCutString = frames.length > 1 && line.text.length >= STRING_END && !line.text.endsWith(' ');
    const whole = isCutString ? frames.slice(0, -1) : frames;
    if (isCutString) open.isCut = true;
    for (const frame of whole) {
      // one more than is kept: the profile then tells that there were more
      if (open.frames.length <= this.#limits.frames) open.frames.push(frame);
    }
  }
}

function newStack(told: OpenStack['told'], count: number | undefined, labels: readonly Label[]): OpenStack {
  return { frames: [], upper: [], part: '', partLine: undefined, labels, count, told, isCut: false, others: [] };
}

/** A count that a line tells: a number alone, `17 times`, `count=17`, `comm=postgres count: 17`. */
function readCount(text: string): StackCount | undefined {
  const bare = text.trim();
  const alone = /^\d{1,15}$/.exec(bare) ?? countAndNoun.exec(bare);
  if (alone !== null) return { count: Number(alone[1] ?? alone[0]), labels: [], isWhole: true };
  const { title, labels, figures, isWhole } = readCaption(text);
  const { count, ...others } = figures;
  if (count === undefined || count < 0) return undefined;
  return { count, labels, isWhole: isWhole && title === '' && Object.keys(others).length === 0 };
}
