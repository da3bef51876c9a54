// Host selectors: what they select, as kubectl would, and where they are wrong.
import { describe, expect, it } from 'vitest';
import type { Host } from '../../../controller/api.js';
import { matchesSelector, parseSelector } from '../../../controller/fleet/selector.js';
import { toFailure } from '../../../proto/failure.js';

const host = (name: string, labels: Record<string, string>): Host => ({
  name,
  labels,
  address: { transport: 'local' },
});
const fleet = [
  host('db1', { role: 'db', region: 'eu', zone: 'a' }),
  host('db2', { role: 'db', region: 'us', zone: 'b', spare: 'true' }),
  host('web-1', { role: 'web', region: 'eu', zone: 'c' }),
  host('web-2', { role: 'web', region: 'us' }),
];

describe('selectors', () => {
  it.each([
    ['', ['db1', 'db2', 'web-1', 'web-2']],
    ['role=db', ['db1', 'db2']],
    ['role==db', ['db1', 'db2']],
    ['role=db,region!=eu', ['db2']],
    ['name=web-*', ['web-1', 'web-2']],
    ['name=db?', ['db1', 'db2']],
    ['zone in (a,c)', ['db1', 'web-1']],
    ['zone in ( a , b ) , role=db', ['db1', 'db2']],
    ['zone notin (a)', ['db2', 'web-1', 'web-2']],
    ['zone!=a', ['db2', 'web-1', 'web-2']],
    ['spare', ['db2']],
    ['!spare', ['db1', 'web-1', 'web-2']],
    ['!zone', ['web-2']],
    ['region=*', ['db1', 'db2', 'web-1', 'web-2']],
    ['name=web.1', []],
    ['toString', []],
    ['role=*b,name!=*2', ['db1', 'web-1']],
  ])('%s', (text, names) => {
    const selector = parseSelector(text);
    expect(fleet.filter((one) => matchesSelector(one, selector)).map(({ name }) => name)).toEqual(names);
  });

  it('takes a label called in for what it is', () => {
    expect(matchesSelector(host('x', { in: '1' }), parseSelector('in,in=1,in in (1)'))).toBe(true);
  });

  it.each([
    ['role=', 'expected a value at column 6, found its end'],
    ['=db', "expected a label key at column 1, found '=db'"],
    ['role=db region=eu', "expected ',' at column 9, found 'region=eu'"],
    ['role=db,', 'expected a label key at column 9, found its end'],
    ['zone in (a', "expected ')' at column 11, found its end"],
    ['zone in ()', "expected a value at column 10, found ')'"],
    ['role=db;rm', ''],
  ])('refuses %s', (text, problem) => {
    if (problem === '') return expect(parseSelector(text)).toHaveLength(1);
    const failure = failureOf(() => parseSelector(text));
    expect(failure).toMatchObject({ code: 'bad-request', message: expect.stringContaining(problem) });
  });

  it('is not slowed down by many stars', () => {
    const selector = parseSelector(`name=${'*a'.repeat(6)}${'*'.repeat(10_000)}b`);
    expect(matchesSelector(host('a'.repeat(80), {}), selector)).toBe(false);
  });
});

function failureOf(act: () => unknown) {
  try {
    act();
  } catch (error) {
    return toFailure(error);
  }
  return expect.fail('it was not refused');
}
