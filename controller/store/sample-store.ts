// Results: profiles as the chunks they travelled in, counter series, histograms over time, lines of text; of each host, and merged.
import type { CounterSeries } from '../../profile/counter-series.js';
import type { HistogramSeries } from '../../profile/histogram-series.js';
import type { Profile } from '../../profile/profile.js';
import type { TextLine } from '../../profile/text-line.js';
import type { ProfileChunk } from '../../proto/profile-codec.js';
import type { TopAnswer, TopOptions, TopQuery } from './top-query.js';

/** `host` undefined: the merged result of the job. */
export interface ResultKey {
  readonly jobId: string;
  readonly host: string | undefined;
}

export interface Result {
  /** All chunks of one profile, in order; empty when there is no profile. */
  readonly chunks: readonly ProfileChunk[];
  /** What the chunks say, of whoever has it: it need not be decoded once more. */
  readonly profile?: Profile | undefined;
  readonly series: CounterSeries | undefined;
  readonly histograms: HistogramSeries | undefined;
  /** Of one host only: merged text is read host by host. */
  readonly text: readonly TextLine[];
}

/** Methods reject with a FailureError: 'bad-data' (corrupt), 'exhausted' (full or locked), 'permission'. */
export interface SampleStore {
  /**
   * Replaces what was there, all or nothing.
   * @param owner of the job; absent: whoever it is
   * @throws FailureError 'conflict' when somebody else owns the job now
   */
  put(key: ResultKey, result: Result, owner?: string): Promise<void>;
  /** The chunks of the profile, one at a time; none when there is no profile. */
  chunks(key: ResultKey): AsyncIterable<ProfileChunk>;
  series(key: ResultKey): Promise<CounterSeries | undefined>;
  histograms(key: ResultKey): Promise<HistogramSeries | undefined>;
  /** In the order in which they were put; empty when there is none. */
  text(key: ResultKey): Promise<readonly TextLine[]>;
  /**
   * What weighs most over many profiles, answered where they are. Profiles that cannot be read are left out and told; weights above 2^53
   * are rounded. @throws FailureError also 'exhausted' for more different rows than memory should hold
   */
  topFunctions(query: TopQuery, options: TopOptions): Promise<TopAnswer>;
  /** Of all results of a job, as they are stored. */
  bytesOf(jobId: string): Promise<number>;
  deleteJob(jobId: string): Promise<void>;
}
