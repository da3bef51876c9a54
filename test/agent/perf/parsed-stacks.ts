// A profile of addresses as text: `comm;0x1000(libc.so);… weight`, outermost first, one line per distinct stack, sorted.
import type { CollectedProfile } from '../../../agent/perf/collector.js';
import { type PerfDataOptions, PerfDataParser } from '../../../agent/perf/perf-data-parser.js';
import type { Profile } from '../../../profile/profile.js';

export function parse(
  bytes: Uint8Array,
  options: Partial<PerfDataOptions> = {},
  chunk = bytes.length,
): CollectedProfile {
  const parser = new PerfDataParser({ split: 'comm', keepTimestamps: false, isLive: false, ...options });
  for (let at = 0; at < bytes.length; at += chunk) parser.push(bytes.subarray(at, at + chunk));
  return parser.end();
}

/** Kernel addresses as they were in memory, all others as the profile has them. */
export function stackLines(collected: CollectedProfile, event = 0): string[] {
  const { profile, objects } = collected;
  const weights = new Map<string, number>();
  for (let row = 0; row < profile.samples.length; row++) {
    if (profile.samples.values[2 * event][row] === 0) continue;
    const frames: string[] = [];
    for (let stack = profile.samples.stack[row]; stack >= 0; stack = profile.stacks.parent[stack]) {
      frames.unshift(frameText(profile, objects, profile.stacks.location[stack]));
    }
    const root = profile.labelSets[profile.samples.labels[row]].map(({ value }) => value).join('/');
    const line = [root, ...frames].join(';');
    weights.set(line, (weights.get(line) ?? 0) + profile.samples.values[2 * event + 1][row]);
  }
  return [...weights].map(([line, weight]) => `${line} ${weight}`).sort();
}

function frameText(profile: Profile, objects: CollectedProfile['objects'], location: number): string {
  const { mapping, addressLo, addressHi } = profile.locations;
  const row = mapping[location];
  const start = row < 0 ? { lo: 0, hi: 0 } : objects[row].memoryStart;
  const address =
    (BigInt(addressHi[location]) << 32n) + BigInt(addressLo[location]) + (BigInt(start.hi) << 32n) + BigInt(start.lo);
  const object = row < 0 ? '[unknown]' : profile.strings[profile.mappings.filename[row]];
  return `${BigInt.asUintN(64, address).toString(16)}(${object})`;
}
