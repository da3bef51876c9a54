// A database as the first program made it: its own statements, kept here as they were.
import Database from 'better-sqlite3';

export interface FirstJob {
  readonly id: string;
  readonly request: unknown;
  readonly run: unknown;
}

export function makeFileOfVersion1(file: string, jobs: readonly FirstJob[]): void {
  const database = new Database(file);
  database.pragma('journal_mode = WAL');
  database.exec('create table if not exists migrations (version integer primary key, applied real not null)');
  database.exec(`
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
    `);
  database.exec('insert into migrations (version, applied) values (1, 1700000000000.5)');
  const addJob = database.prepare("insert into jobs values (?, ?, 'running', 1.25, 0, '', 1, 0)");
  const addRun = database.prepare("insert into host_runs values (?, 'h', 0, 'waiting', ?)");
  for (const { id, request, run } of jobs) {
    addJob.run(id, JSON.stringify(request));
    addRun.run(id, JSON.stringify(run));
  }
  database.close();
}
