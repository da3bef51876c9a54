// What this host allows: decided by a file that only root can write, or by how the agent is reached when there is none.
import { createHash } from 'node:crypto';
import type { StapSpec } from '../../proto/capture.js';
import { type FailureError, fail } from '../../proto/failure.js';
import type { BudgetPolicy } from '../capture/budget-limits.js';
import type { Admission } from '../host/admission.js';
import { quote } from '../perf/event-name.js';
import { type CaptureRules, LOCAL_RULES, NETWORK_RULES, type Permission } from './capture-rules.js';

export const POLICY_FILE = '/etc/perftrawl/policy.yaml';

/** What may be run by SystemTap. Hashes are lower-case SHA-256 of a script's text. */
export interface StapPolicy {
  /** Scripts of the catalogue that may run. */
  readonly catalogue: 'all' | readonly string[];
  /** Scripts of requests: all of them, or only those in `scripts`. */
  readonly own: Permission;
  readonly scripts: readonly string[];
  /** Scripts of requests that may run in guru mode (C code in the kernel). */
  readonly guru: readonly string[];
  /** Kernel modules that were compiled elsewhere. */
  readonly modules: Permission;
  /** Commands started as a script's target. */
  readonly commands: Permission;
  /** The share of each CPU, in percent, that a request may ask for. */
  readonly maxOverheadPercent: number;
}

export interface Policy {
  /** For messages: `/etc/perftrawl/policy.yaml`, `an agent on the network, without a policy file`. */
  readonly origin: string;
  /** The file that is, or would be, read. */
  readonly file: string;
  readonly stap: StapPolicy;
  /** Of captures of every kind. */
  readonly rules: CaptureRules;
  /** Where the file says what it says: lines by the path of the key, such as `events.deny`. */
  readonly lines?: Readonly<Record<string, number>>;
  /** Lower-case hex, of the file. */
  readonly sha256?: string;
  /** What captures may cost; undefined: as the agent was started. */
  readonly budget?: BudgetPolicy;
  /** When this host takes captures; undefined: as the agent was started. */
  readonly admission?: Admission;
}

/**
 * Without a file: who reached the agent on stdio or on a socket of mode 0600 is a user of this host already; who reached it over
 * the network runs scripts of the catalogue. Guru mode is C code in the kernel and always needs a file.
 */
export function defaultPolicy(isOnNetwork: boolean, file = POLICY_FILE): Policy {
  const permission: Permission = isOnNetwork ? 'deny' : 'allow';
  return {
    origin: isOnNetwork ? 'an agent on the network without a policy file' : 'a local agent without a policy file',
    file,
    stap: {
      catalogue: 'all',
      own: permission,
      scripts: [],
      guru: [],
      modules: permission,
      commands: permission,
      maxOverheadPercent: 100,
    },
    rules: isOnNetwork ? NETWORK_RULES : LOCAL_RULES,
  };
}

/** @throws FailureError `refused`, with the line that would allow it */
export function checkStapPolicy(policy: Policy, spec: StapSpec): void {
  checkScriptPolicy(policy, spec);
  const { stap } = policy;
  if (spec.module !== undefined) checkModulePolicy(policy);
  if (spec.command !== undefined && stap.commands === 'deny') {
    throw refusal(policy, 'starting a command for a script', 'commands: allow');
  }
}

/** Of compiling alone, here for another host. @throws FailureError `refused` */
export function checkScriptPolicy(policy: Policy, { script, overheadPercent }: StapSpec): void {
  const { stap } = policy;
  if (overheadPercent > stap.maxOverheadPercent) {
    throw fail(
      'refused',
      `an overhead of ${overheadPercent} % is above the ${stap.maxOverheadPercent} % that this host allows (${policy.origin})`,
      `ask for --overhead ${stap.maxOverheadPercent}%`,
    );
  }
  if (script.from === 'catalogue') {
    if (stap.catalogue === 'all' || stap.catalogue.includes(script.name)) return;
    throw refusal(policy, `the script ${quote(script.name)} of the catalogue`, `catalogue: [${script.name}]`);
  }
  const sha256 = createHash('sha256').update(script.text).digest('hex');
  if (script.isGuru && !stap.guru.includes(sha256)) {
    throw refusal(policy, `the script ${quote(script.name)} in guru mode`, `guru: [${sha256}]`);
  }
  if (stap.scripts.includes(sha256) || stap.guru.includes(sha256)) return;
  // A script of its own choice sees whatever it probes, whichever processes it was given.
  const { only, never } = policy.rules.targets;
  const isRuled = [only, never].some((rules) =>
    Object.values(rules).some((list: readonly string[]) => list.length > 0),
  );
  if (stap.own === 'deny' || isRuled) {
    throw refusal(policy, `the script ${quote(script.name)}, which is not of the catalogue`, `scripts: [${sha256}]`);
  }
}

/** @throws FailureError `refused` */
export function checkModulePolicy(policy: Policy): void {
  if (policy.stap.modules === 'deny') {
    throw refusal(policy, 'a kernel module that was compiled elsewhere', 'modules: allow');
  }
}

function refusal(policy: Policy, what: string, line: string): FailureError {
  return fail(
    'refused',
    `this host does not allow ${what} (${policy.origin})`,
    `on that host, as root, write to ${policy.file} below "stap:" the line "${line}"`,
  );
}
