// What people see as frames: names with the kind of code they are, interned, and which of them a location stands for.
// The names are those of folded stacks, so that every view and export of a profile agrees on them.
import { foldedFrames, unnamedFrame } from '../../profile/folded-frame.js';
import type { Profile } from '../../profile/profile.js';

/** Kind of code. `all` is the root of a tree, `process` a frame for a comm; inlined code is told apart whatever it is inlined into. */
export type Origin = 'all' | 'process' | 'user' | 'kernel' | 'jit' | 'inlined';

/** Two frames of the same name and origin are the same frame, in whatever object file they lie (fleets mix builds). */
export interface Frame {
  readonly name: string;
  readonly origin: Origin;
  /** Object file it was first seen in; '' when unknown. */
  readonly mapping: string;
}

/** What an object file is called across a fleet: without its directory, and all code that JIT compilers made as one. */
export function objectName(mapping: string): string {
  if (mapping === '' || mapping === '[unknown]') return '[unknown]';
  if (originOf(mapping) === 'jit') return '[jit]';
  if (mapping.startsWith('[')) return mapping;
  return mapping.slice(mapping.lastIndexOf('/') + 1).replace(/ \(deleted\)$/, '');
}

/** A growing list of distinct frames. */
export class FrameTable {
  readonly frames: Frame[] = [];
  readonly #rowsOf: Record<Origin, Map<string, number>> = {
    all: new Map(),
    process: new Map(),
    user: new Map(),
    kernel: new Map(),
    jit: new Map(),
    inlined: new Map(),
  };
  readonly #ofLocation: (readonly number[] | undefined)[] = [];
  /** By row of the mapping plus one. */
  readonly #originOfMapping: ('user' | 'kernel' | 'jit' | undefined)[] = [];
  readonly #profile: Profile;

  constructor(profile: Profile) {
    this.#profile = profile;
  }

  /** Row of a frame, made when new. */
  intern(name: string, origin: Origin, mapping: string): number {
    const rows = this.#rowsOf[origin];
    let row = rows.get(name);
    if (row === undefined) {
      row = this.frames.push({ name, origin, mapping }) - 1;
      rows.set(name, row);
    }
    return row;
  }

  /**
   * Frames of a location, outermost first: several where functions were inlined, none for what the classic collapse leaves out.
   * @param isJava the process is called `java…`: its JIT writes type descriptors, which are tidied
   */
  ofLocation(location: number, isJava = false): readonly number[] {
    const index = 2 * location + (isJava ? 1 : 0);
    let found = this.#ofLocation[index];
    if (found === undefined) {
      found = this.#read(location, isJava);
      this.#ofLocation[index] = found;
    }
    return found;
  }

  #read(location: number, isJava: boolean): readonly number[] {
    const { locations, mappings, strings } = this.#profile;
    const row = locations.mapping[location];
    const mapping = row < 0 ? '' : strings[mappings.filename[row]];
    const origin = this.#originOfMapping[row + 1] ?? originOf(mapping);
    this.#originOfMapping[row + 1] = origin;
    const found: number[] = [];
    readFrames(this.#profile, location, isJava, (name, isInlined) => {
      found.push(this.intern(name, isInlined ? 'inlined' : origin, mapping));
    });
    return found;
  }
}

/** Tell the names of the frames that a location stands for, outermost first. @param isJava see FrameTable.ofLocation */
export function readFrames(
  { locations, mappings, lines, functions, strings }: Profile,
  location: number,
  isJava: boolean,
  found: (name: string, isInlined: boolean) => void,
): void {
  const row = locations.mapping[location];
  const mapping = row < 0 ? '' : strings[mappings.filename[row]];
  const from = locations.lineStart[location];
  const to = locations.lineStart[location + 1];
  const foundUnnamed = (): void =>
    found(unnamedFrame(mapping === '[unknown]' ? '' : mapping, undefined, UNMARKED), false);
  if (from === to) foundUnnamed();
  for (let line = to - 1; line >= from; line--) {
    const name = strings[functions.name[lines.function[line]]];
    if (name === '' || name === '[unknown]') {
      foundUnnamed();
      continue;
    }
    // JIT compilers write the functions that they inlined into one name, as `a->b`.
    for (const part of foldedFrames(name, mapping, isJava, UNMARKED)) {
      const isMarked = part.endsWith('_[i]');
      found(isMarked ? part.slice(0, -4) : part, isMarked || line < to - 1);
    }
  }
}

/** The kind of code is told by `origin`, not by a mark at the name. */
const UNMARKED = { marksKernel: false, marksJit: false };

const USER_PSEUDO_MAPPING = /^\[(vdso|vdso32|vsyscall|vvar|heap|stack|anon|unknown|uprobes)\b/;

/** Kind of code by the name of its object file. */
function originOf(mapping: string): 'user' | 'kernel' | 'jit' {
  if (/\/perf-\d+\.map$|\/jitted-\d+-\d+\.so$/.test(mapping)) return 'jit';
  if (mapping.startsWith('[')) return USER_PSEUDO_MAPPING.test(mapping) ? 'user' : 'kernel';
  return /(^|\/)vmlinux([-.][^/]*)?$|\.ko(\.gz|\.xz|\.zst)?$/.test(mapping) ? 'kernel' : 'user';
}
