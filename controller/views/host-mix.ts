// A merged profile host by host: which functions make up each host's weight, in one pass over the samples.
import type { Profile } from '../../profile/profile.js';
import type { SampleType } from '../../profile/sample-type.js';
import { eventColumns } from './event-columns.js';
import { type Frame, FrameTable } from './frame-table.js';

export interface HostMix {
  readonly host: string;
  readonly weight: number;
  readonly samples: number;
  /** Samples of equal weight that would tell as much; see sampleSize. */
  readonly effective: number;
  /** By row of `frames`: weight of samples that fell in it, and of those with it anywhere on the stack. */
  readonly self: ReadonlyMap<number, number>;
  readonly total: ReadonlyMap<number, number>;
}

export interface HostMixes {
  readonly event: string;
  /** What weights are counted in. */
  readonly type: SampleType;
  /** The first is that of samples without frames. */
  readonly frames: readonly Frame[];
  /** Of hosts with samples of the event, by name. */
  readonly hosts: readonly HostMix[];
}

interface Mix {
  weight: number;
  samples: number;
  squares: number;
  readonly self: Map<number, number>;
  readonly total: Map<number, number>;
}

/** @throws UnknownEventError for an event that the profile does not have */
export function hostMixes(
  profile: Profile,
  options: { readonly event?: string; readonly countSamples?: boolean } = {},
): HostMixes {
  const columns = eventColumns(profile, options.event);
  const weights = options.countSamples === true ? columns.samples : columns.weight;
  const table = new FrameTable(profile);
  const bare = table.intern('[no frames]', 'all', '');
  const { samples, stacks, labelSets } = profile;
  const labels = labelSets.map((set) => {
    const labelOf = (key: string) => set.find((label) => label.key === key)?.value ?? '';
    return { host: labelOf('host'), isJava: labelOf('comm').startsWith('java') };
  });
  const mixes = new Map<string, Mix>();
  // The sample that a frame was last seen in: each counts once for a stack.
  const seenIn: number[] = [];
  for (let row = 0; row < samples.length; row++) {
    const weight = weights[row];
    if (weight <= 0) continue;
    const { host, isJava } = labels[samples.labels[row]];
    const mix = mixes.get(host) ?? { weight: 0, samples: 0, squares: 0, self: new Map(), total: new Map() };
    mixes.set(host, mix);
    mix.weight += weight;
    mix.samples += columns.samples[row];
    mix.squares += (weight * weight) / Math.max(1, columns.samples[row]);
    let innermost = -1;
    for (let stack = samples.stack[row]; stack >= 0; stack = stacks.parent[stack]) {
      const frames = table.ofLocation(stacks.location[stack], isJava);
      if (innermost < 0) innermost = frames.at(-1) ?? -1;
      for (const frame of frames) {
        if (seenIn[frame] === row) continue;
        seenIn[frame] = row;
        add(mix.total, frame, weight);
      }
    }
    if (innermost < 0) add(mix.total, bare, weight);
    add(mix.self, innermost < 0 ? bare : innermost, weight);
  }
  const hosts = [...mixes].map(([host, { squares, ...mix }]) => ({
    ...{ host, ...mix, effective: (mix.weight * mix.weight) / squares },
  }));
  const type = options.countSamples === true ? ({ type: columns.event, unit: 'count' } as const) : columns.type;
  return { event: columns.event, type, frames: table.frames, hosts: hosts.sort(byHost) };
}

function add(sums: Map<number, number>, row: number, weight: number): void {
  sums.set(row, (sums.get(row) ?? 0) + weight);
}

function byHost(a: HostMix, b: HostMix): number {
  return a.host < b.host ? -1 : a.host > b.host ? 1 : 0;
}
