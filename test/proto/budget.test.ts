// Budgets as people write them, and as they travel.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Budget, budgetFromMessage, budgetToMessage } from '../../proto/budget.js';
import { budgetText, parseBudget } from '../../proto/budget-text.js';
import { costFromMessage, costToMessage } from '../../proto/cost-codec.js';

const MIB = 1024 ** 2;

describe('a budget as text', () => {
  it.each([
    ['1%', { cpuPercent: 1 }],
    ['0.5%', { cpuPercent: 0.5 }],
    ['none', { cpuPercent: 0, memoryBytes: 0, spoolBytes: 0 }],
    ['cpu=2%,memory=256M,spool=500M', { cpuPercent: 2, memoryBytes: 256 * MIB, spoolBytes: 500 * MIB }],
    ['memory=1.5GiB', { memoryBytes: 1536 * MIB }],
    ['cpu=none,spool=1000', { cpuPercent: 0, spoolBytes: 1000 }],
  ])('%s', (text, budget) => {
    expect(parseBudget(text)).toEqual(budget);
  });

  it.each([
    '',
    '1',
    '0%',
    '101%',
    '-1%',
    'cpu=1',
    'memory=',
    'memory=-1',
    'disk=1M',
    '1%,cpu=2%',
    'spool=1e9',
    'none,1%',
  ])('refuses %j and says what can be written', (text) => {
    expect(() => parseBudget(text)).toThrow(
      expect.objectContaining({ failure: expect.objectContaining({ code: 'bad-request' }) }),
    );
  });

  it('reads back what it says', () => {
    const bound = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 2 ** 40 }));
    const budget = fc.record(
      { cpuPercent: fc.integer({ min: 0, max: 100 }), memoryBytes: bound, spoolBytes: bound },
      { requiredKeys: ['cpuPercent'] },
    );
    fc.assert(
      fc.property(budget, (given) => {
        expect(parseBudget(budgetText(given))).toEqual(given);
      }),
    );
  });
});

describe('a budget on the wire', () => {
  it('tells a bound that was not given from none', () => {
    const list: Budget[] = [{}, { cpuPercent: 0 }, { memoryBytes: 5, spoolBytes: 0 }];
    for (const budget of list) expect(budgetFromMessage(budgetToMessage(budget))).toEqual(budget);
  });

  it.each([Number.NaN, -1, Number.POSITIVE_INFINITY])('refuses a bound of %d', (cpuPercent) => {
    expect(() => budgetFromMessage({ cpuPercent })).toThrow(/is none/);
  });

  it('an account travels with the cost, and is absent from agents that have none', () => {
    const cost = { toolCpu: 1, agentCpu: 2, peakMemoryBytes: 3, recordedBytes: 4, spooledBytes: 5, wall: 6 };
    const limits = { cpuPercent: 1, memoryBytes: 7, spoolBytes: 0 };
    const budget = { limits, cpuCount: 2, allowedCpu: 8, recordingCpu: 9, recording: 10, overBudget: 'why' };
    expect(costFromMessage(costToMessage({ ...cost, budget }))).toEqual({ ...cost, budget });
    expect(costFromMessage(costToMessage(cost))).toEqual(cost);
  });
});
