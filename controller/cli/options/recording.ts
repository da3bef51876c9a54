// How to sample, on the command line: the options that every command which records with perf has.
import { Option } from '@commander-js/extra-typings';
import type { WatchedRecord } from '../../../proto/capture.js';
import { UsageError } from '../usage-error.js';
import { parseCallGraph } from './call-graph.js';
import { type EventArgument, parseEvents } from './events.js';
import { parseChoice, parseWhole } from './numbers.js';

/** As commander hands them over. */
export interface RecordingFlags {
  readonly event?: readonly EventArgument[] | undefined;
  readonly filter?: readonly EventArgument[] | undefined;
  readonly freq?: string | undefined;
  readonly count?: string | undefined;
  readonly g?: true | undefined;
  readonly callGraph?: string | undefined;
  readonly mmapPages?: string | undefined;
  readonly split?: string | undefined;
  readonly timestamps?: true | undefined;
  readonly lines?: true | undefined;
  readonly keepRaw?: true | undefined;
}

/** Without `-e`: a clock that every machine has, also virtual ones, at a rate that costs little. */
export const DEFAULT_EVENT = 'cpu-clock';
export const DEFAULT_FREQUENCY = 99;

export const RECORDING_OPTIONS = {
  freq: new Option('-F, --freq <hz>', "samples per second (default: perf's own for the events given)"),
  count: new Option('-c, --count <period>', 'one sample every so many events; 1 samples each of them'),
  g: new Option('-g', 'record stacks by frame pointers, which is the default'),
  callGraph: new Option('--call-graph <mode>', 'stacks: fp, dwarf[,BYTES], lbr or none (default: fp)'),
  mmapPages: new Option(
    '-m, --mmap-pages <pages>',
    'ring buffer pages per CPU, a power of two; more when samples are lost',
  ),
  split: new Option('--split <by>', 'keep samples apart by comm, pid or tid (default: comm)'),
  timestamps: new Option('--timestamps', 'keep the time and CPU of every sample (implies --split tid)'),
  lines: new Option('--lines', 'source lines and inlined functions (needs addr2line on the host)'),
  keepRaw: new Option('--keep-raw', 'keep perf.data on the hosts for `perftrawl artifacts`'),
};

/** @throws UsageError */
export function parseRecording(flags: RecordingFlags): Omit<WatchedRecord, 'duration'> {
  const given = parseEvents(flags.event ?? flags.filter ?? []);
  const rate = parseRate(flags) ?? (given.length === 0 ? { frequency: DEFAULT_FREQUENCY } : undefined);
  return {
    events: given.length === 0 ? [{ name: DEFAULT_EVENT }] : given,
    ...(rate === undefined ? {} : { rate }),
    callGraph: parseCallGraph(flags.callGraph),
    ...(flags.mmapPages === undefined ? {} : { mmapPages: parsePages(flags.mmapPages) }),
    detail: {
      split: parseSplit(flags),
      keepTimestamps: flags.timestamps === true,
      lines: flags.lines === true,
    },
    keepRaw: flags.keepRaw === true,
  };
}

function parseRate(flags: RecordingFlags): WatchedRecord['rate'] {
  if (flags.freq !== undefined && flags.count !== undefined) {
    throw new UsageError('-F and -c exclude each other: a rate per second, or one sample every so many events');
  }
  if (flags.freq !== undefined) return { frequency: parseWhole('-F', flags.freq, 1, 100_000) };
  if (flags.count !== undefined) return { period: parseWhole('-c', flags.count, 1, Number.MAX_SAFE_INTEGER) };
  return undefined;
}

function parsePages(text: string): number {
  const pages = parseWhole('-m', text, 1, 1 << 20);
  if ((pages & (pages - 1)) !== 0) {
    const above = 2 ** Math.ceil(Math.log2(pages));
    throw new UsageError(`-m: ${pages} is not a power of two; give ${above / 2} or ${above}`);
  }
  return pages;
}

function parseSplit(flags: RecordingFlags): 'comm' | 'pid' | 'tid' {
  if (flags.split === undefined) return flags.timestamps === true ? 'tid' : 'comm';
  const split = parseChoice('--split', flags.split, ['comm', 'pid', 'tid'] as const);
  if (flags.timestamps === true && split !== 'tid') {
    throw new UsageError(`--timestamps keeps every thread apart: --split ${split} cannot be had with it`);
  }
  return split;
}
