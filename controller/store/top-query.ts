// A question to all stored profiles at once: which functions, processes or objects weigh most. What is asked and what is answered.
import type { Loss } from '../../profile/loss.js';
import type { SampleType } from '../../profile/sample-type.js';
import type { Milliseconds } from '../../proto/capture.js';
import type { Amount, TotalsOf } from '../views/profile-totals.js';

export interface TopCapture {
  readonly jobId: string;
  readonly host: string;
  /** Rows of captures of one group are added up; '' where there is one group. */
  readonly group: string;
}

export interface TopQuery {
  /** In any order. */
  readonly captures: readonly TopCapture[];
  /** `undefined`: the first event of the first profile that has one. */
  readonly event: string | undefined;
  readonly of: TotalsOf;
  /** Largest first. */
  readonly sortBy: 'self' | 'total';
  /** Shares are the mean of each host's own, not those of the sum. */
  readonly eachHostEqual: boolean;
  /** Rows of each group. */
  readonly limit: number;
}

/** Shares are from 0 to 1. */
export interface TopRow {
  readonly name: string;
  /** Of functions: file name of the object; '' otherwise. */
  readonly object: string;
  /** Samples that fell in it, and what they stand for. */
  readonly self: Amount;
  /** Samples with it anywhere on the stack, each once. Processes: as self. */
  readonly total: Amount;
  readonly selfShare: number;
  readonly totalShare: number;
}

export interface TopGroup {
  readonly group: string;
  readonly captures: number;
  readonly hosts: number;
  readonly samples: number;
  readonly weight: number;
  /** How many rows there are in all. */
  readonly rowCount: number;
  readonly rows: readonly TopRow[];
}

/** Why captures are not in the answer. */
export type LeftOutReason =
  /** They counted something else; the detail names it. */
  | 'other-event'
  /** The same event in another unit. */
  | 'other-unit'
  /** No profile is stored of it. */
  | 'no-profile'
  /** What is stored cannot be read; the detail says why. */
  | 'unreadable'
  /** The host run failed, was lost, cancelled or skipped; the detail is its failure's code. */
  | 'failed'
  /** It waits, or goes on. */
  | 'not-ended';

export interface LeftOut {
  readonly reason: LeftOutReason;
  readonly detail: string;
  readonly captures: number;
}

export interface TopAnswer {
  /** '' when no profile has any event. */
  readonly event: string;
  /** What weights are counted in. */
  readonly type: SampleType;
  /** In order of their weight. */
  readonly groups: readonly TopGroup[];
  /** Captures that are in it. */
  readonly captures: number;
  readonly jobs: number;
  readonly hosts: number;
  readonly samples: number;
  readonly weight: number;
  /** Of all its captures together. */
  readonly recorded: Milliseconds;
  /** By kind, without details: those are with each result. */
  readonly losses: readonly Loss[];
  readonly leftOut: readonly LeftOut[];
}

export interface TopProgress {
  /** Captures that were read. */
  readonly done: number;
  readonly of: number;
}

export interface TopOptions {
  /** Aborting ends the reading; the method rejects with the reason. */
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: TopProgress) => void;
}
