// Answers a TopQuery capture by capture: for stores that cannot add up stacks themselves. Memory grows with distinct rows alone.
import { setImmediate } from 'node:timers/promises';
import { type Loss, mergeLosses } from '../../profile/loss.js';
import { type SampleType, weightOf } from '../../profile/sample-type.js';
import { fail, toFailure } from '../../proto/failure.js';
import { type ProfileChunk, ProfileDecoder } from '../../proto/profile-codec.js';
import type { ProfileTotals, TotalsOf } from '../views/profile-totals.js';
import { type CaptureTotals, decodeTotals, totalsOfProfile } from './capture-totals.js';
import type { ResultKey } from './sample-store.js';
import { TextPool } from './text-pool.js';
import type {
  LeftOut,
  LeftOutReason,
  TopAnswer,
  TopCapture,
  TopGroup,
  TopOptions,
  TopQuery,
  TopRow,
} from './top-query.js';

/** Distinct rows of one group: some hundred bytes each. */
const MOST_ROWS = 1_000_000;
/** Distinct pairs of a reason and a detail; others are told without their detail. */
const MOST_REASONS = 50;

/** Captures whose totals are read at a time: one query, and some megabytes of memory. */
const BATCH = 64;

export interface TopSources {
  /** Blobs of `encodeTotals`, in the order of `captures`; undefined where there is none. */
  totals(captures: readonly ResultKey[], of: TotalsOf): Promise<readonly (Uint8Array | undefined)[]>;
  /** Of one profile; read where there are no totals that can be read. */
  chunks(key: ResultKey): AsyncIterable<ProfileChunk>;
}

/** @throws FailureError 'exhausted' for more distinct rows than memory should hold; those of the store */
export async function topOfProfiles(
  sources: TopSources,
  query: TopQuery,
  { signal, onProgress }: TopOptions,
): Promise<TopAnswer> {
  const reading = new Reading(query);
  const pool = new TextPool();
  // Group by group and host by host: only one of each is added up at a time.
  const captures = [...query.captures].sort(byGroupAndHost);
  let blobs: readonly (Uint8Array | undefined)[] = [];
  for (const [done, capture] of captures.entries()) {
    onProgress?.({ done, of: captures.length });
    // Others have to be served meanwhile, and decoding does not wait for anything.
    await setImmediate();
    signal.throwIfAborted();
    if (done % BATCH === 0) blobs = await readTotals(sources, captures.slice(done, done + BATCH), query.of);
    reading.begin(capture);
    const blob = blobs[done % BATCH];
    if (blob !== undefined && addStored(reading, capture, blob, pool)) continue;
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
function addStored(reading: Reading, capture: TopCapture, blob: Uint8Array, pool: TextPool): boolean {
  try {
    reading.add(capture, decodeTotals(blob, `totals of ${capture.jobId}`, pool));
    return true;
  } catch (error) {
    if (toFailure(error).code !== 'bad-data') throw error;
    return false;
  }
}

async function readProfile(
  { chunks }: TopSources,
  { jobId, host }: TopCapture,
  of: TotalsOf,
): Promise<CaptureTotals | { readonly unreadable: string } | undefined> {
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
  readonly #query: TopQuery;
  readonly #groups: TopGroup[] = [];
  readonly #leftOut = new Map<string, LeftOut>();
  readonly #jobs = new Set<string>();
  readonly #hosts = new Set<string>();
  #event: string | undefined;
  #type: SampleType | undefined;
  #group: GroupSums | undefined;
  #captures = 0;
  #samples = 0;
  #weight = 0;
  #recorded = 0;
  #losses: readonly Loss[] = [];

  constructor(query: TopQuery) {
    this.#query = query;
    this.#event = query.event;
  }

  begin({ group }: TopCapture): void {
    if (this.#group?.name === group) return;
    this.#endGroup();
    this.#group = new GroupSums(group, this.#query);
  }

  add({ jobId, host }: TopCapture, { events, duration, losses }: CaptureTotals): void {
    this.#event ??= events[0]?.event;
    const found = events.find(({ event }) => event === this.#event);
    if (found === undefined) {
      this.leaveOut('other-event', events.map(({ event }) => event).join(', '));
      return;
    }
    this.#type ??= found.type;
    if (found.type.unit !== this.#type.unit) {
      this.leaveOut('other-unit', found.type.unit);
      return;
    }
    const totals = found.totals();
    const { all } = totals;
    this.#group?.add(host, totals);
    this.#captures++;
    this.#jobs.add(jobId);
    this.#hosts.add(host);
    this.#samples += all.samples;
    this.#weight += all.weight;
    this.#recorded += duration;
    this.#losses = mergeLosses([this.#losses, losses]);
  }

  leaveOut(reason: LeftOutReason, detail: string): void {
    addLeftOut(this.#leftOut, reason, detail);
  }

  answer(): TopAnswer {
    this.#endGroup();
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

  #endGroup(): void {
    const ended = this.#group?.end();
    if (ended !== undefined && ended.captures > 0) this.#groups.push(ended);
    this.#group = undefined;
  }
}

/** Count one more capture as left out; of many different details only the first are kept apart. */
export function addLeftOut(counts: Map<string, LeftOut>, reason: LeftOutReason, detail: string): void {
  const isNew = !counts.has(`${reason} ${detail}`);
  const told = isNew && counts.size >= MOST_REASONS ? '' : detail;
  const key = `${reason} ${told}`;
  counts.set(key, { reason, detail: told, captures: (counts.get(key)?.captures ?? 0) + 1 });
}

/** Sums of a row, side by side: rows are met in any order, and each is one line of the processor's cache. */
const SELF_SAMPLES = 0;
const SELF_WEIGHT = 1;
const TOTAL_SAMPLES = 2;
const TOTAL_WEIGHT = 3;
/** Weights of the host that is being read. */
const HOST_SELF = 4;
const HOST_TOTAL = 5;
/** Of the hosts that have ended: their shares added up. */
const SELF_SHARES = 6;
const TOTAL_SHARES = 7;
const SUMS = 8;

/** One group: the sums of all its hosts, and of the host that is being read where each counts the same. */
class GroupSums {
  readonly name: string;
  readonly #query: TopQuery;
  /** By object, then by name. */
  readonly #rows = new Map<string, Map<string, number>>();
  readonly #names: string[] = [];
  readonly #objects: string[] = [];
  #sums = new Float64Array(1024 * SUMS);
  /** Where the sums of the rows that the host has begin. */
  #ofHost: number[] = [];
  #host: string | undefined;
  #hostWeight = 0;
  #hosts = 0;
  /** Hosts with any weight: the others have no shares. */
  #weighedHosts = 0;
  #captures = 0;
  #samples = 0;
  #weight = 0;

  constructor(name: string, query: TopQuery) {
    this.name = name;
    this.#query = query;
  }

  add(host: string, totals: ProfileTotals): void {
    if (host !== this.#host) {
      this.#endHost();
      this.#host = host;
      this.#hosts++;
    }
    this.#captures++;
    this.#samples += totals.all.samples;
    this.#weight += totals.all.weight;
    this.#hostWeight += totals.all.weight;
    for (let row = 0; row < totals.length; row++) {
      if (totals.totalSamples[row] > 0 || totals.totalWeight[row] > 0) this.#addRow(totals, row);
    }
  }

  end(): TopGroup {
    this.#endHost();
    const { sortBy, limit } = this.#query;
    const byShare = sortBy === 'self' ? 'selfShare' : 'totalShare';
    const rows: TopRow[] = [];
    for (let row = 0; row < this.#names.length; row++) rows.push(this.#rowOf(row));
    rows.sort((a, b) => b[byShare] - a[byShare] || b.totalShare - a.totalShare || compareRows(a, b));
    return {
      ...{ group: this.name, captures: this.#captures, hosts: this.#hosts },
      ...{ samples: this.#samples, weight: this.#weight, rowCount: rows.length, rows: rows.slice(0, limit) },
    };
  }

  #addRow(totals: ProfileTotals, row: number): void {
    const at = SUMS * this.#rowNumber(totals.names[row], totals.objects[row]);
    const sums = this.#sums;
    sums[at + SELF_SAMPLES] += totals.selfSamples[row];
    sums[at + SELF_WEIGHT] += totals.selfWeight[row];
    sums[at + TOTAL_SAMPLES] += totals.totalSamples[row];
    sums[at + TOTAL_WEIGHT] += totals.totalWeight[row];
    if (!this.#query.eachHostEqual || totals.totalWeight[row] === 0) return;
    if (sums[at + HOST_TOTAL] === 0) this.#ofHost.push(at);
    sums[at + HOST_SELF] += totals.selfWeight[row];
    sums[at + HOST_TOTAL] += totals.totalWeight[row];
  }

  #rowNumber(name: string, object: string): number {
    let rows = this.#rows.get(object);
    if (rows === undefined) {
      rows = new Map();
      this.#rows.set(object, rows);
    }
    const known = rows.get(name);
    if (known !== undefined) return known;
    if (this.#names.length === MOST_ROWS) {
      throw fail(
        'exhausted',
        `the profiles have more than ${MOST_ROWS} different ${this.#query.of}`,
        'ask for fewer captures (--on, --since, --until), or --by dso or comm',
      );
    }
    const row = this.#names.push(name) - 1;
    this.#objects.push(object);
    rows.set(name, row);
    if (SUMS * this.#names.length > this.#sums.length) {
      const bigger = new Float64Array(2 * this.#sums.length);
      bigger.set(this.#sums);
      this.#sums = bigger;
    }
    return row;
  }

  #endHost(): void {
    const sums = this.#sums;
    if (this.#hostWeight > 0) {
      this.#weighedHosts++;
      for (const at of this.#ofHost) {
        sums[at + SELF_SHARES] += sums[at + HOST_SELF] / this.#hostWeight;
        sums[at + TOTAL_SHARES] += sums[at + HOST_TOTAL] / this.#hostWeight;
      }
    }
    for (const at of this.#ofHost) {
      sums[at + HOST_SELF] = 0;
      sums[at + HOST_TOTAL] = 0;
    }
    this.#ofHost = [];
    this.#hostWeight = 0;
  }

  #rowOf(row: number): TopRow {
    const sums = this.#sums.subarray(SUMS * row, SUMS * (row + 1));
    const self = { samples: sums[SELF_SAMPLES], weight: sums[SELF_WEIGHT] };
    const total = { samples: sums[TOTAL_SAMPLES], weight: sums[TOTAL_WEIGHT] };
    const isEqual = this.#query.eachHostEqual;
    const share = (part: number, whole: number) => (whole === 0 ? 0 : part / whole);
    return {
      ...{ name: this.#names[row], object: this.#objects[row], self, total },
      selfShare: isEqual ? share(sums[SELF_SHARES], this.#weighedHosts) : share(self.weight, this.#weight),
      totalShare: isEqual ? share(sums[TOTAL_SHARES], this.#weighedHosts) : share(total.weight, this.#weight),
    };
  }
}

function byGroupAndHost(a: TopCapture, b: TopCapture): number {
  return compare(a.group, b.group) || compare(a.host, b.host) || compare(a.jobId, b.jobId);
}

function compareRows(a: TopRow, b: TopRow): number {
  return compare(a.name, b.name) || compare(a.object, b.object);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
