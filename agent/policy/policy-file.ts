// Reads the policy file: only root may be able to write it, and every word in it must be known.
import { createHash } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { isScalar, LineCounter, type Node, parseDocument } from 'yaml';
import { type FailureError, fail } from '../../proto/failure.js';
import { hasCode } from '../spool/file-error.js';
import { type CaptureRules, LOCAL_RULES } from './capture-rules.js';
import type { Policy, StapPolicy } from './policy.js';
import { admissionSection, budgetSection } from './restraint-section.js';
import { RULE_KEYS, ruleSection } from './rules-section.js';
import { offsetOf, ValueReader } from './value-reader.js';

const MAX_BYTES = 256 * 1024;
const SHA256 = /^[0-9a-f]{64}$/;
const SCRIPT_NAME = /^[a-z0-9][a-z0-9-]{0,63}$/;

/**
 * undefined when there is no such file. What the file leaves out is as in `absent`.
 * @throws FailureError `refused` when others than root can write it, `bad-data` with the line for what cannot be read
 */
export async function readPolicyFile(
  file: string,
  absent: StapPolicy,
  absentRules: CaptureRules,
): Promise<Policy | undefined> {
  const text = await readTrusted(file);
  return text === undefined ? undefined : parsePolicy(text, file, absent, absentRules);
}

/** @throws FailureError `bad-data` */
export function parsePolicy(text: string, file: string, absent: StapPolicy, absentRules = LOCAL_RULES): Policy {
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter, uniqueKeys: true, prettyErrors: false });
  const reader = new ValueReader(file, counter);
  const [error] = [...document.errors, ...document.warnings];
  if (error !== undefined) throw reader.wrong(error.pos[0], error.message);
  const sha256 = createHash('sha256').update(text).digest('hex');
  let policy: Policy = { origin: file, file, stap: absent, rules: absentRules, lines: reader.keyLines, sha256 };
  if (document.contents === null) return policy;
  for (const { key, value } of reader.entries(document.contents, ['stap', 'budget', 'admission', ...RULE_KEYS])) {
    if (key === 'stap') policy = { ...policy, stap: stapSection(reader, value, absent) };
    else if (key === 'budget') policy = { ...policy, budget: budgetSection(reader, value) };
    else if (key === 'admission') policy = { ...policy, admission: admissionSection(reader, value) };
    else policy = { ...policy, rules: ruleSection(reader, { key, value }, policy.rules) };
  }
  return policy;
}

function stapSection(reader: ValueReader, node: Node, absent: StapPolicy): StapPolicy {
  const known = ['catalogue', 'own', 'scripts', 'guru', 'modules', 'commands', 'max-overhead-percent'] as const;
  let policy = absent;
  for (const { key, value } of reader.entries(node, known, 'stap')) {
    switch (key) {
      case 'catalogue':
        policy = { ...policy, catalogue: catalogueOf(reader, value) };
        break;
      case 'own':
      case 'modules':
      case 'commands':
        policy = { ...policy, [key]: reader.permission(key, value) };
        break;
      case 'scripts':
      case 'guru':
        policy = { ...policy, [key]: reader.list(key, value, SHA256, 'a SHA-256 in 64 lower-case hex digits') };
        break;
      case 'max-overhead-percent':
        policy = { ...policy, maxOverheadPercent: percentOf(reader, key, value) };
        break;
    }
  }
  return policy;
}

function catalogueOf(reader: ValueReader, node: Node): StapPolicy['catalogue'] {
  if (isScalar(node) && node.value === 'all') return 'all';
  return reader.list('catalogue', node, SCRIPT_NAME, 'the name of a script', '`all`, or a list');
}

function percentOf(reader: ValueReader, key: string, node: Node): number {
  const value = isScalar(node) ? node.value : undefined;
  if (typeof value === 'number' && value > 0 && value <= 100) return value;
  throw reader.wrong(offsetOf(node), `${key} is a number above 0, at most 100`);
}

async function readTrusted(path: string): Promise<string | undefined> {
  const read = await readRegular(path);
  if (read?.distrust !== undefined) throw read.distrust;
  return read?.text;
}

interface PolicyFileText {
  readonly text: string;
  /** Why an agent would not take it. */
  readonly distrust: FailureError | undefined;
}

/** A file that need not be root's. @throws FailureError `not-found`, `permission`, `refused`, `bad-data` */
export async function readPolicyText(path: string): Promise<PolicyFileText> {
  const read = await readRegular(path);
  if (read === undefined) throw fail('not-found', `there is no policy file ${path}`, 'name another file');
  return read;
}

/** Judged and read through one descriptor, so that it cannot be exchanged in between. */
async function readRegular(path: string): Promise<PolicyFileText | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    const why = error instanceof Error ? error.message : String(error);
    throw fail('permission', `cannot read the policy ${path}: ${why}`, `chmod 644 ${path}`, error);
  }
  try {
    const stats = await file.stat();
    if (!stats.isFile()) throw fail('refused', `the policy ${path} is no regular file`, 'write one');
    if (stats.size > MAX_BYTES) {
      throw fail('bad-data', `the policy ${path} has ${stats.size} bytes, more than ${MAX_BYTES}`, 'shorten it');
    }
    return { text: await file.readFile('utf8'), distrust: distrustOf(path, stats) };
  } finally {
    await file.close();
  }
}

function distrustOf(path: string, { uid, mode }: Stats): FailureError | undefined {
  if (uid === 0 && (mode & 0o022) === 0) return undefined;
  return fail(
    'refused',
    `the policy ${path} (user ${uid}, mode ${(mode & 0o777).toString(8)}) can be written by others than root`,
    `chown root:root ${path}; chmod 644 ${path}`,
  );
}
