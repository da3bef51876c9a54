// The keys of the policy file that rule captures of every kind.
import type { Node } from 'yaml';
import {
  CALL_GRAPH_MODES,
  type CaptureRules,
  MOST_CONCURRENT,
  type ProcessRules,
  RULED_KINDS,
} from './capture-rules.js';
import type { Entry, ValueReader } from './value-reader.js';

export const RULE_KEYS = [
  ...(['kinds', 'events', 'targets', 'files', 'longest-duration', 'highest-frequency', 'shortest-interval'] as const),
  ...(['call-graphs', 'dwarf-stack-bytes', 'keep-raw', 'concurrent-captures', 'may-ask'] as const),
];
export type RuleKey = (typeof RULE_KEYS)[number];

const DAY = 24 * 3_600_000;
/** Printable, so that messages stay readable. */
const GLOB = /^[^\p{Cc}]{1,512}$/u;
const PATH_GLOB = /^(?:\/[^\p{Cc}]{0,4095}|\*)$/u;
const USER = /^(?:[a-z_][a-z0-9_.-]{0,63}\$?|\d{1,10})$/i;

/** @throws FailureError `bad-data` with the line */
export function ruleSection(reader: ValueReader, { key, value }: Entry<RuleKey>, rules: CaptureRules): CaptureRules {
  switch (key) {
    case 'kinds':
      return { ...rules, kinds: reader.words(key, value, RULED_KINDS) };
    case 'events':
      return { ...rules, events: eventRules(reader, value, rules.events) };
    case 'targets':
      return { ...rules, targets: targetRules(reader, value, rules.targets) };
    case 'files':
      return { ...rules, files: reader.list(key, value, PATH_GLOB, 'an absolute path or a glob on one') };
    case 'longest-duration':
      return { ...rules, longestDuration: reader.duration(key, value, DAY) };
    case 'highest-frequency':
      return { ...rules, highestFrequency: reader.number(key, value, 1, 1_000_000) };
    case 'shortest-interval':
      return { ...rules, shortestInterval: reader.duration(key, value, DAY) };
    case 'call-graphs':
      return { ...rules, callGraphs: reader.words(key, value, CALL_GRAPH_MODES) };
    case 'dwarf-stack-bytes':
      return { ...rules, dwarfStackBytes: reader.number(key, value, 8, 65_528) };
    case 'keep-raw':
      return { ...rules, keepRaw: reader.permission(key, value) };
    case 'concurrent-captures':
      return { ...rules, concurrent: concurrentRules(reader, value, rules.concurrent) };
    case 'may-ask':
      return { ...rules, mayAsk: reader.list(key, value, GLOB, 'a text or a glob') };
  }
}

function eventRules(reader: ValueReader, node: Node, absent: CaptureRules['events']): CaptureRules['events'] {
  let events = absent;
  for (const { key, value } of reader.entries(node, ['allow', 'deny', 'filters', 'raw'], 'events')) {
    switch (key) {
      case 'allow':
      case 'deny':
        events = { ...events, [key]: reader.list(key, value, GLOB, 'an event or a glob') };
        break;
      case 'filters':
      case 'raw':
        events = { ...events, [key]: reader.permission(key, value) };
        break;
    }
  }
  return events;
}

function targetRules(reader: ValueReader, node: Node, absent: CaptureRules['targets']): CaptureRules['targets'] {
  let targets = absent;
  for (const { key, value } of reader.entries(node, ['whole-system', 'only', 'never'], 'targets')) {
    switch (key) {
      case 'whole-system':
        targets = { ...targets, wholeSystem: reader.permission(key, value) };
        break;
      case 'only':
      case 'never':
        targets = { ...targets, [key]: processRules(reader, value, targets[key], `targets.${key}`) };
        break;
    }
  }
  return targets;
}

function processRules(reader: ValueReader, node: Node, absent: ProcessRules, path: string): ProcessRules {
  let rules = absent;
  for (const { key, value } of reader.entries(node, ['users', 'units', 'cgroups', 'comms'], path)) {
    const [pattern, what] = key === 'users' ? [USER, 'the name or number of a user'] : [GLOB, 'a name or a glob'];
    rules = { ...rules, [key]: reader.list(key, value, pattern, what) };
  }
  return rules;
}

function concurrentRules(
  reader: ValueReader,
  node: Node,
  absent: CaptureRules['concurrent'],
): CaptureRules['concurrent'] {
  let concurrent = absent;
  for (const { key, value } of reader.entries(node, ['total', 'per-kind'], 'concurrent-captures')) {
    const count = reader.number(key, value, 1, MOST_CONCURRENT);
    concurrent = key === 'total' ? { ...concurrent, total: count } : { ...concurrent, perKind: count };
  }
  return concurrent;
}
