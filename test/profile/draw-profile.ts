// Draw a profile as text: one line per stack, outermost frame first, then its weight. For tests that should read like a drawing.
//
//   drawProfile(`
//     main;parse;read@[kernel.kallsyms]     3
//     main;parse                            2
//     {comm=java pid=7 tid=8} run;?0x1f@/lib/libc.so.6   12/3
//   `)
//
//   name@mapping       the function `name` in the object file `mapping` (default /bin/app); mapping `-` is none
//   ?0x1f@mapping      an address without a name
//   outer>inner        `inner` was inlined into `outer`: one location, two lines (no blanks, so `map<int>` is one name)
//   {key=value …}      labels of the line's samples; default {comm=app}; `_` stands for a blank in values
//   12/3               a weight of 12 in 3 samples; a bare 12 is 12 samples of weight 1
//   -                  as the whole stack: a sample without frames
import type { Loss } from '../../profile/loss.js';
import type { Profile } from '../../profile/profile.js';
import { ProfileBuilder } from '../../profile/profile-builder.js';
import { samplesOf, weightOf } from '../../profile/sample-type.js';

export interface DrawOptions {
  /** Default `page-faults`. */
  readonly event?: string;
  /** Further events, each drawn by its own text. */
  readonly more?: Readonly<Record<string, string>>;
  /** Keep each line's samples as timed samples, one millisecond apart in the order drawn, on CPU 0. Default false. */
  readonly timed?: boolean;
  readonly losses?: readonly Loss[];
  readonly comments?: readonly string[];
  /** Milliseconds; see Profile. Defaults 0. */
  readonly startTime?: number;
  readonly duration?: number;
  /** Nanoseconds; see Profile. Default 0. */
  readonly clockStart?: number;
}

export function drawProfile(text: string, options: DrawOptions = {}): Profile {
  const drawings = [[options.event ?? 'page-faults', text] as const, ...Object.entries(options.more ?? {})];
  const builder = new ProfileBuilder(drawings.flatMap(([event]) => [samplesOf(event), weightOf(event)]));
  let time = 0;
  for (const [event, [, drawing]] of drawings.entries()) {
    for (const line of drawing.split('\n').map((part) => part.trim())) {
      if (line === '' || line.startsWith('#')) continue;
      const drawn = readLine(line);
      const sample = builder.sample(stackOf(builder, drawn.stack), builder.labelSet(drawn.labels));
      builder.add(sample, 2 * event, drawn.samples);
      builder.add(sample, 2 * event + 1, drawn.weight);
      for (let i = 0; options.timed === true && i < drawn.samples; i++) {
        const rest = drawn.weight % drawn.samples;
        builder.timed(sample, event, time, 0, Math.floor(drawn.weight / drawn.samples) + (i < rest ? 1 : 0));
        time += 1_000_000;
      }
    }
  }
  return builder.freeze({
    losses: options.losses ?? [],
    comments: options.comments ?? [],
    startTime: options.startTime ?? 0,
    duration: options.duration ?? 0,
    clockStart: options.clockStart ?? 0,
  });
}

interface DrawnLine {
  readonly labels: { key: string; value: string }[];
  readonly stack: string;
  readonly weight: number;
  readonly samples: number;
}

function readLine(line: string): DrawnLine {
  const match = /^(?:\{(?<labels>[^}]*)\}\s*)?(?<stack>.+?)\s+(?<weight>\d+)(?:\/(?<samples>\d+))?$/.exec(line);
  if (match?.groups === undefined) throw new Error(`cannot draw ${JSON.stringify(line)}: expected "a;b;c 12"`);
  const { labels, stack, weight, samples } = match.groups;
  return {
    labels: (labels ?? 'comm=app').split(' ').map((label) => {
      const [key, value = ''] = label.split('=');
      return { key, value: value.replaceAll('_', ' ') };
    }),
    stack,
    weight: Number(weight),
    samples: Number(samples ?? weight),
  };
}

function stackOf(builder: ProfileBuilder, text: string): number {
  if (text === '-') return -1;
  return text.split(';').reduce((parent, frame) => builder.stack(parent, locationOf(builder, frame)), -1);
}

/** Every frame text has its own address, so that equal texts are equal locations. */
function locationOf(builder: ProfileBuilder, frame: string): number {
  const at = frame.lastIndexOf('@');
  const code = at < 0 ? frame : frame.slice(0, at);
  const filename = at < 0 ? '/bin/app' : frame.slice(at + 1);
  const mapping = filename === '-' ? -1 : builder.mapping(filename);
  if (code.startsWith('?')) {
    const address = BigInt(code.slice(1));
    return builder.location(mapping, Number(address & 0xffffffffn), Number(address >> 32n));
  }
  const lines = code
    .split(/(?<=\w)>(?=\w)/)
    .reverse()
    .map((name) => ({ function: builder.function(name), line: 0 }));
  return builder.location(mapping, 0x1000 + 16 * lines[0].function, 0, lines);
}
