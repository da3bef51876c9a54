// `perftrawl fold`: a recording to folded stacks on standard output, the drop-in for `perf script | stackcollapse-perf.pl`.
import type { Readable, Writable } from 'node:stream';
import { eventsOf, foldedTree } from '../../profile/folded.js';
import type { Loss } from '../../profile/loss.js';
import { toFailure } from '../../proto/failure.js';
import { FOLD_HELP, type FoldArguments, parseFoldArguments } from './fold-options.js';
import { foldedLines } from './folded-lines.js';
import { type NamedRecording, readRecording } from './folded-recording.js';

export interface FoldIo {
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
}

/** @returns the exit code: 0 folded, 1 the input cannot be read, 2 wrong usage */
export async function runFold(argv: readonly string[], io: FoldIo): Promise<number> {
  try {
    const options = parseFoldArguments(argv);
    if (options === 'help') await write(io.stdout, FOLD_HELP);
    else await fold(options, io);
    return 0;
  } catch (error) {
    const failure = toFailure(error);
    const remedy = failure.remedy === '' ? '' : `\n  try: ${failure.remedy}`;
    await write(io.stderr, `perftrawl fold: ${failure.message}${remedy}\n`);
    return failure.code === 'bad-request' ? 2 : 1;
  }
}

async function fold(options: FoldArguments, io: FoldIo): Promise<void> {
  const recording = await readRecording(options, io.stdin);
  const { profile, firstEvent } = recording;
  const event = options.event === '' ? firstEvent : options.event;
  const { withPid, withTid, marksKernel, marksJit } = options;
  const tree = foldedTree(profile, {
    event,
    withPid,
    withTid,
    marksKernel,
    marksJit,
    ...(options.showsAddresses ? { addressOf: (location: number) => printedAddress(recording, location) } : {}),
  });
  if (tree !== undefined) for (const chunk of foldedLines(tree)) await write(io.stdout, chunk);
  if (!options.isQuiet) await write(io.stderr, remarks(recording, options.event, event));
}

/** As `perf script` prints it: the offset in user objects, the place in memory for the kernel and for what is in no object. */
function printedAddress({ profile, objects }: NamedRecording, location: number): string {
  const { mapping, addressLo, addressHi } = profile.locations;
  const start = objects[mapping[location]]?.memoryStart ?? { lo: 0, hi: 0 };
  const low = addressLo[location] + start.lo;
  const high = (addressHi[location] + start.hi + (low >= 2 ** 32 ? 1 : 0)) >>> 0;
  return high === 0 ? (low >>> 0).toString(16) : high.toString(16) + (low >>> 0).toString(16).padStart(8, '0');
}

/** What a reader of the folded stacks should know besides: other events, losses. Empty when there is nothing to say. */
function remarks({ profile, losses }: NamedRecording, wanted: string, event: string): string {
  const events = eventsOf(profile);
  const lines: string[] = [];
  if (wanted !== '' && !events.includes(wanted))
    lines.push(`no event is called ${wanted}; there are: ${events.join(', ')}`);
  else if (wanted === '' && events.length > 1) {
    lines.push(`counting ${event} only; --event-filter=EVENT for another of: ${events.join(', ')}`);
  }
  for (const { kind, count, detail } of largestByKind(losses)) lines.push(`${kind}: ${count} (${detail})`);
  return lines.map((line) => `perftrawl fold: ${line}\n`).join('');
}

/** One entry per kind: the sum, with the detail of its largest part. */
function largestByKind(losses: readonly Loss[]): Loss[] {
  const byKind = new Map<string, Loss & { largest: number; parts: number }>();
  for (const loss of losses) {
    const seen = byKind.get(loss.kind);
    const isLargest = seen === undefined || loss.count > seen.largest;
    byKind.set(loss.kind, {
      kind: loss.kind,
      count: loss.count + (seen?.count ?? 0),
      detail: isLargest ? loss.detail : seen.detail,
      largest: isLargest ? loss.count : seen.largest,
      parts: 1 + (seen?.parts ?? 0),
    });
  }
  return [...byKind.values()].map(({ kind, count, detail, parts }) => ({
    kind,
    count,
    detail: parts > 1 ? `mostly ${detail}` : detail,
  }));
}

/** Waits until the stream has taken it, so that output is never held in memory as a whole. */
function write(stream: Writable, data: Uint8Array | string): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(data, (error) => (error ? reject(error) : resolve()));
  });
}
