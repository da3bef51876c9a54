// What the header of a recording says about it: where, when and how it was made, names of events, build ids of objects.
import { parseEventAttr } from './event-attr.js';
import type { EventSet } from './event-set.js';
import { Misc } from './record-type.js';
import { hexOf, textAt } from './record-view.js';

/** HEADER_* numbers of tools/perf/util/header.h that are used. */
const Feature = {
  BUILD_ID: 2,
  HOSTNAME: 3,
  OSRELEASE: 4,
  VERSION: 5,
  ARCH: 6,
  CMDLINE: 11,
  EVENT_DESC: 12,
} as const;

export class RecordingFacts {
  hostname = '';
  osRelease = '';
  perfVersion = '';
  architecture = '';
  commandLine: readonly string[] = [];
  /** By file name as recorded, in lower-case hex. */
  readonly buildIds = new Map<string, string>();

  /** For the comments of a profile. */
  comments(): string[] {
    const lines = [];
    if (this.commandLine.length > 0) lines.push(`command: ${this.commandLine.join(' ')}`);
    if (this.osRelease !== '') lines.push(`kernel: ${this.osRelease} ${this.architecture}`.trim());
    if (this.perfVersion !== '') lines.push(`perf: ${this.perfVersion}`);
    return lines;
  }

  /** Take in one feature section; sections that end early are read as far as they go. Unused features are skipped. */
  addFeature(feature: number, bytes: Uint8Array, events: EventSet): void {
    const section = new Section(bytes);
    if (feature === Feature.HOSTNAME) this.hostname = section.text();
    else if (feature === Feature.OSRELEASE) this.osRelease = section.text();
    else if (feature === Feature.VERSION) this.perfVersion = section.text();
    else if (feature === Feature.ARCH) this.architecture = section.text();
    else if (feature === Feature.CMDLINE) this.commandLine = section.texts();
    else if (feature === Feature.EVENT_DESC) readEventDescriptions(section, events);
    else if (feature === Feature.BUILD_ID) this.#addBuildIds(bytes);
  }

  /** A `perf_record_header_build_id` from `start` to `end`: header, pid, build id in 24 bytes, file name. */
  addBuildId(bytes: Uint8Array, start: number, end: number): void {
    if (end - start < 37) return;
    const misc = bytes[start + 4] | (bytes[start + 5] << 8);
    const length = (misc & Misc.BUILD_ID_SIZE) !== 0 ? Math.min(bytes[start + 32], 20) : 20;
    const filename = textAt(bytes, start + 36, end);
    const buildId = bytes.subarray(start + 12, start + 12 + length);
    if (filename !== '' && buildId.some((byte) => byte !== 0)) this.buildIds.set(filename, hexOf(buildId));
  }

  #addBuildIds(bytes: Uint8Array): void {
    for (let at = 0; at + 8 <= bytes.length; ) {
      const size = bytes[at + 6] | (bytes[at + 7] << 8);
      if (size < 8 || at + size > bytes.length) return;
      this.addBuildId(bytes, at, at + size);
      at += size;
    }
  }
}

/** Event names with the ids that samples name them by: `nr, attr_size, { attr, nr_ids, name, ids }`. */
function readEventDescriptions(section: Section, events: EventSet): void {
  const count = section.word();
  const attrSize = section.word();
  for (let i = 0; i < count && !section.isAtEnd; i++) {
    const attr = parseEventAttr(section.take(attrSize));
    const idCount = section.word();
    const name = section.text();
    const ids = [];
    for (let id = 0; id < idCount && !section.isAtEnd; id++) ids.push(section.word() + section.word() * 2 ** 32);
    if (attr === undefined) return;
    events.nameByIndex(i, name);
    for (const id of ids) events.nameById(id, name);
  }
}

/** Reads forward through a feature section; past the end everything is zero or empty. */
class Section {
  #at = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  word(): number {
    const at = this.#at;
    this.#at += 4;
    return at + 4 <= this.#bytes.length ? this.#view.getUint32(at, true) : 0;
  }

  take(length: number): Uint8Array {
    const start = Math.min(this.#at, this.#bytes.length);
    this.#at = start + length;
    return this.#bytes.subarray(start, this.#at);
  }

  /** perf's strings: a length, then that many bytes, filled up with NUL. */
  text(): string {
    const bytes = this.take(this.word());
    return textAt(bytes, 0, bytes.length);
  }

  texts(): string[] {
    const count = this.word();
    const list = [];
    for (let i = 0; i < count && !this.isAtEnd; i++) list.push(this.text());
    return list;
  }
}
