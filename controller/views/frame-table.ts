// What people see as frames: names with the kind of code they are, interned, and which of them a location stands for.
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

/** A growing list of distinct frames. */
export class FrameTable {
  readonly frames: Frame[] = [];
  readonly #index = new Map<string, number>();
  readonly #ofLocation: (readonly number[] | undefined)[] = [];
  readonly #profile: Profile;

  constructor(profile: Profile) {
    this.#profile = profile;
  }

  /** Row of a frame, made when new. */
  intern(name: string, origin: Origin, mapping: string): number {
    const key = `${origin}\0${name}`;
    let row = this.#index.get(key);
    if (row === undefined) {
      row = this.frames.push({ name, origin, mapping }) - 1;
      this.#index.set(key, row);
    }
    return row;
  }

  /** Frames of a location, outermost first: several where functions were inlined. Never empty. */
  ofLocation(location: number): readonly number[] {
    let found = this.#ofLocation[location];
    if (found === undefined) {
      found = this.#read(location);
      this.#ofLocation[location] = found;
    }
    return found;
  }

  #read(location: number): readonly number[] {
    const { locations, mappings, lines, functions, strings } = this.#profile;
    const row = locations.mapping[location];
    const mapping = row < 0 ? '' : strings[mappings.filename[row]];
    const origin = originOf(mapping);
    const from = locations.lineStart[location];
    const to = locations.lineStart[location + 1];
    if (from === to) return [this.intern(unnamed(mapping), origin, mapping)];
    const found = [];
    for (let line = to - 1; line >= from; line--) {
      const name = strings[functions.name[lines.function[line]]] || unnamed(mapping);
      found.push(this.intern(name, line === to - 1 ? origin : 'inlined', mapping));
    }
    return found;
  }
}

const USER_PSEUDO_MAPPING = /^\[(vdso|vdso32|vsyscall|vvar|heap|stack|anon|unknown|uprobes)\b/;

/** Kind of code by the name of its object file. */
export function originOf(mapping: string): 'user' | 'kernel' | 'jit' {
  if (/\/perf-\d+\.map$|\/jitted-\d+-\d+\.so$/.test(mapping)) return 'jit';
  if (mapping.startsWith('[')) return USER_PSEUDO_MAPPING.test(mapping) ? 'user' : 'kernel';
  return /(^|\/)vmlinux([-.][^/]*)?$|\.ko(\.gz|\.xz|\.zst)?$/.test(mapping) ? 'kernel' : 'user';
}

function unnamed(mapping: string): string {
  const base = mapping.slice(mapping.lastIndexOf('/') + 1);
  if (base === '' || base === '[unknown]') return '[unknown]';
  return base.startsWith('[') ? base : `[${base}]`;
}
