// A policy as the text of a policy file: what holds, with where each line comes from.
import type { ProcessRules } from './capture-rules.js';
import type { Policy } from './policy.js';

/** Parsing the text gives the same policy. Each line ends with a comment: the line of the file, or that it is the default. */
export function policyText(policy: Policy): string {
  const rows: Row[] = [];
  const { stap, rules } = policy;
  const { events, targets, concurrent } = rules;
  const put = (path: string, value: string) => rows.push({ path, value });
  put('kinds', listOf(rules.kinds));
  put('events', '');
  put('events.allow', listOf(events.allow));
  put('events.deny', listOf(events.deny));
  put('events.filters', events.filters);
  put('events.raw', events.raw);
  put('targets', '');
  put('targets.whole-system', targets.wholeSystem);
  putProcesses(put, 'targets.only', targets.only);
  putProcesses(put, 'targets.never', targets.never);
  put('files', listOf(rules.files));
  put('longest-duration', durationOf(rules.longestDuration));
  put('highest-frequency', String(rules.highestFrequency));
  put('shortest-interval', durationOf(rules.shortestInterval));
  put('call-graphs', listOf(rules.callGraphs));
  put('dwarf-stack-bytes', String(rules.dwarfStackBytes));
  put('keep-raw', rules.keepRaw);
  put('concurrent-captures', '');
  put('concurrent-captures.total', String(concurrent.total));
  put('concurrent-captures.per-kind', String(concurrent.perKind));
  put('may-ask', listOf(rules.mayAsk));
  put('stap', '');
  put('stap.catalogue', stap.catalogue === 'all' ? 'all' : listOf(stap.catalogue));
  put('stap.own', stap.own);
  put('stap.scripts', listOf(stap.scripts));
  put('stap.guru', listOf(stap.guru));
  put('stap.modules', stap.modules);
  put('stap.commands', stap.commands);
  put('stap.max-overhead-percent', String(stap.maxOverheadPercent));
  return rows.map((row) => `${rowText(row, policy)}\n`).join('');
}

/** `events.deny` with its value; '' for the head of a mapping. */
interface Row {
  readonly path: string;
  readonly value: string;
}

function putProcesses(put: (path: string, value: string) => void, path: string, rules: ProcessRules): void {
  put(path, '');
  put(`${path}.users`, listOf(rules.users));
  put(`${path}.units`, listOf(rules.units));
  put(`${path}.cgroups`, listOf(rules.cgroups));
  put(`${path}.comms`, listOf(rules.comms));
}

function rowText({ path, value }: Row, { lines }: Policy): string {
  const parts = path.split('.');
  const text = `${'  '.repeat(parts.length - 1)}${parts.at(-1)}:${value === '' ? '' : ` ${value}`}`;
  if (value === '') return text;
  const line = lines?.[path];
  return `${text.padEnd(48)} # ${line === undefined ? 'default' : `line ${line}`}`;
}

/** JSON's strings are YAML's. */
function listOf(list: readonly string[]): string {
  return `[${list.map((item) => JSON.stringify(item)).join(', ')}]`;
}

function durationOf(duration: number): string {
  const unit = UNITS.find(({ length }) => duration % length === 0);
  return unit === undefined ? `${duration}ms` : `${duration / unit.length}${unit.name}`;
}

const UNITS = [
  { name: 'h', length: 3_600_000 },
  { name: 'm', length: 60_000 },
  { name: 's', length: 1000 },
] as const;
