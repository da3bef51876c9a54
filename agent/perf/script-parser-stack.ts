// The stack of the sample that is being read: frames come innermost first, each perhaps after the functions inlined into it.
import type { LineEntry, ProfileBuilder } from '../../profile/profile-builder.js';
import type { FrameText, SourceText } from './script-parser-frame.js';

/** A distinct frame line, interned. */
export interface KnownFrame {
  readonly text: FrameText;
  readonly mapping: number;
  /** Row of the function table; -1 for an unknown one. */
  readonly function: number;
  /** Row of the location table, for a frame that nothing was inlined into. */
  readonly location: number;
}

/** Frames of one sample. The kernel's limit is 127 unless an administrator raises it; inlined ones come on top. */
const MOST_FRAMES = 1 << 16;

export class StackInProgress {
  readonly #builder: ProfileBuilder;
  /** Rows of the location table, innermost first. */
  readonly #locations = new Int32Array(MOST_FRAMES);
  #depth = 0;
  /** Locations and stack rows of the sample before, outermost first: samples in a row share their callers. */
  readonly #previous = { locations: new Int32Array(MOST_FRAMES), stacks: new Int32Array(MOST_FRAMES), depth: 0 };
  /** Inlined functions that wait for the frame of the same address that they were inlined into. */
  #waiting: LineEntry[] = [];
  #waitingFor: KnownFrame | undefined;
  /** The frame read last and the functions inlined into it, for the source line that may follow. */
  #last: KnownFrame | undefined;
  #inlinedIntoLast: readonly LineEntry[] = [];
  /** Frames without a name. */
  unknownFrames = 0;
  /** Whether there were more frames than are kept. */
  isCut = false;

  constructor(builder: ProfileBuilder) {
    this.#builder = builder;
  }

  get isEmpty(): boolean {
    return this.#depth === 0 && this.#waiting.length === 0;
  }

  /** Intern a frame as printed. */
  intern(text: FrameText): KnownFrame {
    const builder = this.#builder;
    const mapping = text.object === '' ? -1 : builder.mapping(text.object);
    const named = text.name === '' ? -1 : builder.function(text.name);
    const lines = named < 0 ? [] : [{ function: named, line: 0 }];
    const location = text.isInlined ? -1 : builder.location(mapping, text.addressLo, text.addressHi, lines);
    return { text, mapping, function: named, location };
  }

  push(frame: KnownFrame): void {
    if (frame.function < 0) this.unknownFrames++;
    this.#last = frame;
    if (this.#waiting.length === 0 && !frame.text.isInlined) {
      this.#pushLocation(frame.location);
      if (this.#inlinedIntoLast.length > 0) this.#inlinedIntoLast = [];
      return;
    }
    if (this.#waitingFor !== undefined && !sameAddress(this.#waitingFor.text, frame.text)) this.#giveUpWaiting();
    if (frame.text.isInlined) {
      if (frame.function >= 0) this.#waiting.push({ function: frame.function, line: 0 });
      this.#waitingFor = frame;
    } else {
      this.#pushWithInlined(frame, frame.function < 0 ? [] : [{ function: frame.function, line: 0 }]);
    }
  }

  /** Where the code of the frame before is. False when there is no such frame. */
  addSource(source: SourceText): boolean {
    const frame = this.#last;
    if (frame === undefined) return false;
    this.#last = undefined;
    if (frame.function < 0) return true;
    const named = this.#builder.function(frame.text.name, frame.text.name, source.file);
    const line: LineEntry = { function: named, line: source.line };
    if (frame.text.isInlined) {
      this.#waiting[this.#waiting.length - 1] = line;
      return true;
    }
    if (this.#depth > 0) this.#depth--;
    this.#waiting = [...this.#inlinedIntoLast];
    if (source.isInlined) {
      // `-F +srcline` prints "(inlined)" behind the source line instead
      this.#waiting.push(line);
      this.#waitingFor = frame;
    } else {
      this.#pushWithInlined(frame, [line]);
    }
    return true;
  }

  /** The row of the whole stack (-1 without frames); begins a new one. */
  finish(): number {
    if (this.#waiting.length > 0) this.#giveUpWaiting();
    const { locations, stacks, depth } = this.#previous;
    let stack = -1;
    let isShared = true;
    for (let row = 0; row < this.#depth; row++) {
      const location = this.#locations[this.#depth - 1 - row];
      isShared &&= row < depth && locations[row] === location;
      stack = isShared ? stacks[row] : this.#builder.stack(stack, location);
      locations[row] = location;
      stacks[row] = stack;
    }
    this.#previous.depth = this.#depth;
    this.clear();
    return stack;
  }

  clear(): void {
    this.#depth = 0;
    this.#waiting.length = 0;
    this.#waitingFor = undefined;
    this.#last = undefined;
    this.unknownFrames = 0;
    this.isCut = false;
  }

  #pushWithInlined(frame: KnownFrame, own: readonly LineEntry[]): void {
    const { addressLo, addressHi } = frame.text;
    this.#inlinedIntoLast = this.#waiting;
    this.#pushLocation(this.#builder.location(frame.mapping, addressLo, addressHi, [...this.#waiting, ...own]));
    this.#waiting = [];
    this.#waitingFor = undefined;
  }

  /** The frame that the waiting ones were inlined into is missing: they become frames of no object. */
  #giveUpWaiting(): void {
    const { addressLo, addressHi } = this.#waitingFor?.text ?? { addressLo: 0, addressHi: 0 };
    for (const line of this.#waiting) this.#pushLocation(this.#builder.location(-1, addressLo, addressHi, [line]));
    this.#waiting = [];
    this.#waitingFor = undefined;
  }

  #pushLocation(location: number): void {
    if (this.#depth < MOST_FRAMES) this.#locations[this.#depth++] = location;
    else this.isCut = true;
  }
}

function sameAddress(a: FrameText, b: FrameText): boolean {
  return a.addressLo === b.addressLo && a.addressHi === b.addressHi;
}
