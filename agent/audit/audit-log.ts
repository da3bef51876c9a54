// The audit log of an agent: STATE/audit/NUMBER.jsonl, one JSON object per line, chained by SHA-256 across files. Several agent processes
// of one state directory write it.
import { constants } from 'node:fs';
import { type FileHandle, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ChainEnd, chainLine, EMPTY_CHAIN, lineHash, parseLine } from '../../proto/audit-chain.js';
import type { AgentAuditEvent } from '../../proto/audit-event.js';
import { FailureError } from '../../proto/failure.js';
import { hasCode, writeFailure } from '../spool/file-error.js';
import { sweepTickets, withLock } from '../spool/lock.js';
import { makePrivateDirectory } from '../spool/private-directory.js';

export interface AuditLogOptions {
  /** Made when it is not there. */
  readonly directory: string;
  /** Milliseconds since 1970 UTC. */
  readonly now: () => number;
  /** How the agent is reached: written into each entry. */
  readonly reachedBy: string;
  /** A file that is larger is followed by a new one, in bytes. */
  readonly fileBytes?: number;
  /** How long entries are kept, in milliseconds. */
  readonly keep?: number;
}

const FILE_BYTES = 8 * 1024 * 1024;
const DAY = 24 * 3_600_000;
const KEEP = 365 * DAY;
const MOST_FILES = 64;
const FILE_NAME = /^\d{12}\.jsonl$/;

/** Where the chain ends, as written after each entry: a log that is shorter was cut. */
interface Head extends ChainEnd {
  readonly file: string;
  readonly size: number;
}

export class AuditLog {
  readonly #options: AuditLogOptions;

  private constructor(options: AuditLogOptions) {
    this.#options = options;
  }

  /** @throws FailureError when the directory cannot be used */
  static async open(options: AuditLogOptions): Promise<AuditLog> {
    try {
      await makePrivateDirectory(options.directory);
      await sweepTickets(join(options.directory, 'lock'));
    } catch (error) {
      throw writeFailure(`cannot use the audit log ${options.directory}`, error);
    }
    return new AuditLog(options);
  }

  /** On disk when it resolves. @throws FailureError `exhausted` on a full disk, `permission`; then the entry counts as not written */
  async append(event: AgentAuditEvent): Promise<void> {
    const { directory } = this.#options;
    try {
      await withLock(join(directory, 'lock'), () => this.#append(event));
    } catch (error) {
      if (error instanceof FailureError) throw error;
      throw writeFailure(`cannot write the audit log ${directory}`, error);
    }
  }

  async #append(event: AgentAuditEvent): Promise<void> {
    const { directory, now, reachedBy, fileBytes = FILE_BYTES } = this.#options;
    let files = await fileNames(directory);
    const { torn, ...tail } = await this.#tail(files);
    let end: ChainEnd = { sequence: tail.sequence, hash: tail.hash };
    let { file, size } = tail;
    const lines: string[] = [];
    const put = (entry: AgentAuditEvent) => {
      const { line, end: next } = chainLine(end, now(), { ...entry, on: reachedBy });
      end = next;
      lines.push(line);
    };
    if (torn !== undefined) put({ event: 'torn', bytes: torn.length, sha256: lineHash(torn.toString('utf8')) });
    if (torn === undefined && (file === '' || size >= fileBytes)) {
      file = `${String(end.sequence + 1).padStart(12, '0')}.jsonl`;
      size = 0;
      files = [...files, file];
      const upTo = await this.#expire(files);
      if (upTo > 0) put({ event: 'expired', upTo });
    }
    put(event);
    const text = Buffer.from(`${torn === undefined ? '' : '\n'}${lines.map((line) => `${line}\n`).join('')}`);
    await appendDurably(join(directory, file), text);
    await writeHead(directory, { ...end, file, size: size + text.length });
  }

  /** The last entry, and what is left of a line that a killed agent did not finish. Read from the log unless `head` is up to date. */
  async #tail(files: readonly string[]): Promise<Head & { readonly torn: Buffer | undefined }> {
    const { directory } = this.#options;
    const head = await readHead(directory);
    for (const file of [...files].reverse()) {
      const path = join(directory, file);
      const { size } = await stat(path);
      if (head !== undefined && head.file === file && head.size === size) return { ...head, torn: undefined };
      const bytes = await readFile(path);
      const whole = bytes.subarray(0, bytes.lastIndexOf(0x0a) + 1);
      const torn = whole.length < bytes.length ? bytes.subarray(whole.length) : undefined;
      const last = lastEntry(whole.toString('utf8'));
      // After a cut the numbers go on from where they were, so that it shows.
      if (last !== undefined)
        return { ...(head !== undefined && head.sequence > last.sequence ? head : last), file, size, torn };
      // Nothing but a torn first line: the chain goes on from the file before.
      if (torn !== undefined || files.length === 1) {
        const before = await this.#tail(files.slice(0, files.indexOf(file)));
        return { ...before, file, size, torn };
      }
    }
    // All files are gone: the numbers go on, so that it shows.
    return { ...EMPTY_CHAIN, ...head, file: '', size: 0, torn: undefined };
  }

  /** Delete files whose last entry is too old, the oldest first; never the one being written. @returns the last entry that went, 0 for none */
  async #expire(files: readonly string[]): Promise<number> {
    const { directory, now, keep = KEEP } = this.#options;
    let upTo = 0;
    for (const [index, file] of files.slice(0, -2).entries()) {
      const { mtimeMs } = await stat(join(directory, file));
      if (now() - mtimeMs < keep && files.length - index <= MOST_FILES) break;
      await rm(join(directory, file));
      upTo = Number.parseInt(files[index + 1] ?? '', 10) - 1;
    }
    return upTo;
  }
}

function lastEntry(text: string): ChainEnd | undefined {
  for (const line of text.split('\n').reverse()) {
    const entry = parseLine(line);
    if (entry !== undefined) return { sequence: entry.sequence, hash: lineHash(line) };
  }
  return undefined;
}

/** In the order of their entries. */
export async function fileNames(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter((name) => FILE_NAME.test(name)).sort();
}

/** undefined when nothing was written yet. */
export async function readHead(directory: string): Promise<Head | undefined> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(join(directory, 'head'), 'utf8'));
  } catch (error) {
    if (hasCode(error, 'ENOENT') || error instanceof SyntaxError) return undefined;
    throw error;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  if (!('sequence' in value && 'hash' in value && 'file' in value && 'size' in value)) return undefined;
  const { sequence, hash, file, size } = value;
  if (typeof sequence !== 'number' || typeof hash !== 'string') return undefined;
  return typeof file === 'string' && typeof size === 'number' ? { sequence, hash, file, size } : undefined;
}

async function writeHead(directory: string, head: Head): Promise<void> {
  const path = join(directory, 'head');
  await writeFile(`${path}.new`, JSON.stringify(head), { mode: 0o600 });
  await rename(`${path}.new`, path);
}

async function appendDurably(path: string, text: Buffer): Promise<void> {
  const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW;
  const file: FileHandle = await open(path, flags, 0o600);
  try {
    // A disk that fills up may take a part of it: that part is told as torn by the next entry.
    await file.writeFile(text);
    await file.datasync();
  } finally {
    await file.close();
  }
}
