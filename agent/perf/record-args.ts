// A record spec as the argv of `perf record`.
import type { CallGraph, RecordSpec } from '../../proto/capture.js';
import { fail } from '../../proto/failure.js';
import { durationArguments, eventArguments, type ResolvedTarget, targetArguments } from './target-args.js';

export interface RecordHost {
  /** Path of perf. */
  readonly perf: string;
  readonly isRoot: boolean;
  readonly cpuCount: number;
}

const DEFAULT_MMAP_PAGES = 2048;
/** Ring buffers of all CPUs together, unless the spec asks for more by itself. */
const DEFAULT_MMAP_TOTAL_BYTES = 256 * 1024 * 1024;
const PAGE_BYTES = 4096;
const MAX_MMAP_PAGES = 1 << 18;
const MAX_FREQUENCY = 1_000_000;

/** What cannot be unwound from the stream alone is recorded to a file and read back through `perf script`. */
export function needsPerfScript(spec: RecordSpec): boolean {
  return spec.callGraph.mode === 'dwarf' || spec.callGraph.mode === 'lbr';
}

/**
 * @param output `-` for the live stream, else a file
 * @throws FailureError `bad-request` for anything outside perf's own bounds
 */
export function recordArguments(spec: RecordSpec, target: ResolvedTarget, output: string, host: RecordHost): string[] {
  return [
    host.perf,
    'record',
    // Without these perf copies every binary it saw to ~/.debug.
    '--no-buildid-cache',
    '--no-buildid',
    `--output=${output}`,
    ...bufferArguments(spec.mmapPages, host),
    ...rateArguments(spec),
    ...eventArguments(spec.events),
    ...targetArguments(target, spec.events),
    ...callGraphArguments(spec.callGraph),
    // Not --period: with it and a fixed period the kernel samples every single software event (perf_swevent_event).
    ...(spec.detail.keepTimestamps ? ['--timestamp', '--sample-cpu'] : []),
    ...durationArguments(spec.duration),
  ];
}

/** The same command with nothing recorded: it opens every event as the capture would, and ends at once. */
export function recordProbeArguments(spec: RecordSpec, target: ResolvedTarget, host: RecordHost): string[] {
  const argv = recordArguments(spec, target, '/dev/null', host);
  return [...argv.slice(0, argv.lastIndexOf('--')), '--', 'true'];
}

function bufferArguments(pages: number | undefined, host: RecordHost): string[] {
  if (pages !== undefined) {
    const isPowerOfTwo = Number.isInteger(pages) && pages > 0 && pages <= MAX_MMAP_PAGES && (pages & (pages - 1)) === 0;
    if (!isPowerOfTwo) {
      throw fail(
        'bad-request',
        `${pages} buffer pages: not a power of two up to ${MAX_MMAP_PAGES}`,
        'try --mmap-pages 2048',
      );
    }
    return [`--mmap-pages=${pages}`];
  }
  // Others than root may lock only kernel.perf_event_mlock_kb (516 kB): perf's default fits that.
  if (!host.isRoot) return [];
  let fitting = DEFAULT_MMAP_PAGES;
  while (fitting > 128 && fitting * PAGE_BYTES * host.cpuCount > DEFAULT_MMAP_TOTAL_BYTES) fitting /= 2;
  return [`--mmap-pages=${fitting}`];
}

function rateArguments({ rate, events }: RecordSpec): string[] {
  if (rate === undefined) return [];
  if ('frequency' in rate) {
    const { frequency } = rate;
    if (!Number.isInteger(frequency) || frequency < 1 || frequency > MAX_FREQUENCY) {
      throw fail(
        'bad-request',
        `${frequency} samples per second is outside 1 to ${MAX_FREQUENCY}`,
        'try --frequency 99',
      );
    }
    return [`--freq=${frequency}`];
  }
  const { period } = rate;
  if (!Number.isSafeInteger(period) || period < 1) {
    throw fail('bad-request', `a period of ${period} is no whole number from 1 on`, 'try --period 1');
  }
  const clock = events.find(({ name }) => CLOCKS.test(name));
  if (clock !== undefined && period < SHORTEST_CLOCK_PERIOD) {
    throw fail(
      'bad-request',
      `${clock.name} counts nanoseconds: one sample every ${period} ns would stop the host`,
      `give -c ${SHORTEST_CLOCK_PERIOD} or more, or a rate such as -F 99; record other events in a job of their own`,
    );
  }
  return [`--count=${period}`];
}

const CLOCKS = /^(cpu|task)-clock(:|$)/;
/** 100,000 samples per second and CPU. */
const SHORTEST_CLOCK_PERIOD = 10_000;

function callGraphArguments(graph: CallGraph): string[] {
  switch (graph.mode) {
    case 'none':
      return [];
    case 'fp':
      return ['--call-graph=fp'];
    case 'lbr':
      return ['--call-graph=lbr'];
    case 'dwarf': {
      const { stackBytes } = graph;
      if (!Number.isInteger(stackBytes) || stackBytes < 8 || stackBytes > 65528 || stackBytes % 8 !== 0) {
        throw fail(
          'bad-request',
          `${stackBytes} bytes of stack: not a multiple of 8 from 8 to 65528`,
          'try dwarf,8192',
        );
      }
      return [`--call-graph=dwarf,${stackBytes}`];
    }
  }
}
