// Reads the policy file: only root may be able to write it, and every word in it must be known.
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, type YAMLMap } from 'yaml';
import { type FailureError, fail } from '../../proto/failure.js';
import { hasCode } from '../spool/file-error.js';
import type { Permission, Policy, StapPolicy } from './policy.js';

const MAX_BYTES = 256 * 1024;
const SHA256 = /^[0-9a-f]{64}$/;
const SCRIPT_NAME = /^[a-z0-9][a-z0-9-]{0,63}$/;

/**
 * undefined when there is no such file. What the file leaves out is as in `absent`.
 * @throws FailureError `refused` when others than root can write it, `bad-data` with the line for what cannot be read
 */
export async function readPolicyFile(file: string, absent: StapPolicy): Promise<Policy | undefined> {
  const text = await readTrusted(file);
  return text === undefined ? undefined : parsePolicy(text, file, absent);
}

/** @throws FailureError `bad-data` */
export function parsePolicy(text: string, file: string, absent: StapPolicy): Policy {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, prettyErrors: false });
  const reader = new PolicyReader(file, lines);
  const [error] = [...document.errors, ...document.warnings];
  if (error !== undefined) throw reader.wrong(error.pos[0], error.message);
  let stap = absent;
  if (document.contents !== null) {
    for (const { key, value } of reader.entries(document.contents, ['stap'])) {
      if (key === 'stap') stap = reader.stap(value, absent);
    }
  }
  return { origin: file, file, stap };
}

class PolicyReader {
  readonly #file: string;
  readonly #lines: LineCounter;

  constructor(file: string, lines: LineCounter) {
    this.#file = file;
    this.#lines = lines;
  }

  stap(node: Node, absent: StapPolicy): StapPolicy {
    const known = ['catalogue', 'own', 'scripts', 'guru', 'modules', 'commands', 'max-overhead-percent'] as const;
    let policy = absent;
    for (const { key, value } of this.entries(node, known)) {
      switch (key) {
        case 'catalogue':
          policy = { ...policy, catalogue: this.#catalogue(value) };
          break;
        case 'own':
        case 'modules':
        case 'commands':
          policy = { ...policy, [key]: this.#permission(key, value) };
          break;
        case 'scripts':
        case 'guru':
          policy = { ...policy, [key]: this.#list(key, value, SHA256, 'a SHA-256 in 64 lower-case hex digits') };
          break;
        case 'max-overhead-percent':
          policy = { ...policy, maxOverheadPercent: this.#percent(key, value) };
          break;
      }
    }
    return policy;
  }

  /** The pairs of a mapping, whose keys must be among `known`. */
  entries<K extends string>(node: Node, known: readonly K[]): { key: K; value: Node }[] {
    if (!isMap(node)) throw this.wrong(offsetOf(node), `here must be a mapping with ${known.join(', ')}`);
    const map: YAMLMap = node;
    return map.items.map((pair) => {
      const name = isScalar(pair.key) ? pair.key.value : undefined;
      const at = isScalar(pair.key) ? offsetOf(pair.key) : offsetOf(node);
      const key = known.find((word) => word === name);
      if (key === undefined) {
        throw this.wrong(at, `${JSON.stringify(name ?? '?')} is not known here, only ${known.join(', ')}`);
      }
      const { value } = pair;
      if (!isMap(value) && !isScalar(value) && !isSeq(value)) throw this.wrong(at, `${key} has no value of its own`);
      return { key, value };
    });
  }

  #catalogue(node: Node): StapPolicy['catalogue'] {
    if (isScalar(node) && node.value === 'all') return 'all';
    return this.#list('catalogue', node, SCRIPT_NAME, 'the name of a script', '`all`, or a list');
  }

  #permission(key: string, node: Node): Permission {
    const value = isScalar(node) ? node.value : undefined;
    if (value === 'allow' || value === 'deny') return value;
    throw this.wrong(offsetOf(node), `${key} is allow or deny`);
  }

  #list(key: string, node: Node, pattern: RegExp, what: string, form = 'a list'): string[] {
    if (!isSeq(node)) throw this.wrong(offsetOf(node), `${key} is ${form}`);
    return node.items.map((item) => {
      const value = isScalar(item) ? item.value : undefined;
      if (typeof value === 'string' && pattern.test(value)) return value;
      throw this.wrong(isScalar(item) ? offsetOf(item) : offsetOf(node), `${key} holds what is not ${what}`);
    });
  }

  #percent(key: string, node: Node): number {
    const value = isScalar(node) ? node.value : undefined;
    if (typeof value === 'number' && value > 0 && value <= 100) return value;
    throw this.wrong(offsetOf(node), `${key} is a number above 0, at most 100`);
  }

  wrong(offset: number, message: string): FailureError {
    const { line } = this.#lines.linePos(offset);
    return fail('bad-data', `${this.#file}, line ${Math.max(1, line)}: ${message}`, 'correct the policy file');
  }
}

function offsetOf(node: Node): number {
  return node.range?.[0] ?? 0;
}

/** Judged and read through one descriptor, so that it cannot be exchanged in between. */
async function readTrusted(path: string): Promise<string | undefined> {
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
    if (stats.uid !== 0 || (stats.mode & 0o022) !== 0) {
      const mode = (stats.mode & 0o777).toString(8);
      throw fail(
        'refused',
        `the policy ${path} (user ${stats.uid}, mode ${mode}) can be written by others than root`,
        `chown root:root ${path}; chmod 644 ${path}`,
      );
    }
    if (stats.size > MAX_BYTES) {
      throw fail('bad-data', `the policy ${path} has ${stats.size} bytes, more than ${MAX_BYTES}`, 'shorten it');
    }
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}
