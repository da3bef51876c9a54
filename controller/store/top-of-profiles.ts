// Answers a TopQuery capture by capture: for stores that cannot add up stacks themselves. Memory grows with distinct rows alone.
import { setImmediate } from 'node:timers/promises';
import { type Loss, mergeLosses } from '../../profile/loss.js';
import { type SampleType, weightOf } from '../../profile/sample-type.js';
import { toFailure } from '../../proto/failure.js';
import { type ProfileChunk, ProfileDecoder } from '../../proto/profile-codec.js';
import type { ProfileTotals, TotalsOf } from '../views/profile-totals.js';
import { type CaptureTotals, decodeTotals, type NumberedTotals, totalsOfProfile } from './capture-totals.js';
import type { ResultKey } from './sample-store.js';
import type { LeftOut, LeftOutReason, TopAnswer, TopCapture, TopGroup, TopOptions, TopQuery } from './top-query.js';
import { NamelessNumbers, TopSums } from './top-sums.js';
import type { TotalName } from './total-names.js';

/** Distinct pairs of a reason and a detail; others are told without their detail. */
const MOST_REASONS = 50;

/** Captures whose totals are read at a time: one query, and some megabytes of memory. */
const BATCH = 64;

export interface TopSources {
  /** Blobs of `encodeTotals`, in the order of `captures`; undefined where there is none. */
  totals(captures: readonly ResultKey[], of: TotalsOf): Promise<readonly (Uint8Array | undefined)[]>;
  /** What the numbers in totals stand for; those that are known. */
  names(numbers: readonly number[]): Promise<ReadonlyMap<number, TotalName>>;
  /** Of one profile; read where there are no totals that can be read. */
  chunks(key: ResultKey): AsyncIterable<ProfileChunk>;
}

/** @throws FailureError 'exhausted' for more distinct rows than memory should hold; those of the store */
export async function topOfProfiles(sources: TopSources, query: TopQuery, options: TopOptions): Promise<TopAnswer> {
  const nameless = new Set<number>();
  for (;;) {
    try {
      return await answerOnce(sources, query, options, nameless);
    } catch (error) {
      // Once more, with the profiles of the captures that have them.
      if (!(error instanceof NamelessNumbers) || error.numbers.every((number) => nameless.has(number))) throw error;
      for (const number of error.numbers) nameless.add(number);
    }
  }
}

/** @throws NamelessNumbers other than those that are known to be */
async function answerOnce(
  sources: TopSources,
  query: TopQuery,
  { signal, onProgress }: TopOptions,
  nameless: ReadonlySet<number>,
): Promise<TopAnswer> {
  const reading = new Reading(query, (numbers) => sources.names(numbers));
  // Group by group and host by host: only one of each is added up at a time.
  const captures = [...query.captures].sort(byGroupAndHost);
  let blobs: readonly (Uint8Array | undefined)[] = [];
  for (const [done, capture] of captures.entries()) {
    onProgress?.({ done, of: captures.length });
    // Others have to be served meanwhile, and decoding does not wait for anything.
    await setImmediate();
    signal.throwIfAborted();
    if (done % BATCH === 0) blobs = await readTotals(sources, captures.slice(done, done + BATCH), query.of);
    await reading.begin(capture);
    const blob = blobs[done % BATCH];
    if (blob !== undefined && addStored(reading, capture, blob, nameless)) continue;
    const totals = await readProfile(sources, capture, query.of);
    if (totals === undefined) reading.leaveOut('no-profile', '');
    else if ('unreadable' in totals) reading.leaveOut('unreadable', totals.unreadable);
    else reading.add(capture, totals);
  }
  onProgress?.({ done: captures.length, of: captures.length });
  return reading.answer();
}

/** None where they cannot be read: the profiles may be sound. */
async function readTotals(
  sources: TopSources,
  captures: readonly TopCapture[],
  of: TotalsOf,
): Promise<readonly (Uint8Array | undefined)[]> {
  try {
    return await sources.totals(captures, of);
  } catch (error) {
    if (toFailure(error).code !== 'bad-data') throw error;
    return [];
  }
}

/** @returns false when the totals cannot be read: nothing of them is in the answer then */
function addStored(reading: Reading, capture: TopCapture, blob: Uint8Array, nameless: ReadonlySet<number>): boolean {
  try {
    return reading.add(capture, decodeTotals(blob, `totals of ${capture.jobId}`), nameless);
  } catch (error) {
    if (toFailure(error).code !== 'bad-data') throw error;
    return false;
  }
}

async function readProfile(
  { chunks }: TopSources,
  { jobId, host }: TopCapture,
  of: TotalsOf,
): Promise<CaptureTotals<ProfileTotals> | { readonly unreadable: string } | undefined> {
  const decoder = new ProfileDecoder();
  let isEmpty = true;
  try {
    for await (const chunk of chunks({ jobId, host })) {
      decoder.push(chunk);
      isEmpty = false;
    }
    return isEmpty ? undefined : totalsOfProfile(decoder.finish(), of);
  } catch (error) {
    const { code, message } = toFailure(error);
    // One damaged profile is no reason to answer nothing; a store that fails is.
    if (code !== 'bad-data') throw error;
    return { unreadable: message };
  }
}

class Reading {
  readonly #namesOf: TopSources['names'];
  readonly #sums: TopSums;
  readonly #groups: TopGroup[] = [];
  readonly #leftOut = new Map<string, LeftOut>();
  readonly #jobs = new Set<string>();
  readonly #hosts = new Set<string>();
  #event: string | undefined;
  #type: SampleType | undefined;
  #group: string | undefined;
  #captures = 0;
  #samples = 0;
  #weight = 0;
  #recorded = 0;
  #losses: readonly Loss[] = [];

  constructor(query: TopQuery, namesOf: TopSources['names']) {
    this.#namesOf = namesOf;
    this.#sums = new TopSums(query);
    this.#event = query.event;
  }

  async begin({ group }: TopCapture): Promise<void> {
    if (this.#group === group) return;
    await this.#endGroup();
    this.#group = group;
  }

  /** @returns false when it has a number of `nameless`: nothing was added then */
  add(
    { jobId, host }: TopCapture,
    { events, duration, losses }: CaptureTotals<NumberedTotals | ProfileTotals>,
    nameless?: ReadonlySet<number>,
  ): boolean {
    const event = this.#event ?? events[0]?.event;
    const found = events.find((candidate) => candidate.event === event);
    if (found === undefined) {
      this.#event = event;
      this.leaveOut('other-event', events.map((candidate) => candidate.event).join(', '));
      return true;
    }
    if (this.#type !== undefined && found.type.unit !== this.#type.unit) {
      this.leaveOut('other-unit', found.type.unit);
      return true;
    }
    const totals = found.totals();
    if (nameless !== undefined && nameless.size > 0 && 'numbers' in totals) {
      if (totals.numbers.some((number) => nameless.has(number))) return false;
    }
    this.#event = event;
    this.#type ??= found.type;
    const { all } = totals;
    this.#sums.add(host, totals);
    this.#captures++;
    this.#jobs.add(jobId);
    this.#hosts.add(host);
    this.#samples += all.samples;
    this.#weight += all.weight;
    this.#recorded += duration;
    this.#losses = mergeLosses([this.#losses, losses]);
    return true;
  }

  leaveOut(reason: LeftOutReason, detail: string): void {
    addLeftOut(this.#leftOut, reason, detail);
  }

  async answer(): Promise<TopAnswer> {
    await this.#endGroup();
    const event = this.#event ?? '';
    return {
      ...{ event, type: this.#type ?? weightOf(event) },
      groups: this.#groups.sort((a, b) => b.weight - a.weight || compare(a.group, b.group)),
      ...{ captures: this.#captures, jobs: this.#jobs.size, hosts: this.#hosts.size },
      ...{ samples: this.#samples, weight: this.#weight, recorded: this.#recorded },
      losses: this.#losses,
      leftOut: [...this.#leftOut.values()],
    };
  }

  async #endGroup(): Promise<void> {
    if (this.#group === undefined) return;
    const ended = await this.#sums.endGroup(this.#group, this.#namesOf);
    if (ended !== undefined) this.#groups.push(ended);
  }
}

/** Count one more capture as left out; of many different details only the first are kept apart. */
export function addLeftOut(counts: Map<string, LeftOut>, reason: LeftOutReason, detail: string): void {
  const isNew = !counts.has(`${reason} ${detail}`);
  const told = isNew && counts.size >= MOST_REASONS ? '' : detail;
  const key = `${reason} ${told}`;
  counts.set(key, { reason, detail: told, captures: (counts.get(key)?.captures ?? 0) + 1 });
}

function byGroupAndHost(a: TopCapture, b: TopCapture): number {
  return compare(a.group, b.group) || compare(a.host, b.host) || compare(a.jobId, b.jobId);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
