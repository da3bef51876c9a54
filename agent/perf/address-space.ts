// The code that a process (or the kernel) has mapped. Shared by forks and copied on the first change after that.
import type { MappedObject } from './mapped-object.js';

/** Addresses as code-address.ts counts them; `end` is exclusive. */
export interface CodeMap {
  readonly start: number;
  readonly end: number;
  /** Offset in the object of the byte at `start`. */
  readonly fileOffset: number;
  readonly object: MappedObject;
}

/** Linux allows 65,530 by default. */
const MOST_MAPS = 65_536;

export class AddressSpace {
  readonly id: number;
  /** Sorted, disjoint. */
  readonly #maps: CodeMap[];
  #isShared = false;

  constructor(id: number, maps: CodeMap[] = []) {
    this.id = id;
    this.#maps = maps;
  }

  get mapCount(): number {
    return this.#maps.length;
  }

  /** From now on `with` makes a copy. */
  share(): this {
    this.#isShared = true;
    return this;
  }

  find(address: number): CodeMap | undefined {
    const index = firstEndingAfter(this.#maps, address);
    const map = this.#maps[index];
    return map !== undefined && map.start <= address ? map : undefined;
  }

  /**
   * The space with `map` laid over whatever was there. It is this very space, changed, where nothing was there before: code that was
   * unknown until now may as well be known for the samples before. Otherwise a new one, so that older samples keep what they saw.
   * @returns undefined when there are too many maps to be true
   */
  with(map: CodeMap, nextId: () => number): AddressSpace | undefined {
    const maps = this.#maps;
    const from = firstEndingAfter(maps, map.start);
    let to = from;
    while (to < maps.length && maps[to].start < map.end) to++;
    if (to === from + 1 && sameMap(maps[from], map)) return this;
    if (maps.length >= MOST_MAPS) return undefined;
    if (to === from && !this.#isShared) {
      maps.splice(from, 0, map);
      return this;
    }
    const changed = maps.slice(0, from);
    if (to > from && maps[from].start < map.start) changed.push({ ...maps[from], end: map.start });
    changed.push(map);
    const last = maps[to - 1];
    if (to > from && last.end > map.end) {
      changed.push({ ...last, start: map.end, fileOffset: last.fileOffset + map.end - last.start });
    }
    for (let i = to; i < maps.length; i++) changed.push(maps[i]);
    return new AddressSpace(nextId(), changed);
  }
}

function firstEndingAfter(maps: readonly CodeMap[], address: number): number {
  let low = 0;
  let high = maps.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (maps[middle].end <= address) low = middle + 1;
    else high = middle;
  }
  return low;
}

function sameMap(a: CodeMap, b: CodeMap): boolean {
  return a.start === b.start && a.end === b.end && a.fileOffset === b.fileOffset && a.object === b.object;
}
