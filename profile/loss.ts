// What is missing from a result and why. Losses are data: they travel, are stored, are merged and are shown.

/** Why something is missing. One word per cause, so that a reader can act on it. */
export type LossKind =
  /** Ring-buffer overruns told by PERF_RECORD_LOST: events that the kernel could not write. */
  | 'lost-events'
  /** PERF_RECORD_LOST_SAMPLES: samples that the kernel could not write. */
  | 'lost-samples'
  /** PERF_RECORD_THROTTLE: times that the kernel stopped an event because it fired too often. */
  | 'throttled'
  /** Stacks cut at the kernel's depth limit. */
  | 'truncated-stacks'
  /** Sampled frames (weight 1 per sample) whose address has no name. */
  | 'unsymbolized-frames'
  /** Sampled frames that have a name but, though they were asked for, no source line. */
  | 'frames-without-lines'
  /** Records of a type this reader does not use. */
  | 'skipped-records'
  /** Samples that could not be attributed (no callchain, no thread, unknown event id). */
  | 'skipped-samples'
  /** Bytes of input that could not be read as records. */
  | 'unreadable-bytes'
  /** Input that ended inside a record or whose header says more than it holds. */
  | 'truncated-input'
  /** Lines of text that no parser rule matches. */
  | 'skipped-lines'
  /** Probe hits that SystemTap skipped (overload, reentrancy, full map) or could not resolve. */
  | 'skipped-probes'
  /** Histograms that were cut or garbled; `detail` has the line. */
  | 'damaged-histograms'
  /** Output of a script above its bound, in lines. */
  | 'dropped-lines'
  /** Parts of a kit without a result. */
  | 'missing-parts'
  /** Counter intervals with `<not counted>`. */
  | 'not-counted'
  /** Events the host cannot count: `<not supported>`. */
  | 'not-supported'
  /** Work given up because its time or memory bound was reached. */
  | 'out-of-budget'
  /** Processes that a selector matched and that the policy of the host does not let be observed. */
  | 'refused-processes'
  /** Hosts of the job without a result. */
  | 'missing-hosts';

/** `count` things of `kind` are missing; `detail` says which, in words that need no context. */
export interface Loss {
  readonly kind: LossKind;
  /** How many (events, samples, frames, bytes, lines, hosts: what `kind` counts); a non-negative integer. */
  readonly count: number;
  readonly detail: string;
}

/** Counts of what is missing add up to 2^53 - 1 at most: from there on they mean "very much", and stay whole numbers. */
export function addCounts(a: number, b: number): number {
  return Math.min(Number.MAX_SAFE_INTEGER, a + b);
}

/** Add up losses of the same kind and detail; sorted by kind, then detail, so that any order of merging gives the same list. */
export function mergeLosses(lists: Iterable<readonly Loss[]>): Loss[] {
  const byKey = new Map<string, Loss>();
  for (const list of lists) {
    for (const loss of list) {
      const key = `${loss.kind}\0${loss.detail}`;
      const seen = byKey.get(key);
      byKey.set(key, seen === undefined ? loss : { ...loss, count: addCounts(seen.count, loss.count) });
    }
  }
  return [...byKey.entries()].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, loss]) => loss);
}
