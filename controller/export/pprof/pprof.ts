// A profile in Google's pprof format (profile.proto, gzip'd): opens in `go tool pprof`, speedscope, Grafana and many more.
// https://github.com/google/pprof/blob/main/proto/profile.proto
import { gzipSync } from 'node:zlib';
import type { LabelSet, Profile } from '../../../profile/profile.js';
import { eventColumns } from '../../views/event-columns.js';
import { lossText } from '../../views/loss-text.js';
import type { ExportParts } from '../exporter.js';
import { ProtobufWriter } from './protobuf-writer.js';

export interface PprofOptions {
  /** Event whose weight readers show first. Default: the profile's first. */
  readonly event?: string;
}

/** The gzip'd file. All sample types are kept; losses are comments. Timed samples have no place in the format. */
export function* pprofFile(profile: Profile, options: PprofOptions = {}): ExportParts {
  yield gzipSync(pprofMessage(profile, options));
}

/** The `perftools.profiles.Profile` message before compression. */
function pprofMessage(profile: Profile, options: PprofOptions): Uint8Array {
  const to = new ProtobufWriter();
  const text = new TextTable(profile.strings);
  for (const type of profile.sampleTypes) {
    to.message(FIELD.sampleType, (message) => {
      message.number(1, text.index(type.type));
      message.number(2, text.index(type.unit));
    });
  }
  writeSamples(to, profile, text);
  writeMappings(to, profile);
  writeLocations(to, profile);
  writeFunctions(to, profile);
  to.number(FIELD.timeNanos, BigInt(Math.round(profile.startTime)) * 1_000_000n);
  to.number(FIELD.durationNanos, BigInt(Math.round(profile.duration)) * 1_000_000n);
  const comments = [...profile.comments, ...profile.losses.map((loss) => `loss: ${lossText(loss)}`)];
  to.packed(
    FIELD.comment,
    comments.map((comment) => text.index(comment)),
  );
  to.number(FIELD.defaultSampleType, text.index(eventColumns(profile, options.event).event));
  for (const string of text.strings) to.text(FIELD.stringTable, string);
  return to.finish();
}

/** Numbers of the fields of `Profile`. */
const FIELD = {
  sampleType: 1,
  sample: 2,
  mapping: 3,
  location: 4,
  function: 5,
  stringTable: 6,
  timeNanos: 9,
  durationNanos: 10,
  comment: 13,
  defaultSampleType: 14,
} as const;

/** The profile's own strings keep their indices (both formats have '' at 0); further ones follow. */
class TextTable {
  readonly strings: string[];
  readonly #index: Map<string, number>;

  constructor(strings: readonly string[]) {
    this.strings = [...strings];
    this.#index = new Map(strings.map((string, index) => [string, index]));
  }

  index(text: string): number {
    let index = this.#index.get(text);
    if (index === undefined) {
      index = this.strings.push(text) - 1;
      this.#index.set(text, index);
    }
    return index;
  }
}

function writeSamples(to: ProtobufWriter, { samples, stacks, labelSets }: Profile, text: TextTable): void {
  const labels = labelSets.map((set) => labelMessages(set, text));
  const path: number[] = [];
  for (let row = 0; row < samples.length; row++) {
    path.length = 0;
    // Leaf first, as in pprof. Ids are rows plus one: 0 means none there.
    for (let stack = samples.stack[row]; stack >= 0; stack = stacks.parent[stack])
      path.push(stacks.location[stack] + 1);
    to.message(FIELD.sample, (message) => {
      message.packed(1, path);
      message.packed(
        2,
        samples.values.map((column) => column[row]),
      );
      for (const label of labels[samples.labels[row]]) message.bytes(3, label);
    });
  }
}

/** pid and tid are numbers, so that readers can pick ranges of them; everything else is text. */
function labelMessages(set: LabelSet, text: TextTable): Uint8Array[] {
  return set.map(({ key, value }) => {
    const message = new ProtobufWriter();
    message.number(1, text.index(key));
    if ((key === 'pid' || key === 'tid') && /^\d{1,15}$/.test(value)) message.number(3, Number(value));
    else message.number(2, text.index(value));
    return message.finish();
  });
}

/**
 * Our addresses are offsets inside the object file, so each mapping starts at 0 and ends behind its last address. A mapping
 * counts as symbolized when anything in it has a name: readers then do not look for symbols on their own machine.
 */
function writeMappings(to: ProtobufWriter, profile: Profile): void {
  const { mappings, locations, lines, functions } = profile;
  const facts = Array.from({ length: mappings.length }, () => ({
    end: 0n,
    hasFunctions: false,
    hasFilenames: false,
    hasLines: false,
    hasInlines: false,
  }));
  for (let row = 0; row < locations.length; row++) {
    const mapping = locations.mapping[row];
    if (mapping < 0) continue;
    const fact = facts[mapping];
    const end = (BigInt(locations.addressHi[row]) << 32n) + BigInt(locations.addressLo[row]) + 1n;
    if (end > fact.end) fact.end = end;
    const from = locations.lineStart[row];
    const to = locations.lineStart[row + 1];
    fact.hasFunctions ||= to > from;
    fact.hasInlines ||= to > from + 1;
    for (let line = from; line < to; line++) {
      fact.hasFilenames ||= functions.filename[lines.function[line]] !== 0;
      fact.hasLines ||= lines.line[line] !== 0;
    }
  }
  for (const [row, fact] of facts.entries()) {
    to.message(FIELD.mapping, (message) => {
      message.number(1, row + 1);
      message.number(3, BigInt.asUintN(64, fact.end));
      message.number(5, mappings.filename[row]);
      message.number(6, mappings.buildId[row]);
      message.boolean(7, fact.hasFunctions);
      message.boolean(8, fact.hasFilenames);
      message.boolean(9, fact.hasLines);
      message.boolean(10, fact.hasInlines);
    });
  }
}

function writeLocations(to: ProtobufWriter, { locations, lines }: Profile): void {
  for (let row = 0; row < locations.length; row++) {
    to.message(FIELD.location, (message) => {
      message.number(1, row + 1);
      message.number(2, locations.mapping[row] + 1);
      message.halves(3, locations.addressLo[row], locations.addressHi[row]);
      for (let line = locations.lineStart[row]; line < locations.lineStart[row + 1]; line++) {
        message.message(4, (inner) => {
          inner.number(1, lines.function[line] + 1);
          inner.number(2, lines.line[line]);
        });
      }
    });
  }
}

function writeFunctions(to: ProtobufWriter, { functions }: Profile): void {
  for (let row = 0; row < functions.length; row++) {
    to.message(FIELD.function, (message) => {
      message.number(1, row + 1);
      message.number(2, functions.name[row]);
      message.number(3, functions.systemName[row]);
      message.number(4, functions.filename[row]);
      message.number(5, functions.startLine[row]);
    });
  }
}
