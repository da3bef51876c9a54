// Refuses the rule of a watch that could never be kept, before anything is written down.
import type { Milliseconds, WatchSpec } from '../../proto/capture.js';
import { fail } from '../../proto/failure.js';
import { checkCondition, eventsOfConditions, MOST_CONDITIONS } from '../../proto/watch-condition.js';
import { durationArguments } from '../perf/target-args.js';

/** Each is in every minute of the log. */
const MOST_EVENTS = 16;
const MOST_HOLDS = 10_000;
const MOST_FIRINGS = 1000;
const SHORTEST_LOOK_BACK: Milliseconds = 1000;
const LONGEST_LOOK_BACK: Milliseconds = 600_000;
const SHORTEST_COOL_DOWN: Milliseconds = 1000;
const LONGEST_COOL_DOWN: Milliseconds = 24 * 3_600_000;

/** @throws FailureError `bad-request` */
export function checkWatchRule(spec: WatchSpec): void {
  const { events, conditions, holds, coolDown, most, lookBack } = spec;
  durationArguments(spec.duration);
  const names = events.map(({ name }) => name);
  if (names.length > MOST_EVENTS) {
    throw fail('bad-request', `a watch of ${names.length} events`, `count at most ${MOST_EVENTS}`);
  }
  const several = names.find((name) => /[{}*?]/.test(name));
  if (several !== undefined || new Set(names).size < names.length) {
    throw fail('bad-request', 'a watch counts single events, each once', 'name them one by one, no groups or patterns');
  }
  if (conditions.length > MOST_CONDITIONS) {
    throw fail('bad-request', `a watch with ${conditions.length} conditions`, `give at most ${MOST_CONDITIONS}`);
  }
  for (const condition of conditions) checkCondition(condition);
  const uncounted = eventsOfConditions(conditions).find((name) => !names.includes(name));
  if (uncounted !== undefined) {
    throw fail('bad-request', `a condition is about ${uncounted}, which the watch does not count`, 'count it as well');
  }
  requireWhole('the number of intervals that a condition must hold for', holds, 1, MOST_HOLDS);
  requireWhole('the most firings of a watch', most, 1, MOST_FIRINGS);
  if (!(coolDown >= SHORTEST_COOL_DOWN && coolDown <= LONGEST_COOL_DOWN)) {
    throw fail('bad-request', `a watch that cools down for ${coolDown} ms`, 'give from 1 second to 24 hours');
  }
  if (lookBack === 0) return;
  if (!(lookBack >= SHORTEST_LOOK_BACK && lookBack <= LONGEST_LOOK_BACK)) {
    throw fail('bad-request', `a watch that looks back for ${lookBack} ms`, 'give from 1 second to 10 minutes');
  }
  const { mode } = spec.record.callGraph;
  if (mode !== 'fp' && mode !== 'none') {
    throw fail('bad-request', `no ring holds stacks of mode ${mode} for long`, 'look back with --call-graph fp');
  }
}

function requireWhole(what: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw fail('bad-request', `${what} is ${value}`, `give a whole number from ${least} to ${most}`);
}
