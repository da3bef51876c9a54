// perf.data of either form, pushed in chunks, to an unsymbolized profile: reader, sorter and collector put together.
import type { Detail } from '../../proto/capture.js';
import { type CollectedProfile, collect } from './collector.js';
import { PerfReader } from './reader.js';
import type { MapRecord } from './sideband-record.js';
import { SampleSorter } from './sorter.js';
import { TimedSamples } from './timed-samples.js';
import type { StreamDecoder } from './zstd.js';

export interface PerfDataOptions {
  readonly split: Detail['split'];
  /** Implies split `tid`. */
  readonly keepTimestamps: boolean;
  /** Captured just now on this host: the symbolizer may ask its processes and its kernel. */
  readonly isLive: boolean;
  /** Memory for distinct call chains; 1 GiB by default. */
  readonly mostChainBytes?: number;
  readonly decoder?: StreamDecoder;
  /** As SorterOptions. */
  readonly isUnordered?: boolean;
  readonly since?: number;
  /** Told of each memory map as it is read. */
  readonly onMap?: (map: MapRecord) => void;
}

export class PerfDataParser {
  readonly #reader: PerfReader;
  readonly #sorter: SampleSorter;
  readonly #timed: TimedSamples | undefined;
  readonly #options: PerfDataOptions;

  constructor(options: PerfDataOptions) {
    const timed = options.keepTimestamps ? new TimedSamples() : undefined;
    const split = options.keepTimestamps ? 'tid' : options.split;
    this.#options = { ...options, split };
    this.#timed = timed;
    this.#sorter = new SampleSorter({
      split,
      mostChainBytes: options.mostChainBytes ?? 2 ** 30,
      ...(options.isUnordered === undefined ? {} : { isUnordered: options.isUnordered }),
      ...(options.since === undefined ? {} : { since: options.since }),
      ...(options.onMap === undefined ? {} : { onMap: options.onMap }),
      ...(timed === undefined ? {} : { onSample: (row, time, cpu, weight) => timed.push(row, time, cpu, weight) }),
    });
    this.#reader = new PerfReader(this.#sorter, options.decoder === undefined ? {} : { decoder: options.decoder });
  }

  /** SAMPLE records so far. */
  get samples(): number {
    return this.#reader.samples;
  }

  /** Bytes so far. */
  get bytes(): number {
    return this.#reader.bytes;
  }

  /** Events that the kernel could not write so far. What perf tells of lost samples at the end is part of these. */
  get lost(): number {
    const { losses } = this.#sorter;
    return Math.max(losses.count('lost-events'), losses.count('lost-samples'));
  }

  /** The first and the last sample that counts, nanoseconds of the recording's clock; NaN without any. */
  get span(): { readonly first: number; readonly last: number } {
    const { clockStart, firstTime, lastTime } = this.#sorter;
    return { first: clockStart + firstTime, last: clockStart + lastTime };
  }

  /** Distinct stacks so far. */
  get distinctStacks(): number {
    return this.#sorter.chains.length;
  }

  /** @throws FailureError `bad-data`, naming the byte, when nothing can be made of the input */
  push(chunk: Uint8Array): void {
    this.#reader.push(chunk);
  }

  /** Where to read the next bytes into, to spare a copy; call `commit` with how many they are. */
  reserve(): Uint8Array {
    return this.#reader.reserve();
  }

  /** @throws FailureError as `push` does */
  commit(length: number): void {
    this.#reader.commit(length);
  }

  /**
   * The input is over.
   * @throws FailureError `bad-data` when the input ended inside of its header
   */
  end(): CollectedProfile {
    this.#reader.end();
    this.#sorter.finish();
    const { split, isLive } = this.#options;
    return collect(this.#sorter, this.#timed, { split, isLive });
  }
}
