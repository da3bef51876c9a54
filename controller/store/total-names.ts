// The names in totals, each kept once for all captures: totals have their numbers.
import { createHash } from 'node:crypto';
import { type RawBuilder, sql } from 'kysely';
import type { Numbering, ProfileTotals } from '../views/profile-totals.js';
import type { SqlDatabase } from './sql-database.js';

/** Of a function and its object file, of a process, or of an object file; see ProfileTotals. */
export interface TotalName {
  readonly name: string;
  readonly object: string;
}

/** One name each; see ProfileTotals. */
export type NameColumns = Pick<ProfileTotals, 'names' | 'objects' | 'known'>;

const HOUR = 3600 * 1000;
/** A name that was looked up longer ago is said to be in use again. */
const STALE = 12 * HOUR;
/** How long numbers are remembered without asking the database. */
const REMEMBERED = 24 * HOUR;
/** Names that no totals can have: more than `STALE` and `REMEMBERED` older than the oldest ones. */
const UNUSED = 72 * HOUR;
/** At most once in that time unused names are deleted. */
const SWEPT = HOUR;
/** Names that are remembered, some hundred bytes each. */
const MOST_REMEMBERED = 200_000;
/** Names of one statement: each is three parameters, of which databases take some ten thousand. */
const BATCH = 1000;

export class TotalNames {
  readonly #database: SqlDatabase;
  readonly #elapsed: () => number;
  /** Numbers by object, then by name. */
  #known = new Map<string, Map<string, number>>();
  #knownCount = 0;
  #knownSince: number;
  #swept = Number.NEGATIVE_INFINITY;

  /** @param elapsed milliseconds of a clock that nobody sets */
  constructor(database: SqlDatabase, elapsed: () => number = () => performance.now()) {
    this.#database = database;
    this.#elapsed = elapsed;
    this.#knownSince = elapsed();
  }

  /** Those that are remembered, for a profile that `numbersOf` is asked about then. */
  remembered(): Numbering {
    if (this.#elapsed() - this.#knownSince > REMEMBERED || this.#knownCount > MOST_REMEMBERED) this.#forget();
    const known = this.#known;
    return { numberOf: (name, object) => known.get(object)?.get(name) };
  }

  /** Numbers of names, which are kept when they are new; undefined when one of them cannot be kept as it is. */
  async numbersOf({ names, objects, known }: NameColumns): Promise<Float64Array | undefined> {
    const { numberOf } = this.remembered();
    const numbers = new Float64Array(names.length);
    const missing: number[] = [];
    for (let row = 0; row < names.length; row++) {
      const number = known[row] >= 0 ? known[row] : numberOf(names[row], objects[row]);
      if (number === undefined) missing.push(row);
      else numbers[row] = number;
    }
    if (!missing.every((row) => isStorable(names[row]) && isStorable(objects[row]))) return undefined;
    for (let at = 0; at < missing.length; at += BATCH) {
      const rows = missing.slice(at, at + BATCH);
      const asked = rows.map((row) => ({ name: names[row], object: objects[row] }));
      const found = await this.#find(asked);
      for (const [i, row] of rows.entries()) {
        numbers[row] = found[i];
        this.#remember(asked[i], found[i]);
      }
    }
    return numbers;
  }

  /** By number; those that there are. */
  async namesOf(numbers: readonly number[]): Promise<ReadonlyMap<number, TotalName>> {
    const names = new Map<number, TotalName>();
    for (let at = 0; at < numbers.length; at += BATCH) {
      const rows = await this.#database.db
        .selectFrom('total_names')
        .select(['id', 'name', 'object'])
        .where('id', 'in', numbers.slice(at, at + BATCH))
        .execute();
      for (const { id, name, object } of rows) names.set(Number(id), { name, object });
    }
    return names;
  }

  /** Deletes names that no totals have, now and then. Numbers are not used again: the newest one stays. */
  async sweep(): Promise<void> {
    if (this.#elapsed() - this.#swept < SWEPT) return;
    this.#swept = this.#elapsed();
    const { db, clock } = this.#database;
    const oldest = sql<number>`(select coalesce(min(stored), ${clock}) from capture_totals)`;
    await db
      .deleteFrom('total_names')
      .where('last_used', '<', sql<number>`${oldest} - ${sql.lit(UNUSED)}`)
      .where('id', '<', sql<number>`(select max(id) from total_names)`)
      .execute();
  }

  #forget(): void {
    this.#known = new Map();
    this.#knownCount = 0;
    this.#knownSince = this.#elapsed();
  }

  #remember({ name, object }: TotalName, number: number): void {
    const ofObject = this.#known.get(object);
    if (ofObject === undefined) this.#known.set(object, new Map([[name, number]]));
    else ofObject.set(name, number);
    this.#knownCount++;
  }

  async #find(names: readonly TotalName[]): Promise<number[]> {
    const { db, clock } = this.#database;
    const digests = names.map(digestOf);
    const numbers = new Map<string, number>();
    const add = (rows: readonly { id: number; digest: Uint8Array }[]) => {
      for (const { id, digest } of rows) numbers.set(Buffer.from(digest).toString('hex'), Number(id));
    };
    const fresh: RawBuilder<number> = sql`${clock} - ${sql.lit(STALE)}`;
    add(
      await db
        .selectFrom('total_names')
        .select(['id', 'digest'])
        .where('digest', 'in', digests)
        .where('last_used', '>', fresh)
        .execute(),
    );
    const missing = names
      .map((name, at) => ({ ...name, digest: digests[at] }))
      .filter(({ digest }) => !numbers.has(digest.toString('hex')))
      // Several controllers wait for each other's rows in one order.
      .sort((a, b) => a.digest.compare(b.digest));
    if (missing.length > 0) {
      add(
        await db
          .insertInto('total_names')
          .values(missing.map((row) => ({ ...row, last_used: clock })))
          .onConflict((conflict) =>
            conflict.column('digest').doUpdateSet((excluded) => ({ last_used: excluded.ref('excluded.last_used') })),
          )
          .returning(['id', 'digest'])
          .execute(),
      );
    }
    return digests.map((digest) => {
      const number = numbers.get(digest.toString('hex'));
      if (number === undefined) throw new Error('a name that was kept has no number');
      return number;
    });
  }
}

/** Names have up to 64 KiB: an index takes their digests. */
function digestOf({ name, object }: TotalName): Buffer {
  return createHash('sha256').update(`${object}\0${name}`, 'utf8').digest();
}

/** A zero byte or half a surrogate pair would come back as something else, or not at all. */
function isStorable(text: string): boolean {
  return !text.includes('\0') && Buffer.from(text, 'utf8').toString('utf8') === text;
}
