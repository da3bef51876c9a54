// Which events a policy lets perf open. An event is known to perf by several names: a rule for one of them holds for all.
import type { EventSpec } from '../../proto/capture.js';
import type { FailureError } from '../../proto/failure.js';
import { matchesGlob } from '../../proto/glob.js';
import { quote } from '../perf/event-name.js';
import type { Policy } from './policy.js';
import { listText, ruleRefusal } from './refusal.js';

/** From perf's tools/perf/util/parse-events.c: event_symbols_hw and event_symbols_sw. */
const SAME: readonly (readonly string[])[] = [
  ['cpu-cycles', 'cycles'],
  ['stalled-cycles-frontend', 'idle-cycles-frontend'],
  ['stalled-cycles-backend', 'idle-cycles-backend'],
  ['branch-instructions', 'branches'],
  ['page-faults', 'faults'],
  ['context-switches', 'cs'],
  ['cpu-migrations', 'migrations'],
];

/** Raw numbers, fields of a PMU, breakpoints. */
const RAW = /^(?:r[0-9a-f]+$|mem:|[^:]*\/)/;

export function eventRefusals(policy: Policy, events: readonly EventSpec[]): FailureError[] {
  const { allow, deny, filters, raw } = policy.rules.events;
  const refusals: FailureError[] = [];
  const isRuled = deny.length > 0 || !allow.includes('*');
  for (const event of events) {
    const asked = `the event ${quote(event.name)}`;
    for (const name of singleEvents(event.name)) {
      const names = namesOf(name);
      const matches = (pattern: string) => names.some((one) => matchesGlob(pattern.toLowerCase(), one));
      const denied = deny.find(matches);
      if (denied !== undefined) {
        const allowed = `all but ${listText(deny)}`;
        const line = `take ${JSON.stringify(denied)} off the list deny below "events:"`;
        refusals.push(ruleRefusal(policy, { rule: 'events.deny', asked, allowed, line }));
      } else if (isRuled && /[*?]/.test(name)) {
        const allowed = 'events named one by one, no patterns';
        const line = 'without events.deny, and with allow: ["*"], below "events:"';
        const rule = deny.length > 0 ? 'events.deny' : 'events.allow';
        refusals.push(ruleRefusal(policy, { rule, asked, allowed, line }));
      } else if (!allow.some(matches)) {
        const line = `add ${JSON.stringify(name)} to the list allow below "events:"`;
        refusals.push(ruleRefusal(policy, { rule: 'events.allow', asked, allowed: listText(allow), line }));
      } else if (raw === 'deny' && RAW.test(name)) {
        const line = 'write "raw: allow" below "events:"';
        refusals.push(ruleRefusal(policy, { rule: 'events.raw', asked, allowed: 'events by name only', line }));
      }
    }
    if (event.filter !== undefined && filters === 'deny') {
      const line = 'write "filters: allow" below "events:"';
      const withFilter = `a filter on ${quote(event.name)}`;
      refusals.push(ruleRefusal(policy, { rule: 'events.filters', asked: withFilter, allowed: 'none', line }));
    }
  }
  return refusals;
}

/** Of `{cycles,cpu/event=1,umask=2/}:S` its members; commas between slashes belong to their event. Lower case, as perf ignores it. */
function singleEvents(name: string): string[] {
  const events = name.toLowerCase().match(/[^{},/]*(?:\/[^/]*\/[^{},/]*)?/g) ?? [];
  return events.filter((event) => event !== '' && !/^:[a-z]*$/.test(event));
}

/** As asked for, without modifiers, and whatever else perf calls it. */
function namesOf(name: string): readonly string[] {
  const bare = name.replace(/(?::[ukhgpsdiweb]*)+$/, '');
  const inner = /^(?:cpu|cpu_core|cpu_atom|software|hardware)?\/([^/,=]+)[,/].*$/.exec(bare)?.[1];
  const known = [name, bare, ...(inner === undefined ? [] : [inner])];
  return [...new Set([...known, ...known.flatMap((one) => SAME.find((group) => group.includes(one)) ?? [])])];
}
