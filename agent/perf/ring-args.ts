// A recording that goes on without an end into rings that perf overwrites, and writes them out when it gets SIGUSR2.
import type { RecordSpec } from '../../proto/capture.js';
import { type RecordHost, recordArguments } from './record-args.js';
import { type ResolvedTarget, tethered } from './target-args.js';

/** A sample with a stack of some fifty frames; the kernel writes those that there are. */
const BYTES_PER_SAMPLE = 512;
/** What perf record takes where it is told no rate (record.c). */
const PERF_FREQUENCY = 4000;
const PAGE_BYTES = 4096;
const FEWEST_PAGES = 16;
/** Others than root may lock only kernel.perf_event_mlock_kb (516 kB) for each CPU. */
const UNPRIVILEGED_PAGES = 128;

/** @param output where dumps are written, each with a time stamp added to this name @throws FailureError as recordArguments */
export function ringArguments(
  spec: RecordSpec,
  target: ResolvedTarget,
  output: string,
  pages: number,
  host: RecordHost,
): string[] {
  const [perf, record, ...rest] = recordArguments({ ...spec, mmapPages: pages }, target, output, host);
  // Times of a clock that the agent reads as well, so that it can say what lies before a moment of its own.
  const ring = ['--overwrite', '--switch-output=signal', '--clockid=CLOCK_MONOTONIC', '--timestamp', '--sample-cpu'];
  return tethered([perf, record, ...ring, ...rest]);
}

/** Pages of the ring of each CPU: for so long at that rate, and no more than its share of `bytes`. A power of two. */
export function ringPages(spec: RecordSpec, bytes: number, { isRoot, cpuCount }: RecordHost): number {
  const { rate, duration, events } = spec;
  const share = bytes / cpuCount / PAGE_BYTES;
  const frequency =
    rate === undefined ? PERF_FREQUENCY : 'frequency' in rate ? rate.frequency : Number.POSITIVE_INFINITY;
  // How often an event with a period happens nobody knows: then as much as there may be.
  const wanted = (events.length * frequency * (duration / 1000) * BYTES_PER_SAMPLE) / PAGE_BYTES;
  const most = Math.min(share, isRoot ? Number.POSITIVE_INFINITY : UNPRIVILEGED_PAGES);
  let pages = FEWEST_PAGES;
  while (pages < wanted && pages * 2 <= most) pages *= 2;
  return pages;
}
