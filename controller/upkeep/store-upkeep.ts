// Looking after a store: what is in it, whether it is sound, copies of it, and moving it to another engine.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { ChainReport } from '../../proto/audit-chain.js';
import type { Milliseconds } from '../../proto/capture.js';
import { fail } from '../../proto/failure.js';
import { entryLine, storedAudit } from '../audit/audit.js';
import { type StoreCopied, storeCopied } from '../audit/store-entries.js';
import { type CopiedTable, type CopyOptions, type CopyProgress, copyStore } from '../store/copy-store.js';
import { type ServeLock, takeServeLock } from '../store/serve-lock.js';
import { appendAuditLine, sqlAuditStore } from '../store/sql-audit-store.js';
import { sqlControlStore } from '../store/sql-control-store.js';
import type { SqlDatabase } from '../store/sql-database.js';
import { backupSqlite, madeWhole } from '../store/sqlite-backup.js';
import { checkStore, type StoreInfo, storeInfo, type TableInfo } from '../store/store-info.js';

export interface CopyReport {
  /** Without passwords. */
  readonly from: string;
  readonly to: string;
  readonly tables: readonly (TableInfo & Partial<Pick<CopiedTable, 'sha256'>>)[];
  /** Of the copy. */
  readonly audit: ChainReport;
}

export interface CheckReport {
  readonly store: string;
  /** What is damaged; empty when nothing is. */
  readonly problems: readonly string[];
  readonly rows: number;
  readonly audit: ChainReport;
}

/** @returns when somebody reads it */
export type OnProgress = (progress: CopyProgress) => void;

/** Methods reject with a FailureError. */
export interface StoreUpkeep {
  info(): Promise<StoreInfo>;
  check(): Promise<CheckReport>;
  /** Into a new file of SQLite, whatever the engine; others may use the store meanwhile. */
  backup(file: string, onProgress: OnProgress, signal: AbortSignal): Promise<CopyReport>;
  /** From such a file, which is not changed. @param isForced what the store has is deleted */
  restore(file: string, isForced: boolean, onProgress: OnProgress, signal: AbortSignal): Promise<CopyReport>;
  /** Into an empty store. */
  migrate(to: string, onProgress: OnProgress, signal: AbortSignal): Promise<CopyReport>;
  close(): Promise<void>;
}

export interface UpkeepTools {
  /** A store by its name, for what is copied to or from. */
  readonly open: (store: string) => Promise<SqlDatabase>;
  /** For the audit log. */
  readonly who: string;
  /** Milliseconds since 1970 UTC. */
  readonly now: () => number;
}

/** An owner that said so within this time still runs its job. */
const living: Milliseconds = 30_000;

export function storeUpkeep(database: SqlDatabase, { open, who, now }: UpkeepTools): StoreUpkeep {
  /** @param act what the target's audit log says of it; a backup says only what the store does */
  async function copied(
    from: SqlDatabase,
    to: SqlDatabase,
    options: Omit<CopyOptions, 'whenCopied'>,
    act?: Pick<StoreCopied, 'what' | 'from'>,
  ): Promise<CopyReport> {
    const before = act === undefined ? undefined : await sqlAuditStore(to).head();
    const replaced = before === undefined || before.sequence === 0 ? {} : { replaced: before };
    const whenCopied: CopyOptions['whenCopied'] = async (target, tables) => {
      if (act === undefined) return;
      await appendAuditLine(target, to.where, (log) =>
        entryLine(log, now(), storeCopied({ ...act, ...replaced, who, tables, log })),
      );
    };
    const tables = await copyStore(from, to, { ...options, whenCopied });
    return { from: from.where, to: to.where, tables, audit: await verified(to) };
  }

  async function opened<T>(store: string, use: (other: SqlDatabase) => Promise<T>): Promise<T> {
    const other = await open(store);
    try {
      return await use(other);
    } finally {
      await other.close();
    }
  }

  return {
    info: () => storeInfo(database),

    async check() {
      const { problems, rows } = await checkStore(database);
      const audit = await verified(database);
      return { store: database.where, problems: [...problems, ...audit.problems], rows, audit };
    },

    async backup(file, onProgress, signal) {
      let report: CopyReport | undefined;
      await madeWhole(file, async (target) => {
        if (database.engine === 'sqlite') {
          await backupSqlite(database.where, target, pagesTo(onProgress), signal);
          report = await opened(`sqlite:${target}`, async (copy) => {
            const { tables } = await storeInfo(copy);
            return { from: database.where, to: file, tables, audit: await verified(copy) };
          });
        } else {
          report = await opened(`sqlite:${target}`, async (copy) => ({
            ...(await copied(database, copy, { replaces: false, onProgress, signal })),
            to: file,
          }));
        }
      });
      if (report === undefined) throw fail('internal', 'a backup was made without a report');
      return report;
    },

    async restore(file, isForced, onProgress, signal) {
      const jobs = await sqlControlStore(database).jobs({ limit: 1 });
      if (jobs.length > 0 && !isForced) {
        const remedy = 'restore into another store, or delete all that this one has with --force';
        throw fail('conflict', `${database.where} has jobs already`, remedy);
      }
      return unserved([database], async () => {
        // A copy of the copy: one of an older version is brought up to date, and the file stays as it is.
        const directory = await mkdtemp(join(tmpdir(), 'perftrawl-restore-'));
        try {
          const own = join(directory, 'backup.db');
          await backupSqlite(file, own, pagesTo(onProgress), signal);
          const act = { what: 'restore-store', from: resolve(file) } as const;
          const options = { replaces: isForced, onProgress, signal };
          const report = await opened(`sqlite:${own}`, (copy) => copied(copy, database, options, act));
          return { ...report, from: file };
        } finally {
          await rm(directory, { recursive: true });
        }
      });
    },

    migrate: (to, onProgress, signal) =>
      opened(to, async (target) => {
        if (target.where === database.where) {
          throw fail('conflict', `${target.where} is the store that is to be copied`, 'name another one with --to');
        }
        const act = { what: 'migrate-store', from: database.where } as const;
        const options = { replaces: false, onProgress, signal };
        return unserved([database, target], () => copied(database, target, options, act));
      }),

    close: () => database.close(),
  };
}

function verified(database: SqlDatabase): Promise<ChainReport> {
  return storedAudit(sqlAuditStore(database), () => 0).verify();
}

function pagesTo(onProgress: OnProgress) {
  return (rows: number, of: number) => onProgress({ doing: 'copying', table: 'pages', rows, of });
}

/**
 * While nobody serves these stores; of PostgreSQL it is only known whether somebody runs a job.
 * @throws FailureError 'conflict' when somebody does
 */
async function unserved<T>(databases: readonly SqlDatabase[], work: () => Promise<T>): Promise<T> {
  const locks: ServeLock[] = [];
  try {
    for (const database of databases) {
      if (database.engine === 'sqlite') {
        locks.push(await database.guard('locking out servers', async () => takeServeLock(database.where)));
      }
      await checkIdle(database);
    }
    return await work();
  } finally {
    for (const lock of locks) lock.release();
  }
}

/** @throws FailureError 'conflict' while a controller runs a job of the store */
async function checkIdle(database: SqlDatabase): Promise<void> {
  const running = await sqlControlStore(database).ownerships(1000);
  const alive = running.filter(({ owner, ownerSilence }) => owner !== '' && ownerSilence < living);
  if (alive.length === 0) return;
  const ids = alive.slice(0, 5).map(({ id }) => id);
  throw fail(
    'conflict',
    `jobs of ${database.where} are running: ${ids.join(', ')}`,
    'wait for them, and stop its servers',
  );
}
