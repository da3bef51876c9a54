// Reads and judges the audit log of an agent.
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ChainCheck, type ChainReport, parseLine } from '../../proto/audit-chain.js';
import { fileNames, readHead } from './audit-log.js';

/** All lines in order, as they are. */
export async function* auditLines(directory: string): AsyncGenerator<string> {
  for (const name of await fileNames(directory)) {
    const input = createReadStream(join(directory, name), { encoding: 'utf8' });
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) yield line;
  }
}

/** Whether entries were changed, removed, added or reordered, or the end was cut off. */
export async function verifyAudit(directory: string): Promise<ChainReport> {
  // Before the log: entries that are written meanwhile make it longer than that, not shorter.
  const head = await readHead(directory);
  const check = new ChainCheck();
  let first = 0;
  let expired = 0;
  for await (const line of auditLines(directory)) {
    const entry = parseLine(line);
    if (first === 0 && entry !== undefined) first = entry.sequence;
    if (entry?.event === 'expired' && typeof entry.fields.upTo === 'number') expired = entry.fields.upTo;
    check.push(line);
  }
  const report = check.end(head);
  if (first <= 1 || first === expired + 1) return report;
  const problem = `the log begins at entry ${first}, but only entries up to ${expired} were deleted after their time`;
  return { ...report, problems: [problem, ...report.problems] };
}
