// How a rule of the policy says no: which rule, where it stands, what was asked, what would be allowed, and the line that changes it.
import { type FailureError, fail } from '../../proto/failure.js';
import type { Policy } from './policy.js';

export interface Refused {
  /** Path of the rule: `events.deny`. */
  readonly rule: string;
  /** What was asked: `the event "cycles"`. */
  readonly asked: string;
  /** What the rule allows: `"page-faults", "sched:*"`. */
  readonly allowed: string;
  /** What would have to stand in the file. */
  readonly line: string;
}

export function ruleRefusal(policy: Policy, { rule, asked, allowed, line }: Refused): FailureError {
  return fail(
    'refused',
    `this host does not allow ${asked}: ${rule} (${whereIs(policy, rule)}) allows ${allowed}`,
    `ask for what is allowed; or, on that host, as root, change ${policy.file}: ${line}`,
  );
}

/** `/etc/perftrawl/policy.yaml, line 7`, or that it is the default. */
export function whereIs(policy: Policy, rule: string): string {
  const line = policy.lines?.[rule];
  return line === undefined ? `default of ${policy.origin}` : `${policy.file}, line ${line}`;
}

export function listText(list: readonly string[]): string {
  return list.length === 0 ? 'none' : list.map((item) => JSON.stringify(item)).join(', ');
}
