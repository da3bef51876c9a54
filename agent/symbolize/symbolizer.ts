// Fills in the lines of a profile's locations on the machine it was captured on: one look-up per object, within a time budget.
//
//   locations of each object -> names of each address -> one batch of demangling -> lines
//
// Stacks, samples and addresses stay as they are; what gets no name is told as a loss, with the reason.
import type { Profile } from '../../profile/profile.js';
import { type ResolvedLine, withLines } from '../../profile/with-lines.js';
import type { Milliseconds } from '../../proto/capture.js';
import { demangleNames } from './demangle.js';
import type { SymbolNames } from './elf-symbols.js';
import { countFrames } from './frame-counts.js';
import { nameKernelAddresses } from './kernel-names.js';
import { MissedFrames } from './missed-frames.js';
import { bestSpelling } from './needed-symbols.js';
import type { ObjectContext, SymbolizedProfile, SymbolizeOptions, Symbolizer } from './object-context.js';
import { ObjectFinder } from './object-files.js';
import { type NamedObject, nameJitCode, nameObject, nameVdso } from './object-names.js';
import type { SourceFrame } from './source-lines.js';
import type { SymbolHost } from './symbol-host.js';

export function createSymbolizer(host: SymbolHost): Symbolizer {
  return { symbolize: (profile, objects, options) => symbolize(host, profile, objects, options) };
}

/** The locations of one mapping, sorted by address. */
interface ObjectLocations {
  /** -1: addresses in no known mapping. */
  readonly mapping: number;
  readonly context: ObjectContext | undefined;
  readonly locations: Int32Array;
  readonly addresses: Float64Array;
  readonly frames: number;
}

const OUT_OF_TIME = 'not looked up, the time budget was used up';
const NO_NAMES: SymbolNames = [];
const NOTHING: NamedObject = { names: [], frames: [], reason: '' };

async function symbolize(
  host: SymbolHost,
  profile: Profile,
  contexts: readonly ObjectContext[],
  options: SymbolizeOptions,
): Promise<SymbolizedProfile> {
  const deadline = host.now() + options.budget;
  const remaining = (): Milliseconds => deadline - host.now();
  const frames = countFrames(profile);
  const objects = locationsByObject(profile, contexts, frames);
  const named = await nameKernelObjects(host, profile, objects, options, remaining);
  const finder = new ObjectFinder(host);
  for (const object of objects) {
    if (named.has(object)) continue;
    const result =
      remaining() <= 0 ? { ...NOTHING, reason: OUT_OF_TIME } : await nameOne(host, finder, object, options, remaining);
    named.set(object, result);
  }
  const spell = await speller(host, [...named.values()], options.demangle, remaining());
  const lineOf = symbolLines(spell);
  const lines = new Map<number, readonly ResolvedLine[]>();
  const withoutName = new MissedFrames('unsymbolized-frames');
  const withoutLine = new MissedFrames('frames-without-lines');
  for (const [object, result] of named) {
    const filename = object.mapping < 0 ? 'no mapping' : profile.strings[profile.mappings.filename[object.mapping]];
    object.locations.forEach((location, at) => {
      const found = linesOf(lineOf(result.names[at] ?? NO_NAMES), result.frames[at] ?? [], spell);
      if (found.length === 0) withoutName.add(filename, result.reason, frames[location]);
      else lines.set(location, found);
      const hasLine = found.some(({ line }) => line !== undefined && line > 0);
      if (found.length > 0 && !hasLine && result.lineReason !== undefined) {
        withoutLine.add(filename, result.lineReason, frames[location]);
      }
    });
  }
  return {
    profile: withLines(profile, (location) => lines.get(location) ?? []),
    losses: [...withoutLine.losses(), ...withoutName.losses()],
  };
}

/** Objects with unnamed locations, those with the most sampled frames first. */
function locationsByObject(
  profile: Profile,
  contexts: readonly ObjectContext[],
  frames: Float64Array,
): ObjectLocations[] {
  const { mapping, addressLo, addressHi, lineStart, length } = profile.locations;
  const rows = new Map<number, number[]>();
  for (let location = 0; location < length; location++) {
    if (lineStart[location] !== lineStart[location + 1]) continue;
    const known = rows.get(mapping[location]);
    if (known === undefined) rows.set(mapping[location], [location]);
    else known.push(location);
  }
  const addressOf = (location: number): number => addressLo[location] + addressHi[location] * 4294967296;
  const contextOf = new Map(contexts.map((context) => [context.mapping, context]));
  return [...rows]
    .map(([row, list]) => {
      const locations = Int32Array.from(list).sort((a, b) => addressOf(a) - addressOf(b));
      return {
        mapping: row,
        context: contextOf.get(row),
        locations,
        addresses: Float64Array.from(locations, addressOf),
        frames: list.reduce((sum, location) => sum + frames[location], 0),
      };
    })
    .sort((a, b) => b.frames - a.frames);
}

async function nameKernelObjects(
  host: SymbolHost,
  profile: Profile,
  objects: readonly ObjectLocations[],
  options: SymbolizeOptions,
  remaining: () => Milliseconds,
): Promise<Map<ObjectLocations, NamedObject>> {
  const named = new Map<ObjectLocations, NamedObject>();
  if (remaining() <= 0) return named;
  const { addressLo, addressHi } = profile.locations;
  const kernel = objects.flatMap((object) => {
    const { context } = object;
    if (context?.kind !== 'kernel' && context?.kind !== 'module' && context?.kind !== 'bpf') return [];
    const lo = Uint32Array.from(object.locations, (location) => addressLo[location]);
    const hi = Uint32Array.from(object.locations, (location) => addressHi[location]);
    return [{ object, addresses: { context, lo, hi } }];
  });
  const results = await nameKernelAddresses(
    host,
    kernel.map(({ addresses }) => addresses),
    options.kernelSymbols,
  );
  kernel.forEach(({ object }, index) => {
    const { names, reason } = results[index];
    named.set(object, { names: plainNames(names), frames: [], reason });
  });
  return named;
}

function nameOne(
  host: SymbolHost,
  finder: ObjectFinder,
  object: ObjectLocations,
  options: SymbolizeOptions,
  remaining: () => Milliseconds,
): Promise<NamedObject> {
  const { context, addresses } = object;
  if (object.mapping < 0)
    return Promise.resolve({ ...NOTHING, reason: 'the process had nothing mapped at the address' });
  if (context === undefined) return Promise.resolve({ ...NOTHING, reason: 'nothing is known about this object' });
  switch (context.kind) {
    case 'elf':
      return nameObject(host, finder, context, addresses, { lines: options.lines, remaining });
    case 'vdso':
      return nameVdso(host, context, addresses, remaining);
    case 'jit':
      return nameJitCode(host, context, addresses);
    case 'unnamed':
      return Promise.resolve({ ...NOTHING, reason: 'memory without symbols' });
    case 'kernel':
    case 'module':
    case 'bpf':
      return Promise.resolve({ ...NOTHING, reason: OUT_OF_TIME });
    default:
      return assertNever(context.kind);
  }
}

/** Text to name, demangled in one batch for all objects. */
async function speller(
  host: SymbolHost,
  results: readonly NamedObject[],
  demangle: boolean,
  timeout: Milliseconds,
): Promise<(text: string) => string> {
  if (!demangle) return (text) => text;
  const texts = new Set<string>();
  for (const { names, frames, isMangled } of results) {
    if (isMangled !== true) continue;
    for (const list of names) for (const name of list) texts.add(name.text);
    for (const list of frames) for (const frame of list) texts.add(frame.name);
  }
  const readable = await demangleNames(host, texts, Math.max(1000, timeout));
  return (text) => readable.get(text) ?? text;
}

/** Without source lines one line with the symbol; with them one per inlined function, the outermost being the symbol itself. */
function linesOf(
  symbol: readonly ResolvedLine[],
  frames: readonly SourceFrame[],
  spell: (text: string) => string,
): readonly ResolvedLine[] {
  if (frames.length === 0) return symbol;
  return frames.flatMap((frame, index): ResolvedLine[] => {
    const isOutermost = index === frames.length - 1;
    const own = frame.name === '' ? undefined : { name: spell(frame.name), systemName: frame.name };
    const name = isOutermost ? (symbol[0] ?? own) : own;
    return name === undefined ? [] : [{ ...name, filename: frame.filename, line: frame.line }];
  });
}

/** The line of a symbol, made once for all its addresses; none for no names. */
function symbolLines(spell: (text: string) => string): (names: SymbolNames) => readonly ResolvedLine[] {
  const known = new Map<SymbolNames, readonly ResolvedLine[]>([[NO_NAMES, []]]);
  return (names) => {
    const line = known.get(names) ?? chosenName(names, spell);
    known.set(names, line);
    return line;
  };
}

function chosenName(names: SymbolNames, spell: (text: string) => string): readonly ResolvedLine[] {
  if (names.length === 0) return [];
  const spelled = names.map(({ text, suffix }) => spell(text) + suffix);
  const best = names.length === 1 ? 0 : bestSpelling(spelled);
  return [{ name: spelled[best], systemName: names[best].text + names[best].suffix }];
}

/** Equal names give the same array. */
function plainNames(names: readonly (string | undefined)[]): SymbolNames[] {
  const known = new Map<string | undefined, SymbolNames>([[undefined, NO_NAMES]]);
  return names.map((text) => {
    const plain = known.get(text) ?? [{ text: text ?? '', suffix: '' }];
    known.set(text, plain);
    return plain;
  });
}

function assertNever(kind: never): never {
  throw new Error(`object of an unknown kind: ${String(kind)}`);
}
