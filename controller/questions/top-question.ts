// What weighs most over all captures of many hosts in a span of time: what the app is asked, and what it answers.
import type { LeftOut, TopAnswer, TopOptions } from '../store/top-query.js';

/** `self`, `total`: functions, in this order; `comm`: processes by name; `dso`: object files. */
export const TOP_BY = ['self', 'total', 'comm', 'dso'] as const;
export type TopBy = (typeof TOP_BY)[number];

export interface TopQuestion {
  /** Hosts as they were labelled when they were captured; '' for all. */
  readonly selectorText: string;
  /** Jobs made at this moment or later, and before the other; milliseconds since 1970 UTC. */
  readonly since: number;
  readonly until: number;
  /** `undefined`: what most of the captures were asked to count. */
  readonly event?: string;
  readonly by: TopBy;
  /** Label whose values are the groups, or `name` for each host by itself; `undefined`: one group. */
  readonly groupBy?: string;
  /** Each host counts the same, however much it recorded. */
  readonly eachHostEqual: boolean;
  /** Rows of each group. */
  readonly limit: number;
}

export interface SamplingCount {
  /** `at 99 Hz`, `every 1000 events`, `not known`. */
  readonly rate: string;
  readonly captures: number;
}

export interface TopAnswered extends TopAnswer {
  /** How the captures that were asked about were sampled; weights add up whatever the rates are. */
  readonly sampling: readonly SamplingCount[];
  /** When the first and the last of the jobs that were asked about were made; 0 where there are none. */
  readonly firstJob: number;
  readonly lastJob: number;
  readonly leftOut: readonly LeftOut[];
}

/** Methods reject with a FailureError. */
export interface Questions {
  /** 'bad-request' for a selector, or for more captures or groups than can be asked about at once. */
  top(question: TopQuestion, options: TopOptions): Promise<TopAnswered>;
}
