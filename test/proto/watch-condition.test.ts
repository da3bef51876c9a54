// Conditions as people write them: what they mean, that they are written back as they are read, and what is refused and why.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  COMPARISONS,
  checkCondition,
  conditionText,
  eventsOfConditions,
  type Measure,
  parseCondition,
  type Term,
} from '../../proto/watch-condition.js';

const event = fc.oneof(
  fc.constantFrom('page-faults', 'cycles:u', 'r01c4', 'sched:sched_switch', 'mem:0x1000/8:w'),
  fc.constantFrom('cpu/event=0x3c,umask=0/u', 'cpu/cycles/', 's', 'uncore_imc_0/cas_count_read/'),
  fc.stringMatching(/^[a-z][a-z0-9-]{0,12}$/).filter((name) => name !== 'and'),
);
const measure: fc.Arbitrary<Measure> = fc.oneof(
  event.map((name): Measure => ({ kind: 'count', event: name })),
  event.map((name): Measure => ({ kind: 'rate', event: name })),
  fc.tuple(event, event).map(([name, of]): Measure => ({ kind: 'ratio', event: name, of })),
);
const threshold = fc.oneof(
  fc.nat(),
  fc.double({ min: 1e-6, max: 1e15, noNaN: true }),
  fc.constantFrom(0, 1e-6, 1e15, 0.1, 0.3, 1 / 3, 0.07),
);
const term: fc.Arbitrary<Term> = fc.record({ measure, comparison: fc.constantFrom(...COMPARISONS), threshold });
const condition = fc.record({ terms: fc.array(term, { minLength: 1, maxLength: 4 }) });

describe('a condition', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(condition, (one) => {
        checkCondition(one);
        expect(parseCondition(conditionText(one))).toEqual(one);
      }),
      { numRuns: 1000 },
    );
  });

  it('never throws anything but a refusal that says how it is written', () => {
    const piece = fc.constantFrom(
      'page-faults',
      '/s',
      ' / ',
      '>',
      '<',
      '=',
      ' and ',
      '10',
      '%',
      'k',
      '\0',
      ' ',
      '{',
      '🜁',
    );
    fc.assert(
      fc.property(
        fc.array(piece).map((pieces) => pieces.join('')),
        (text) => {
          try {
            const read = parseCondition(text);
            expect(parseCondition(conditionText(read))).toEqual(read);
          } catch (error) {
            expect(error).toMatchObject({
              failure: { code: 'bad-request', remedy: expect.stringContaining('page-faults/s') },
            });
          }
        },
      ),
    );
  });

  it.each([
    ['page-faults > 5000', { kind: 'count', event: 'page-faults' }, '>', 5000],
    ['page-faults/s>=2k', { kind: 'rate', event: 'page-faults' }, '>=', 2000],
    ['cache-misses < 1.5M', { kind: 'count', event: 'cache-misses' }, '<', 1_500_000],
    ['cycles <= 2G', { kind: 'count', event: 'cycles' }, '<=', 2e9],
    ['major-faults/page-faults > 10.1%', { kind: 'ratio', event: 'major-faults', of: 'page-faults' }, '>', 0.101],
    ['instructions / cycles < 0.5', { kind: 'ratio', event: 'instructions', of: 'cycles' }, '<', 0.5],
    ['cpu/event=0x3c/u > 1', { kind: 'count', event: 'cpu/event=0x3c/u' }, '>', 1],
    ['cpu/event=0x3c//s > 1', { kind: 'rate', event: 'cpu/event=0x3c/' }, '>', 1],
    ['cpu/a/ / cpu/b/ > 3%', { kind: 'ratio', event: 'cpu/a/', of: 'cpu/b/' }, '>', 0.03],
    ['sched:sched_switch/s > 9', { kind: 'rate', event: 'sched:sched_switch' }, '>', 9],
  ])('%s', (text, measure, comparison, threshold) => {
    expect(parseCondition(text)).toEqual({ terms: [{ measure, comparison, threshold }] });
  });

  it('of several terms needs each of their events once', () => {
    const read = parseCondition('major-faults/page-faults > 10% and page-faults/s > 100 and cs < 5');
    expect(eventsOfConditions([read, read])).toEqual(['major-faults', 'page-faults', 'cs']);
  });

  it.each([
    ['', 'does not compare'],
    ['page-faults', 'does not compare'],
    ['page-faults > 1 > 2', 'does not compare'],
    ['page-faults > many', 'is no threshold'],
    ['page-faults > 1e9', 'is no threshold'],
    ['page-faults > -1', 'is no threshold'],
    ['page-faults > 10%', 'a percentage needs a ratio'],
    ['> 5', 'an event is missing'],
    ['{a,b} > 5', 'is no single event'],
    ['sched:* > 5', 'is no single event'],
    ['a/b/c/d > 5', 'which slash'],
    ['../x / y > 5', 'is no single event'],
    ['a > 1 or b > 2', 'does not compare'],
    ['a > 9999999G', 'is neither 0 nor from'],
  ])('is none: %j', (text, why) => {
    expect(() => parseCondition(text)).toThrow(why);
  });
});
