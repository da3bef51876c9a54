// Profiles as lines of text, to compare what the script parser made of a text with what one expects.
import { ScriptParser, type ScriptParserOptions } from '../../../agent/perf/script-parser.js';
import { checkValid } from '../../../profile/check-valid.js';
import type { Profile } from '../../../profile/profile.js';

/** Parse a text given in chunks of `chunkBytes` (default: all at once); throws where the profile breaks an invariant. */
export function parseScript(
  text: string | Uint8Array,
  options: Partial<ScriptParserOptions> & { readonly chunkBytes?: number } = {},
): Profile {
  const { chunkBytes = Number.POSITIVE_INFINITY, split = 'comm', keepTimestamps = false } = options;
  const bytes = typeof text === 'string' ? new TextEncoder().encode(text) : text;
  const parser = new ScriptParser({ split, keepTimestamps });
  for (let at = 0; at < bytes.length; at += chunkBytes) parser.push(bytes.subarray(at, at + chunkBytes));
  const { profile } = parser.end();
  const problem = checkValid(profile);
  if (problem !== undefined) throw new Error(problem);
  return profile;
}

/**
 * One line per sample row and event, `event {comm=a tid=7} main;f>inlined@object weight/samples`, sorted.
 * Frames go outermost first; an unnamed one is `?address`.
 */
export function profileLines(profile: Profile): string[] {
  const { samples, sampleTypes, labelSets } = profile;
  const lines: string[] = [];
  for (let row = 0; row < samples.length; row++) {
    const labels = labelSets[samples.labels[row]].map(({ key, value }) => `${key}=${value}`).join(' ');
    const stack = stackText(profile, samples.stack[row]);
    for (let type = 0; type < sampleTypes.length; type += 2) {
      const count = samples.values[type][row];
      const weight = samples.values[type + 1][row];
      if (count > 0) lines.push(`${sampleTypes[type + 1].type} {${labels}} ${stack} ${weight}/${count}`);
    }
  }
  return lines.sort();
}

/** Sum of the samples (`samples`) or of their weights, over all events. */
export function total(profile: Profile, what: 'samples' | 'weight'): number {
  const columns = profile.samples.values.filter((_, type) => type % 2 === (what === 'samples' ? 0 : 1));
  return columns.reduce((sum, column) => column.reduce((a, b) => a + b, sum), 0);
}

export function lossCount(profile: Profile, kind: Profile['losses'][number]['kind']): number {
  return profile.losses.filter((loss) => loss.kind === kind).reduce((sum, loss) => sum + loss.count, 0);
}

function stackText(profile: Profile, stack: number): string {
  const frames: string[] = [];
  for (let row = stack; row >= 0; row = profile.stacks.parent[row]) {
    frames.unshift(locationText(profile, profile.stacks.location[row]));
  }
  return frames.length === 0 ? '-' : frames.join(';');
}

function locationText(profile: Profile, row: number): string {
  const { locations, lines, functions, mappings, strings } = profile;
  const names: string[] = [];
  for (let i = locations.lineStart[row]; i < locations.lineStart[row + 1]; i++) {
    const file = strings[functions.filename[lines.function[i]]];
    const place = file === '' ? '' : `(${file}:${lines.line[i]})`;
    names.unshift(`${strings[functions.name[lines.function[i]]]}${place}`);
  }
  const address = (BigInt(locations.addressHi[row]) << 32n) | BigInt(locations.addressLo[row]);
  const mapping = locations.mapping[row];
  const object = mapping < 0 ? '' : `@${strings[mappings.filename[mapping]]}`;
  return `${names.length === 0 ? `?0x${address.toString(16)}` : names.join('>')}${object}`;
}
