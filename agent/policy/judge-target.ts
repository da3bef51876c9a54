// Which processes of this host a policy lets be observed.
import type { ProcessInfo, Target } from '../../proto/capture.js';
import { type FailureError, fail } from '../../proto/failure.js';
import { matchesGlob } from '../../proto/glob.js';
import type { HostFiles } from '../host/host-files.js';
import type { Machine } from '../host/machine.js';
import { allProcesses, processOfThread } from '../host/processes.js';
import { cgroupArgument, quote } from '../perf/event-name.js';
import type { ProcessRules } from './capture-rules.js';
import type { Policy } from './policy.js';
import { listText, ruleRefusal } from './refusal.js';

/** Whether the policy tells processes apart at all. */
export function isTargetRuled({ rules: { targets } }: Policy): boolean {
  return !isEmpty(targets.only) || !isEmpty(targets.never);
}

/** Why a process may not be observed; undefined when it may. @throws FailureError `refused` for a user that nobody here knows */
export function processRefusal(machine: Machine, policy: Policy, process: ProcessInfo): FailureError | undefined {
  const { only, never } = policy.rules.targets;
  const asked = `observing ${quote(process.comm)} (${process.pid}, user ${process.uid}, cgroup ${quote(process.cgroup)})`;
  for (const key of RULE_NAMES) {
    if (!matches(machine.files, policy, process, key, never)) continue;
    const line = `take what matches it off the list ${key} below "never:"`;
    const allowed = `all but ${listText(never[key])}`;
    return ruleRefusal(policy, { rule: `targets.never.${key}`, asked, allowed, line });
  }
  for (const key of RULE_NAMES) {
    if (only[key].length === 0 || matches(machine.files, policy, process, key, only)) continue;
    const line = `add what it is to the list ${key} below "only:"`;
    return ruleRefusal(policy, { rule: `targets.only.${key}`, asked, allowed: listText(only[key]), line });
  }
  return undefined;
}

/**
 * What is against a target that names what it wants. Of selectors nothing is: they find only what may be observed, see
 * permitted-target.ts.
 */
export function targetRefusals(machine: Machine, policy: Policy, target: Target): FailureError[] {
  switch (target.kind) {
    case 'system':
      return systemRefusals(policy);
    case 'pids':
      return processRefusals(machine, policy, target.pids);
    case 'tids':
      return processRefusals(machine, policy, target.tids);
    case 'cgroup':
      return cgroupRefusals(machine, policy, target.path);
    case 'processes':
      return [];
  }
}

const RULE_NAMES = ['users', 'units', 'cgroups', 'comms'] as const satisfies readonly (keyof ProcessRules)[];

function isEmpty(rules: ProcessRules): boolean {
  return RULE_NAMES.every((key) => rules[key].length === 0);
}

function matches(
  files: HostFiles,
  policy: Policy,
  { comm, cgroup, uid }: ProcessInfo,
  key: keyof ProcessRules,
  rules: ProcessRules,
): boolean {
  const patterns = rules[key];
  switch (key) {
    case 'users':
      return patterns.some((user) => userId(files, policy, user) === uid);
    case 'units':
      return cgroup.split('/').some((part) => patterns.some((pattern) => matchesGlob(pattern, part)));
    case 'cgroups':
      return patterns.some((pattern) => matchesGlob(pattern, cgroup));
    case 'comms':
      return patterns.some((pattern) => matchesGlob(pattern, comm));
  }
}

/** A rule about a user that is not found could not hold: then nothing is allowed. */
function userId(files: HostFiles, policy: Policy, user: string): number {
  if (/^\d+$/.test(user)) return Number(user);
  const line = (files.text('/etc/passwd') ?? '').split('\n').find((entry) => entry.startsWith(`${user}:`));
  const id = Number(line?.split(':')[2] ?? Number.NaN);
  if (Number.isInteger(id)) return id;
  throw fail(
    'refused',
    `this host cannot tell who ${quote(user)} of its policy is (${policy.file}): /etc/passwd has no such user`,
    `write the number of the user into ${policy.file}`,
  );
}

function systemRefusals(policy: Policy): FailureError[] {
  const { wholeSystem, never } = policy.rules.targets;
  const asked = 'observing the whole system';
  if (wholeSystem === 'deny') {
    const line = 'write "whole-system: allow" below "targets:"';
    return [ruleRefusal(policy, { rule: 'targets.whole-system', asked, allowed: 'chosen processes', line })];
  }
  if (!isTargetRuled(policy)) return [];
  const rule = isEmpty(never) ? 'targets.only' : 'targets.never';
  const line = `leave out "${rule.slice(8)}:" below "targets:"`;
  return [ruleRefusal(policy, { rule, asked, allowed: 'chosen processes', line })];
}

function processRefusals(machine: Machine, policy: Policy, ids: readonly number[]): FailureError[] {
  if (!isTargetRuled(policy)) return [];
  // Those that are not there are told when the target is resolved.
  const processes = ids.flatMap((id) => processOfThread(machine.files, id) ?? []);
  return processes.flatMap((process) => processRefusal(machine, policy, process) ?? []);
}

/** By its own path, and by what runs in it now. */
function cgroupRefusals(machine: Machine, policy: Policy, path: string): FailureError[] {
  const relative = cgroupArgument(path);
  if (relative === '/') return systemRefusals(policy);
  if (!isTargetRuled(policy)) return [];
  const cgroup = `/${relative}`;
  const { only, never } = policy.rules.targets;
  const asked = `observing the cgroup ${quote(cgroup)}`;
  const parts = cgroup.split('/');
  for (const key of ['units', 'cgroups'] as const) {
    const isMatch = (pattern: string) =>
      key === 'units' ? parts.some((part) => matchesGlob(pattern, part)) : matchesGlob(pattern, cgroup);
    if (never[key].some(isMatch)) {
      const line = `take what matches it off the list ${key} below "never:"`;
      const allowed = `all but ${listText(never[key])}`;
      return [ruleRefusal(policy, { rule: `targets.never.${key}`, asked, allowed, line })];
    }
    if (only[key].length > 0 && !only[key].some(isMatch)) {
      const line = `add it to the list ${key} below "only:"`;
      return [ruleRefusal(policy, { rule: `targets.only.${key}`, asked, allowed: listText(only[key]), line })];
    }
  }
  const inside = allProcesses(machine.files).filter(
    (process) => process.cgroup === cgroup || process.cgroup.startsWith(`${cgroup}/`),
  );
  return inside.flatMap((process) => processRefusal(machine, policy, process) ?? []).slice(0, 10);
}
