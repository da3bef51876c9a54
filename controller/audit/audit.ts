// The controller's audit log: an append-only chain of entries (proto/audit-chain.ts) that several processes write.
import { ChainCheck, type ChainEnd, type ChainReport, chainLine } from '../../proto/audit-chain.js';
import type { AuditStore } from '../store/audit-store.js';
import type { AuditEntry, WrittenEntry } from './audit-entry.js';
import { readEntry } from './read-entry.js';

export interface Audit {
  /** On disk when it resolves. @throws FailureError when it cannot be written down: then what it is about must not be done */
  append(entry: AuditEntry): Promise<void>;
}

export interface ReadableAudit extends Audit {
  /** After this number, in order. */
  entries(after: number): AsyncIterable<WrittenEntry>;
  /** Whether entries were changed, removed, added or moved, or the end was cut off. */
  verify(): Promise<ChainReport>;
}

/** Entries that are read at a time. */
const batch = 500;

/** @param now milliseconds since 1970 UTC */
export function storedAudit(store: AuditStore, now: () => number): ReadableAudit {
  return {
    append: (entry) => store.append((end) => entryLine(end, now(), entry)),

    async *entries(after) {
      for (let from = after; ; ) {
        const lines = await store.lines(from, batch);
        for (const { line } of lines) {
          const entry = readEntry(line);
          if (entry !== undefined) yield entry;
        }
        const last = lines.at(-1);
        if (last === undefined) return;
        from = last.sequence;
      }
    },

    async verify() {
      // First: entries that are written meanwhile make the log longer than that, not shorter.
      const head = await store.head();
      const check = new ChainCheck();
      const problems: string[] = [];
      for (let from = 0; ; ) {
        const lines = await store.lines(from, batch);
        for (const { sequence, line } of lines) {
          check.push(line);
          const said = readEntry(line)?.sequence;
          if (said !== undefined && said !== sequence) problems.push(`row ${sequence} holds entry ${said}`);
        }
        const last = lines.at(-1);
        if (last === undefined) break;
        from = last.sequence;
      }
      const report = check.end(head);
      return { ...report, problems: [...report.problems, ...problems] };
    },
  };
}

/** The next line of the log. @param time milliseconds since 1970 UTC */
export function entryLine(end: ChainEnd, time: number, { what, ...entry }: AuditEntry) {
  return chainLine(end, time, { event: what, ...entry });
}
