// What the audit log of a store says about being a copy: of what, made by whom, and where the log ended that came with it.
import { createHash } from 'node:crypto';
import type { ChainEnd } from '../../proto/audit-chain.js';
import type { AuditEntry } from './audit-entry.js';

export interface StoreCopied {
  readonly what: 'restore-store' | 'migrate-store';
  readonly who: string;
  /** The file or the store, without a password. */
  readonly from: string;
  readonly tables: readonly { readonly name: string; readonly rows: number; readonly sha256: string }[];
  /** End of the log that was brought along: this entry is the next one. */
  readonly log: ChainEnd;
  /** End of the log that the store had before, and that is gone; absent when it had no entry. */
  readonly replaced?: ChainEnd;
}

export function storeCopied({ what, who, from, tables, log, replaced }: StoreCopied): AuditEntry {
  const rows = tables.reduce((sum, table) => sum + table.rows, 0);
  return {
    ...{ who, what, subject: from.slice(0, 2048) },
    detail: {
      ...{ rows, tables: tables.length, sha256: digestOf(tables), log },
      ...(replaced === undefined ? {} : { replaced }),
    },
  };
}

/** SHA-256 over a line for each table, as `--json` shows them: `NAME ROWS SHA256`. */
function digestOf(tables: StoreCopied['tables']): string {
  const lines = tables.map(({ name, rows, sha256 }) => `${name} ${rows} ${sha256}\n`);
  return createHash('sha256').update(lines.join('')).digest('hex');
}
