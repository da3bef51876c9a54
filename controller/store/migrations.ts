// The database's versions: each step is applied once, in order, and never changed after it was released. There is no way back.
import type Database from 'better-sqlite3';
import { CHAIN_START } from '../../proto/audit-chain.js';
import { fail } from '../../proto/failure.js';

interface Migration {
  readonly version: number;
  readonly sql: string;
}

const migrations: readonly Migration[] = [
  {
    version: 1,
    sql: `
      create table jobs (
        id text primary key,
        request text not null,
        state text not null,
        created real not null,
        ended real not null,
        owner text not null,
        owner_seen real not null,
        cancel_requested integer not null
      );
      create index jobs_by_time on jobs (created, id);
      create table host_runs (
        job_id text not null,
        host text not null,
        position integer not null,
        state text not null,
        run text not null,
        primary key (job_id, host)
      );
      create table profile_chunks (
        job_id text not null,
        host text not null,
        position integer not null,
        name text not null,
        is_last integer not null,
        encoding text not null,
        crc32 integer not null,
        raw_length integer not null,
        data blob not null,
        primary key (job_id, host, position)
      );
      create table counter_series (
        id integer primary key,
        job_id text not null,
        host text not null,
        data blob not null,
        unique (job_id, host)
      );
    `,
  },
  {
    version: 2,
    sql: `
      create table histogram_series (
        id integer primary key,
        job_id text not null,
        host text not null,
        data blob not null,
        unique (job_id, host)
      );
      create table text_lines (
        id integer primary key,
        job_id text not null,
        host text not null,
        data blob not null,
        unique (job_id, host)
      );
    `,
  },
  {
    version: 3,
    sql: `
      create table users (
        name text primary key,
        role text not null,
        created real not null,
        expires real not null,
        revoked real not null,
        token_id text not null,
        secret_hash text not null
      );
      create index users_by_token on users (token_id);
      create table approval_decisions (
        job_id text primary key,
        decision text not null,
        who text not null,
        reason text not null,
        request_sha256 text not null,
        decided real not null
      );
    `,
  },
  {
    version: 4,
    sql: `
      create table if not exists audit (sequence integer primary key, line text not null);
      create table if not exists audit_head (
        id integer primary key check (id = 1), sequence integer not null, hash text not null
      );
      insert or ignore into audit_head values (1, 0, '${CHAIN_START}');
      create trigger if not exists audit_changed before update on audit
        begin select raise(abort, 'entries of the audit log are never changed'); end;
      create trigger if not exists audit_deleted before delete on audit
        begin select raise(abort, 'entries of the audit log are never deleted'); end;
      create trigger if not exists audit_moved_back before update on audit_head when new.sequence < old.sequence
        begin select raise(abort, 'the audit log never gets shorter'); end;
      create trigger if not exists audit_head_deleted before delete on audit_head
        begin select raise(abort, 'the end of the audit log is never deleted'); end;
    `,
  },
  {
    version: 5,
    sql: `
      create table pending_releases (
        capture_id text primary key,
        job_id text not null,
        host text not null,
        address text not null,
        noted real not null
      );
      create index pending_releases_by_host on pending_releases (host, noted);
    `,
  },
  {
    version: 6,
    sql: `
      create table certificates (
        fingerprint text primary key,
        serial text not null,
        name text not null,
        role text not null,
        issued real not null,
        not_after real not null,
        revoked real not null
      );
      create index certificates_by_name on certificates (name);
      create index certificates_by_end on certificates (not_after);
      create index certificates_revoked on certificates (revoked) where revoked > 0;
      create table enroll_tokens (
        id text primary key,
        secret_hash text not null,
        labels text not null,
        name_pattern text not null,
        uses integer not null,
        used integer not null,
        certificate_life real not null,
        may_replace integer not null,
        created real not null,
        expires real not null,
        revoked real not null
      );
      create table enrolled_hosts (
        name text primary key,
        labels text not null,
        fingerprint text not null,
        serial text not null,
        key_sha256 text not null,
        token_id text not null,
        certificate_life real not null,
        enrolled real not null,
        renewed real not null,
        last_seen real not null,
        address text not null
      );
    `,
  },
  {
    version: 7,
    sql: `
      create index jobs_by_owner on jobs (state, owner);
      update jobs
        set state = 'running', owner = '',
          cancel_requested = (select decision <> 'approved' from approval_decisions where job_id = jobs.id)
        where state = 'awaiting-approval' and id in (select job_id from approval_decisions);
    `,
  },
];

/** The version that this program writes. */
export const newestVersion = migrations[migrations.length - 1].version;

/**
 * Bring the database to `newestVersion`; several processes may try at once.
 * @throws FailureError 'conflict' when a newer program has written it
 */
export function migrate(database: Database.Database, path: string, now: number): void {
  database
    .transaction(() => {
      database.exec('create table if not exists migrations (version integer primary key, applied real not null)');
      const current: unknown = database.prepare('select coalesce(max(version), 0) from migrations').pluck().get();
      const version = Number(current);
      if (version > newestVersion) {
        throw fail(
          'conflict',
          `${path} was written by a newer perftrawl: its version is ${version}, this program knows ${newestVersion}`,
          'update perftrawl here, or use another data directory (PERFTRAWL_DATA)',
        );
      }
      for (const migration of migrations) {
        if (migration.version <= version) continue;
        database.exec(migration.sql);
        database.prepare('insert into migrations (version, applied) values (?, ?)').run(migration.version, now);
      }
    })
    .immediate();
}
