// Fill in the lines of a profile's locations: what a symbolizer does. Stacks, samples and addresses stay as they are.
import { Int32Column } from './column.js';
import type { Profile } from './profile.js';

/** What a symbolizer knows about one location, innermost inlined function first; empty when it has no name. */
export interface ResolvedLine {
  /** Demangled name. */
  readonly name: string;
  /** Name as the symbol table has it; the same as `name` when not given. */
  readonly systemName?: string;
  readonly filename?: string;
  /** Source line of the address; 0 or absent when unknown. */
  readonly line?: number;
  readonly startLine?: number;
}

/**
 * A profile with the same rows everywhere but in `strings` (extended), `functions` and `lines` (extended), and with
 * `resolve(location)` as the lines of each location that has none yet.
 */
export function withLines(profile: Profile, resolve: (location: number) => readonly ResolvedLine[]): Profile {
  const strings = [...profile.strings];
  const stringIndex = new Map(strings.map((text, index) => [text, index]));
  const stringOf = (text: string): number => {
    let index = stringIndex.get(text);
    if (index === undefined) {
      index = strings.push(text) - 1;
      stringIndex.set(text, index);
    }
    return index;
  };
  const columns = {
    name: new Int32Column(),
    systemName: new Int32Column(),
    filename: new Int32Column(),
    startLine: new Int32Column(),
  };
  const functionIndex = new Map<string, number>();
  const functionOf = (name: number, systemName: number, filename: number, startLine: number): number => {
    const key = `${name},${systemName},${filename},${startLine}`;
    let row = functionIndex.get(key);
    if (row === undefined) {
      row = columns.name.push(name);
      columns.systemName.push(systemName);
      columns.filename.push(filename);
      columns.startLine.push(startLine);
      functionIndex.set(key, row);
    }
    return row;
  };
  const { functions, locations, lines } = profile;
  for (let row = 0; row < functions.length; row++) {
    functionOf(functions.name[row], functions.systemName[row], functions.filename[row], functions.startLine[row]);
  }
  const lineFunction = new Int32Column();
  const lineNumber = new Int32Column();
  const lineStart = new Int32Array(locations.length + 1);
  for (let location = 0; location < locations.length; location++) {
    lineStart[location] = lineFunction.length;
    const from = locations.lineStart[location];
    const to = locations.lineStart[location + 1];
    for (let row = from; row < to; row++) {
      lineFunction.push(lines.function[row]);
      lineNumber.push(lines.line[row]);
    }
    if (from !== to) continue;
    for (const found of resolve(location)) {
      const name = stringOf(found.name);
      const systemName = found.systemName === undefined ? name : stringOf(found.systemName);
      lineFunction.push(functionOf(name, systemName, stringOf(found.filename ?? ''), found.startLine ?? 0));
      lineNumber.push(found.line ?? 0);
    }
  }
  lineStart[locations.length] = lineFunction.length;
  return {
    ...profile,
    strings,
    functions: {
      length: columns.name.length,
      name: columns.name.trim(),
      systemName: columns.systemName.trim(),
      filename: columns.filename.trim(),
      startLine: columns.startLine.trim(),
    },
    locations: { ...locations, lineStart },
    lines: { length: lineFunction.length, function: lineFunction.trim(), line: lineNumber.trim() },
  };
}
