// Runs a text through the parser, whole or in pieces, and draws what comes out in few words.
import {
  type StapOutput,
  type StapOutputOptions,
  StapOutputParser,
} from '../../../../agent/stap/output/output-parser.js';
import type { ObjectContext } from '../../../../agent/symbolize/object-context.js';
import { countOf, type Histogram } from '../../../../profile/histogram.js';
import type { Profile } from '../../../../profile/profile.js';

export interface WholeOutput extends StapOutput {
  readonly profile: Profile | undefined;
  readonly objects: readonly ObjectContext[];
  readonly interval: number;
}

/** `pieces`: chunks in order; one text stands for one chunk. All come at the time 0 unless `time` says otherwise. */
export function readOutput(
  pieces: string | Iterable<Uint8Array>,
  options: Partial<StapOutputOptions> = {},
  time: (piece: number) => number = () => 0,
): WholeOutput {
  const parser = new StapOutputParser({ interval: 0, clock: 'rounds', ...options });
  const parts: StapOutput[] = [];
  let piece = 0;
  for (const chunk of typeof pieces === 'string' ? [Buffer.from(pieces)] : pieces) {
    parts.push(parser.push(chunk, time(piece)));
    piece++;
  }
  const { profile, objects, ...last } = parser.end(time(piece));
  parts.push(last);
  return {
    points: parts.flatMap((part) => part.points),
    lines: parts.flatMap((part) => part.lines),
    losses: parts.flatMap((part) => part.losses),
    profile,
    objects,
    interval: parser.interval,
  };
}

/** `title {key=value} unit scale: 4..8=2 8..16=1 under 1 over 2 sum 5 min 4 max 9` */
export function drawHistogram({
  title,
  labels,
  unit,
  scale,
  buckets,
  underflow,
  overflow,
  sum,
  min,
  max,
}: Histogram): string {
  const words = [
    title,
    labels.length === 0 ? '' : `{${labels.map(({ key, value }) => `${key}=${value}`).join(' ')}}`,
    unit,
    `${scale.kind === 'log2' ? 'log2' : `${scale.from}..${scale.to}/${scale.step}`}:`,
    ...buckets.map(({ from, to, count }) => `${from}..${to}=${count}`),
    underflow === 0 ? '' : `under ${underflow}`,
    overflow === 0 ? '' : `over ${overflow}`,
    sum === undefined ? '' : `sum ${sum}`,
    min === undefined ? '' : `min ${min}`,
    max === undefined ? '' : `max ${max}`,
  ];
  return words.filter((word) => word !== '').join(' ');
}

/** `title {key=value} n=3` */
export function drawCount(histogram: Histogram): string {
  const labels = histogram.labels.map(({ key, value }) => `${key}=${value}`).join(' ');
  return `${histogram.title}${labels === '' ? '' : ` {${labels}}`} n=${countOf(histogram)}`;
}

/** `17 schedule < main [comm=x]` innermost first; `17/2300` where the weight is not the count; unnamed frames as hex; objects in parentheses. */
export function drawStacks(profile: Profile | undefined): string[] {
  if (profile === undefined) return [];
  const { samples, stacks, locations, lines, functions, mappings, strings } = profile;
  return Array.from({ length: samples.length }, (_, row) => {
    const frames: string[] = [];
    for (let at = samples.stack[row]; at >= 0; at = stacks.parent[at]) {
      const location = stacks.location[at];
      const line = locations.lineStart[location];
      const isNamed = locations.lineStart[location + 1] > line;
      const address = BigInt(locations.addressHi[location]) * 2n ** 32n + BigInt(locations.addressLo[location]);
      const name = isNamed ? strings[functions.name[lines.function[line]]] : `0x${address.toString(16)}`;
      const mapping = locations.mapping[location];
      frames.push(mapping < 0 ? name : `${name} (${strings[mappings.filename[mapping]]})`);
    }
    const labels = profile.labelSets[samples.labels[row]].map(({ key, value }) => `${key}=${value}`).join(' ');
    const [count, weight] = samples.values.map((column) => column[row]).filter((value) => value > 0);
    const amount = count === weight ? `${count}` : `${count}/${weight}`;
    return `${amount} ${frames.join(' < ')}${labels === '' ? '' : ` [${labels}]`}`;
  });
}

/** `damaged-histograms 1: line 7: …` */
export function drawLosses(output: Pick<WholeOutput, 'losses' | 'profile'>): string[] {
  return [...output.losses, ...(output.profile?.losses ?? [])].map(
    ({ kind, count, detail }) => `${kind} ${count}: ${detail}`,
  );
}
