// `perftrawl store` from the command line, over files of SQLite and a real PostgreSQL: what it prints, what it refuses, how it ends; and a
// store with results of every kind says the same after it was moved, or brought back from a backup.
import { copyFile, mkdtemp, open as openFile, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { takeServeLock } from '../../../controller/store/serve-lock.js';
import { sqlControlStore } from '../../../controller/store/sql-control-store.js';
import { job } from '../store/control-store-contract.js';
import { open } from '../store/every-engine.js';
import { PASSWORD, type PostgresServer, postgresServer } from '../store/postgres-server.js';
import { answersOf, fill } from './filled-store.js';
import { NOW, perftrawl, type Surroundings } from './real-cli.js';

const who = `ölaf@${hostname()}`;
let directory: string;
let postgres: PostgresServer;
/** Filled once; nothing writes to it afterwards but what a test does to copies. */
let source: string;
let files = 0;
const newFile = () => join(directory, `${++files}.db`);

function store(name: string, ...argv: readonly string[]) {
  return perftrawl(['store', ...argv], at(name));
}
const at = (name: string): Surroundings => ({ directory, store: name });
const json = ({ stdout }: { readonly stdout: string }) => JSON.parse(stdout);

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'perftrawl-store-cli-'));
  postgres = await postgresServer();
  source = `sqlite:${newFile()}`;
  await fill(source, at(source));
});
afterAll(async () => {
  await postgres.close();
  await rm(directory, { recursive: true });
});

/** What `audit ls` shows, without the entries after `first`. */
async function entries(name: string) {
  const answer = await perftrawl(['audit', 'ls', '--json'], at(name));
  return json(answer).entries as readonly Record<string, unknown>[];
}

describe('a store with results of every kind', () => {
  it('says the same in PostgreSQL, and in SQLite again; the log says what was done', async () => {
    const before = await answersOf(at(source));
    const logged = await entries(source);
    const inPostgres = await postgres.newStore();
    const there = await store(source, 'migrate', '--to', inPostgres, '--json');
    expect(there).toMatchObject({ code: 0, stderr: '' });
    expect(await answersOf(at(inPostgres))).toEqual(before);
    const back = `sqlite:${newFile()}`;
    const again = await store(inPostgres, 'migrate', '--to', back);
    expect(again).toMatchObject({ code: 0, stderr: '' });
    expect(again.stdout).toMatch(/^copied postgres:\/\/test@127\.\S+ to \S+\.db: \d+ rows of \d+ tables\n/);
    expect(again.stdout).toMatch(/\nthe audit log of the copy is sound: \d+ entries\n$/);
    expect(await answersOf(at(back))).toEqual(before);
    // Not an answer was different; and the two copies are in the log, with nothing changed before them.
    const [log, { tables, to }] = [await entries(back), json(there)];
    expect(log.slice(0, -2)).toEqual(logged);
    expect(log.slice(-2)).toMatchObject([
      { who, what: 'migrate-store', time: NOW, subject: source.replace('sqlite:', '') },
      { who, what: 'migrate-store', time: NOW, subject: to, detail: { tables: tables.length } },
    ]);
    expect(JSON.stringify([log, json(there), again])).not.toMatch(/geheim|%BC/i);
    expect(await perftrawl(['audit', 'verify'], at(back))).toMatchObject({
      ...{ code: 0, stdout: expect.stringContaining(`${log.length} entries, none was changed`) },
    });
    const rows = tables.reduce((sum: number, table: { rows: number }) => sum + table.rows, 0);
    const shown = await perftrawl(['audit'], at(inPostgres));
    expect(shown.stdout).toMatch(new RegExp(`${who} +migrate-store +- +- +/.*, ${rows} rows\n$`));
  });

  it.each(['sqlite', 'postgres'])('says the same when it comes back from a backup of %s', async (engine) => {
    let from = source;
    if (engine === 'postgres') {
      from = await postgres.newStore();
      expect(await store(source, 'migrate', '--to', from)).toMatchObject({ code: 0 });
    }
    const before = await answersOf(at(from));
    const backup = newFile();
    const logged = await entries(from);
    const made = await store(from, 'backup', backup);
    expect(made).toMatchObject({ code: 0, stderr: '' });
    expect(made.stdout).toMatch(new RegExp(`^copied .* to ${backup}: \\d+ rows of \\d+ tables\n`));
    // Reading is not written down; and nobody else reads the file.
    expect(await entries(from)).toEqual(logged);
    expect((await stat(backup)).mode & 0o777).toBe(0o600);
    for (const into of [`sqlite:${newFile()}`, await postgres.newStore()]) {
      const restored = await store(into, 'restore', backup, '--json');
      expect(restored).toMatchObject({ code: 0, stderr: '' });
      expect(json(restored)).toMatchObject({ from: backup, audit: { lines: logged.length + 1, problems: [] } });
      expect(await answersOf(at(into))).toEqual(before);
      const log = await entries(into);
      expect(log.slice(0, -1)).toEqual(logged);
      expect(log.at(-1)).toMatchObject({ who, what: 'restore-store', subject: backup });
    }
  });
});

describe('perftrawl store', () => {
  it('info says what it is and holds, and never a password', async () => {
    const inPostgres = await postgres.newStore();
    await store(source, 'migrate', '--to', inPostgres);
    for (const [name, engine] of [[source, 'sqlite'] as const, [inPostgres, 'postgres'] as const]) {
      const text = await store(name);
      expect(text).toMatchObject({ code: 0, stderr: '' });
      expect(text.stdout).toMatch(new RegExp(`^\\S+: ${engine}, version \\d+, [\\d.]+ MiB\njobs: 3 succeeded\n`));
      expect(text.stdout).toMatch(/\ncapture_totals +[1-9]\d*\n/);
      const info = json(await store(name, 'info', '--json'));
      expect(info).toMatchObject({ engine, jobs: { succeeded: 3 } });
      expect(info.tables).toContainEqual({ name: 'host_runs', rows: 6 });
      expect(JSON.stringify([text, info])).not.toMatch(/geheim|%BC/i);
    }
  });

  it('check says that all of it is sound', async () => {
    const checked = await store(source, 'check');
    expect(checked).toMatchObject({ code: 0, stderr: '' });
    expect(checked.stdout).toMatch(/^\S+:\n {2}sound: \d+ rows read, \d+ entries of the audit log verified\n$/);
    expect(json(await store(source, 'check', '--json'))).toMatchObject({ problems: [], audit: { problems: [] } });
  });

  it('check, and a copy of it, end with 6 where somebody changed the audit log; what was copied is there', async () => {
    const file = newFile();
    await store(source, 'backup', file);
    const database = new Database(file);
    database.exec('drop trigger audit_changed');
    database.exec("update audit set line = replace(line, 'alice', 'eve') where sequence > 3");
    database.close();
    const checked = await store(`sqlite:${file}`, 'check');
    expect(checked).toMatchObject({
      ...{ code: 6, stdout: expect.stringContaining('was changed'), stderr: expect.stringContaining('store restore') },
    });
    const into = await postgres.newStore();
    const restored = await store(into, 'restore', file);
    expect(restored).toMatchObject({
      ...{ code: 6, stdout: expect.stringMatching(/^restored /), stderr: expect.stringContaining('is not sound') },
    });
    expect(json(await store(into, 'info', '--json')).jobs).toEqual({ succeeded: 3 });
  });

  it('shows how far it is on a terminal, on one line that is gone at the end, also of a failure', async () => {
    const shown = await perftrawl(['store', 'migrate', '--to', await postgres.newStore()], {
      ...at(source),
      isTty: true,
    });
    const chunks = await countOf('profile_chunks');
    const lines = shown.stderr.split('\r\u001b[K');
    expect(lines).toContain(`copying profile_chunks: ${chunks} of ${chunks}`);
    expect(lines.some((line) => line.startsWith('checking jobs: 3 of 3'))).toBe(true);
    expect(lines.every((line) => line.length < 60 && !line.includes('\n'))).toBe(true);
    expect(lines.at(-1)).toBe('');
    const backup = newFile();
    const taken = await perftrawl(['store', 'backup', backup], { ...at(source), isTty: true });
    expect(taken.stderr).toMatch(/copying pages: (\d+) of \1\r/);
    const refused = await perftrawl(['store', 'restore', backup], { ...at(source), isTty: true });
    expect(refused.stderr.split('\r\u001b[K').at(-1)).toMatch(/^perftrawl: .* has jobs already/);
  });

  it.each(['backup of SQLite', 'backup of PostgreSQL', 'restore', 'migrate'])(
    'ends a %s at the first Ctrl-C, with nothing done',
    async (what) => {
      const from = what === 'backup of PostgreSQL' ? await postgres.newStore() : source;
      if (from !== source) await store(source, 'migrate', '--to', from);
      const [target, backup, copy] = [await postgres.newStore(), newFile(), newFile()];
      await store(source, 'backup', backup);
      const argv = {
        'backup of SQLite': ['backup', copy],
        'backup of PostgreSQL': ['backup', copy],
        restore: ['restore', backup],
        migrate: ['migrate', '--to', target],
      }[what];
      const stop = new AbortController();
      const ended = await perftrawl(['store', ...(argv ?? [])], {
        ...{ directory, store: what === 'restore' ? target : from, isTty: true, stop },
        onStderr: (text) => text.includes('copying') && stop.abort(),
      });
      expect(ended).toMatchObject({
        code: 130,
        stdout: '',
        stderr: expect.stringContaining('the target is as it was'),
      });
      expect(json(await store(target, 'info', '--json')).jobs).toEqual({});
      expect((await readdir(directory)).filter((name) => join(directory, name).startsWith(copy))).toEqual([]);
    },
  );
});

describe('perftrawl store refuses', () => {
  const refused = (code: number, message: RegExp) => ({ code, stdout: '', stderr: expect.stringMatching(message) });

  it('a target that is not empty, and itself', async () => {
    const [full, users] = [await postgres.newStore(), `sqlite:${newFile()}`];
    await store(source, 'migrate', '--to', full);
    await perftrawl(['users', 'add', 'carol'], at(users));
    expect(await store(source, 'migrate', '--to', full)).toEqual(refused(2, /is not empty: it has rows in \w+/));
    expect(await store(full, 'migrate', '--to', users)).toEqual(refused(2, /is not empty: it has rows in audit/));
    expect(await store(full, 'migrate', '--to', full)).toEqual(refused(2, /is the store that is to be copied/));
    expect(await store(source, 'migrate', '--to', source)).toEqual(refused(2, /is the store that is to be copied/));
    const backup = newFile();
    await store(users, 'backup', backup);
    expect(await store(full, 'restore', backup)).toEqual(refused(2, /has jobs already .*--force/));
    expect(await store(users, 'restore', backup)).toEqual(refused(2, /is not empty/));
    expect(await store(users, 'backup', backup)).toEqual(refused(2, /is there already/));
    const wrong = await store(full, 'restore', backup, '--json');
    expect(json(wrong)).toMatchObject({ error: { code: 'conflict', exitCode: 2 } });
    const forced = await store(full, 'restore', backup, '--force');
    expect(forced).toMatchObject({ code: 0, stderr: '' });
    expect(json(await store(full, 'info', '--json')).jobs).toEqual({});
    expect((await entries(full)).at(-1)?.detail).toMatchObject({ replaced: { sequence: expect.any(Number) } });
    expect((await perftrawl(['audit'], at(full))).stdout).toMatch(/in place of a log of \d+ entries/);
  });

  it('a file of SQLite that is served, from and to, until it is not; a backup of it is made', async () => {
    const [file, backup, empty] = [newFile(), newFile(), newFile()];
    await store(source, 'backup', file);
    await store(source, 'backup', backup);
    const served = `sqlite:${file}`;
    const lock = takeServeLock(file);
    const message = new RegExp(`${file} is served already, by process ${process.pid}`);
    expect(await store(served, 'restore', backup, '--force')).toEqual(refused(2, message));
    expect(await store(served, 'migrate', '--to', await postgres.newStore())).toEqual(refused(2, message));
    expect(await store(`sqlite:${empty}`, 'migrate', '--to', served)).toEqual(refused(2, message));
    expect(await store(served, 'backup', newFile())).toMatchObject({ code: 0 });
    lock.release();
    expect(await store(served, 'restore', backup, '--force')).toMatchObject({ code: 0 });
    // Nothing is left locked.
    takeServeLock(file).release();
  });

  it('to copy from or into a store whose jobs run', async () => {
    const [busy, backup] = [await postgres.newStore(), newFile()];
    await store(source, 'backup', backup);
    const database = await open(busy);
    await sqlControlStore(database).createJob(job('runs'), []);
    await database.close();
    expect(await store(busy, 'migrate', '--to', `sqlite:${newFile()}`)).toEqual(refused(2, /are running: runs/));
    expect(await store(busy, 'restore', backup, '--force')).toEqual(refused(2, /are running: runs/));
  });

  it('what is damaged, another program’s, newer, empty, a directory or not there; and names the file', async () => {
    const into = await postgres.newStore();
    const keep = async (name: string) => {
      const file = newFile();
      await store(source, 'backup', file);
      expect(name).not.toBe('');
      return file;
    };
    const damaged = await keep('damaged');
    const handle = await openFile(damaged, 'r+');
    await handle.write(Buffer.alloc(8 * 4096, 0x5a), 0, 8 * 4096, 8 * 4096);
    await handle.close();
    const newer = await keep('newer');
    const database = new Database(newer);
    database.exec('insert into migrations (version, applied) values (4711, 1)');
    database.close();
    const [foreign, text, empty] = [newFile(), newFile(), newFile()];
    const other = new Database(foreign);
    other.exec('create table music (title text)');
    other.close();
    await writeFile(text, 'this is no database, and long enough to look like one of another kind. '.repeat(100));
    await writeFile(empty, '');
    const cases = [
      [damaged, 6, 'damaged|malformed'],
      [newer, 2, 'written by a newer perftrawl: its version is 4711'],
      [foreign, 6, 'no store of perftrawl|database of another program'],
      [text, 6, 'not a database'],
    ] as const;
    for (const [file, code, words] of cases) {
      const message = new RegExp(`${file}.*(${words})|(${words}).*${file}`);
      const bytes = await readFile(file);
      expect(await store(into, 'restore', file), words).toEqual(refused(code, message));
      for (const command of [['check'], ['info'], ['backup', newFile()], ['restore', file, '--force']]) {
        expect(await store(`sqlite:${file}`, ...command), `${words} ${command}`).toEqual(refused(code, message));
      }
      expect((await readFile(file)).equals(bytes)).toBe(true);
    }
    // A file without anything is a new store where one is named, but nothing to fill one from.
    const full = `sqlite:${newFile()}`;
    await copyFile(source.replace('sqlite:', ''), full.replace('sqlite:', ''));
    expect(await store(full, 'restore', empty, '--force')).toEqual(refused(6, /is no store of perftrawl/));
    expect(await store(full, 'restore', join(directory, 'none.db'), '--force')).toEqual(
      refused(4, /no file .*none\.db/),
    );
    expect(await store(full, 'restore', directory, '--force')).toEqual(refused(4, /there is no file/));
    expect(json(await store(full, 'info', '--json')).jobs).toEqual({ succeeded: 3 });
    expect(json(await store(into, 'info', '--json')).jobs).toEqual({});
  });

  it('stores that cannot be reached, or are none, without their password', async () => {
    const wrong = postgres.url('test', `${PASSWORD}x`);
    const cases = [
      [wrong, 7, /password authentication failed/],
      [postgres.url('test', PASSWORD, 'none'), 4, /database "none" does not exist.*createdb/],
      [wrong.replace('/test', '/test?nonsense=1'), 2, /no parameter 'nonsense'/],
      [wrong.replace(/@.*/, '@127.0.0.1:1/d'), 5, /ECONNREFUSED/],
      ['mysql://u:geheim@h/d', 2, /names no store/],
      ['perf.db', 2, /names no store .*sqlite:FILE/],
      ['sqlite:', 2, /names no store/],
      ['sqlite:/proc/none/perf.db', 4, /\/proc\/none/],
    ] as const;
    for (const [name, code, message] of cases) {
      const both = [await store(name, 'info'), await store(source, 'migrate', '--to', name)];
      for (const answer of both) expect(answer, name).toEqual(refused(code, message));
      expect(JSON.stringify(both)).not.toMatch(/geheim|%BC/i);
    }
    const remote = await perftrawl(['--server', 'https://127.0.0.1:1', 'store', 'info'], at(source));
    expect(remote).toEqual(refused(2, /a store is looked after where it is/));
    expect(await store(source, 'migrate')).toEqual(refused(2, /--to <store>/));
    expect(await store(source, 'vacuum')).toMatchObject({ code: 2 });
  });

  it('to make a backup below a file; a directory that is missing is made, for its owner alone', async () => {
    expect(await store(source, 'backup', '/dev/null/b.db')).toEqual(refused(4, /\/dev\/null/));
    const made = join(directory, 'new', 'deep', 'b.db');
    expect(await store(source, 'backup', made)).toMatchObject({ code: 0 });
    expect((await stat(join(directory, 'new'))).mode & 0o777).toBe(0o700);
  });
});

async function countOf(table: string): Promise<number> {
  const { tables } = json(await store(source, 'info', '--json'));
  return tables.find(({ name }: { name: string }) => name === table).rows;
}
