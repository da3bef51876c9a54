// Reads and judges the audit log of an agent.
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { AgentAuditPart, AgentAuditQuery } from '../../proto/agent-audit.js';
import { AgentLogCheck } from '../../proto/agent-log-check.js';
import { type ChainReport, parseLine } from '../../proto/audit-chain.js';
import { fail } from '../../proto/failure.js';
import { hasCode } from '../spool/file-error.js';
import { fileNames, readHead } from './audit-log.js';

/** Characters of the lines of one part. A line that is longer than that is no entry, and is cut. */
const PART = 256 * 1024;
const WHOLE: AgentAuditQuery = { fromSequence: 0, since: 0 };

/** All lines in order, as they are; of files that end before what is asked for, none. */
export async function* auditLines(directory: string, query = WHOLE): AsyncGenerator<string> {
  const names = await fileNames(directory);
  for (const [index, name] of names.entries()) {
    const next = Number.parseInt(names[index + 1] ?? '', 10);
    if (next <= query.fromSequence) continue;
    const path = join(directory, name);
    if (!Number.isNaN(next) && (await stat(path)).mtimeMs < query.since) continue;
    const input = createReadStream(path, { encoding: 'utf8' });
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) yield line;
  }
}

/** What a controller asked for, in parts. @throws FailureError 'not-found' when this agent has no log */
export async function* readAudit(directory: string, query: AgentAuditQuery): AsyncGenerator<AgentAuditPart> {
  let lines: string[] = [];
  let size = 0;
  let isBefore = query.fromSequence > 1 || query.since > 0;
  try {
    // Before the lines: entries that are written meanwhile make the log longer than that, not shorter.
    const head = await readHead(directory);
    yield { lines: [], ...(head && { head: { sequence: head.sequence, hash: head.hash } }) };
    for await (const line of auditLines(directory, query)) {
      if (isBefore) {
        const entry = parseLine(line);
        isBefore = entry === undefined || entry.sequence < query.fromSequence || entry.time < query.since;
        if (isBefore) continue;
      }
      if (size + line.length > PART && lines.length > 0) {
        yield { lines };
        lines = [];
        size = 0;
      }
      lines.push(line.slice(0, PART));
      size += line.length;
    }
  } catch (error) {
    if (hasCode(error, 'ENOENT')) throw fail('not-found', `there is no audit log in ${directory}`, '', error);
    throw error;
  }
  if (lines.length > 0) yield { lines };
}

/** Whether entries were changed, removed, added or reordered, or the end was cut off. */
export async function verifyAudit(directory: string): Promise<ChainReport> {
  const head = await readHead(directory);
  const check = new AgentLogCheck();
  for await (const line of auditLines(directory)) check.push(line);
  return check.end(head);
}
