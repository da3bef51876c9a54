// Symbolizes a profile of one object with one sample per address, and reads the names back.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { createLocalHost } from '../../../agent/symbolize/local-host.js';
import type { ObjectContext, SymbolizeOptions } from '../../../agent/symbolize/object-context.js';
import type { SymbolHost } from '../../../agent/symbolize/symbol-host.js';
import { createSymbolizer } from '../../../agent/symbolize/symbolizer.js';
import type { Loss } from '../../../profile/loss.js';
import type { Profile } from '../../../profile/profile.js';
import { ProfileBuilder } from '../../../profile/profile-builder.js';
import { samplesOf, weightOf } from '../../../profile/sample-type.js';

export interface Symbolized {
  /** One per address; '[unknown]' without a name. With source lines: innermost first, joined by ' < '. */
  readonly names: readonly string[];
  readonly losses: readonly Loss[];
  readonly profile: Profile;
}

export interface Asked {
  readonly context: Partial<ObjectContext> & Pick<ObjectContext, 'kind' | 'path'>;
  readonly addresses: readonly (number | bigint)[];
  readonly host?: SymbolHost;
  readonly options?: Partial<SymbolizeOptions>;
}

export async function symbolizeAddresses({ context, addresses, host, options }: Asked): Promise<Symbolized> {
  const builder = new ProfileBuilder([samplesOf('cpu-clock'), weightOf('cpu-clock')]);
  const mapping = builder.mapping(context.path, context.buildId);
  const labels = builder.labelSet([]);
  const locations = addresses.map((address) => {
    const word = BigInt(address);
    const location = builder.location(mapping, Number(word & 0xffffffffn), Number(word >> 32n));
    builder.add(builder.sample(builder.stack(-1, location), labels), 0, 1);
    return location;
  });
  const { profile, losses } = await createSymbolizer(host ?? createLocalHost()).symbolize(
    builder.freeze(),
    [{ buildId: '', pids: [], memoryStart: { lo: 0, hi: 0 }, isLive: false, ...context, mapping }],
    { lines: false, budget: 30_000, demangle: true, kernelSymbols: [], ...options },
  );
  return { names: locations.map((location) => nameOf(profile, location)), losses, profile };
}

export function nameOf(profile: Profile, location: number): string {
  const { lineStart } = profile.locations;
  const names: string[] = [];
  for (let row = lineStart[location]; row < lineStart[location + 1]; row++) {
    names.push(profile.strings[profile.functions.name[profile.lines.function[row]]]);
  }
  return names.length === 0 ? '[unknown]' : names.join(' < ');
}

/** A directory of the test's own, removed when it is over. */
export function ownDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'symbolize-test-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return directory;
}

/** Compile `source` in `directory` to `a.out`; gcc for .c, g++ for .cc. */
export function compile(directory: string, source: { name: string; text: string }, flags: readonly string[]): string {
  const input = join(directory, source.name);
  const output = join(directory, 'a.out');
  writeFileSync(input, source.text);
  const compiler = source.name.endsWith('.cc') ? 'g++' : 'gcc';
  execFileSync(compiler, [...flags, '-o', output, input], { stdio: ['ignore', 'ignore', 'inherit'] });
  return output;
}

/** File offsets of all code: every `step`-th byte of the executable segments, as readelf tells them. */
export function codeOffsets(file: string, step: number): number[] {
  const headers = execFileSync('readelf', ['-lW', file], { encoding: 'utf8' });
  return headers.split('\n').flatMap((line) => {
    const load = /^\s+LOAD\s+(\S+)\s+\S+\s+\S+\s+(\S+)\s+\S+\s+R.E/.exec(line);
    if (load === null) return [];
    return Array.from({ length: Math.ceil(Number(load[2]) / step) }, (_, index) => Number(load[1]) + index * step);
  });
}

/** Where a section's bytes lie in the file, as readelf tells it. */
export function sectionRange(file: string, name: string): { readonly start: number; readonly end: number } {
  const headers = execFileSync('readelf', ['-SW', file], { encoding: 'utf8' });
  const found = new RegExp(`\\s${name.replaceAll('.', '\\.')}\\s+\\S+\\s+[0-9a-f]+\\s+([0-9a-f]+)\\s+([0-9a-f]+)`).exec(
    headers,
  );
  if (found === null) throw new Error(`${file} has no section ${name}`);
  const start = Number.parseInt(found[1], 16);
  return { start, end: start + Number.parseInt(found[2], 16) };
}
