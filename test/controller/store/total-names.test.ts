// Numbers of names: the same for all who ask, whichever controller, and never another name's.
import fc from 'fast-check';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { SqlDatabase } from '../../../controller/store/sql-database.js';
import { TotalNames } from '../../../controller/store/total-names.js';
import { onEveryEngine } from './every-engine.js';

const HOUR = 3600 * 1000;
const columnsOf = (pairs: readonly (readonly [string, string])[]) => ({
  names: pairs.map(([name]) => name),
  objects: pairs.map(([, object]) => object),
  known: pairs.map(() => -1),
});

onEveryEngine((engine, ground) => {
  let store: string;
  let database: SqlDatabase;
  let names: TotalNames;
  let elapsed = 0;
  beforeEach(async () => {
    store = await ground.newStore();
    database = await ground.open(store);
    elapsed = 0;
    names = new TotalNames(database, () => elapsed);
  });
  afterEach(() => database.close());

  const numbersOf = async (pairs: readonly (readonly [string, string])[], of = names) => [
    ...((await of.numbersOf(columnsOf(pairs))) ?? expect.fail('no numbers')),
  ];
  const countNames = async () => (await database.db.selectFrom('total_names').select('id').execute()).length;
  const age = (hours: number) =>
    database.db
      .updateTable('total_names')
      .set({ last_used: Date.now() - hours * HOUR })
      .execute();
  const youngest = async () =>
    Math.max(
      ...(await database.db.selectFrom('total_names').select('last_used').execute()).map((row) => row.last_used),
    );

  it('are one for each pair of a name and an object, and lead back to it', async () => {
    const text = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 20 }).filter((name) => !name.includes('\0')),
      fc.constantFrom('main', 'läuft', 'a\nb', "x'; drop table jobs; --"),
    );
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.tuple(text, text), { selector: String, maxLength: 40 }), async (pairs) => {
        const numbers = await numbersOf(pairs);
        expect(new Set(numbers).size).toBe(pairs.length);
        expect(await numbersOf(pairs)).toEqual(numbers);
        expect(await numbersOf([...pairs].reverse(), new TotalNames(database))).toEqual([...numbers].reverse());
        const found = await names.namesOf(numbers);
        expect(numbers.map((number) => found.get(number))).toEqual(pairs.map(([name, object]) => ({ name, object })));
      }),
      { numRuns: 25 },
    );
  });

  it('are of more names than one statement takes, and of long ones', async () => {
    const pairs = Array.from({ length: 2500 }, (_, i) => [`f${i}`, 'lib.so'] as const);
    const long = 'x'.repeat(65_000);
    const all = [...pairs, [`${long}1`, long], [`${long}2`, long]] as const;
    const numbers = await numbersOf(all);
    expect(new Set(numbers).size).toBe(all.length);
    expect((await names.namesOf(numbers)).size).toBe(all.length);
  });

  it('are not had of names that a database would change', async () => {
    expect(await names.numbersOf(columnsOf([['a\0b', '']]))).toBeUndefined();
    expect(await names.numbersOf(columnsOf([['a', 'b\ud800']]))).toBeUndefined();
    expect(await countNames()).toBe(0);
  });

  it('have no name when there is none', async () => {
    const [number] = await numbersOf([['main', '']]);
    expect([...(await names.namesOf([number, number + 1, 2 ** 32 - 1])).keys()]).toEqual([number]);
  });

  it('are asked for again after a day, and said to be in use after half a day', async () => {
    const numbers = await numbersOf([['main', 'a']]);
    await age(30);
    const old = await youngest();
    await numbersOf([['main', 'a']]);
    expect(await youngest()).toBe(old);
    elapsed = 25 * HOUR;
    expect(await numbersOf([['main', 'a']])).toEqual(numbers);
    expect(await youngest()).toBeGreaterThan(old + 29 * HOUR);
    await age(11);
    const recent = await youngest();
    expect(await numbersOf([['main', 'a']], new TotalNames(database))).toEqual(numbers);
    expect(await youngest()).toBe(recent);
  });

  it('go three days after the last totals that could have them, at most once in an hour', async () => {
    await numbersOf([
      ['old', ''],
      ['newest', ''],
    ]);
    await age(71);
    await names.sweep();
    expect(await countNames()).toBe(2);
    await age(73);
    await names.sweep();
    expect(await countNames()).toBe(2);
    elapsed += HOUR;
    await names.sweep();
    expect(await countNames()).toBe(1);
    const [newer] = await numbersOf([['newer', '']], new TotalNames(database));
    expect((await names.namesOf([newer])).get(newer)).toEqual({ name: 'newer', object: '' });
  });

  it('are the same for several who ask for new ones at once', async () => {
    // Of one file of SQLite there is one process that writes; the lock is the file's.
    const others = engine === 'postgres' ? await Promise.all([ground.open(store), ground.open(store)]) : [];
    try {
      const asking = [names, ...others.map((other) => new TotalNames(other)), new TotalNames(database)];
      for (let round = 0; round < 20; round++) {
        const pairs = Array.from({ length: 200 }, (_, i) => [`f${round * 50 + i}`, ''] as const);
        const found = await Promise.all(
          asking.map(async (of, at) => {
            const order = at % 2 === 0 ? pairs : [...pairs].reverse();
            const numbers = await numbersOf(order, of);
            return new Map(order.map(([name], i) => [name, numbers[i]]));
          }),
        );
        for (const map of found) expect(new Map([...map].sort())).toEqual(new Map([...found[0]].sort()));
      }
    } finally {
      await Promise.all(others.map((other) => other.close()));
    }
  });
});
