// A PostgreSQL of its own for tests: made with initdb in a temporary directory, on a port of this machine; it can be stopped and started.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { chown, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { type SmallDisk, smallDisk } from './small-disk.js';

export interface PostgresServer {
  readonly port: number;
  readonly directory: string;
  /** Of a new schema in the database `test`, in which nobody has made tables yet; with the password. */
  newStore(): Promise<string>;
  /** Of that database as somebody sees it. */
  url(user?: string, password?: string, database?: string): string;
  /** As the superuser `test`, in the database `test`. */
  query(text: string): Promise<readonly Record<string, unknown>[]>;
  /** `fast` tells its clients; `immediate` is a crash. */
  stop(how?: 'fast' | 'immediate'): Promise<void>;
  start(): Promise<void>;
  /** Of its data; undefined where that is on the disk of this machine. */
  readonly disk: SmallDisk | undefined;
  /** What its log has said so often since it was started last. */
  said(words: string): number;
  /** Of its files. */
  owner(): Promise<{ readonly uid: number; readonly gid: number }>;
  close(): Promise<void>;
}

/** Whose password it is does not matter: no message, log or process list may have it. */
export const PASSWORD = 'geheim: ü@/%';

interface OwnDisk {
  readonly bytes: number;
  /** The log that it writes ahead is there too: then it stops when the disk is full. */
  readonly hasLog: boolean;
}

/** @param settings `name=value`, as on the command line of `postgres` */
export async function postgresServer(settings: readonly string[] = [], own?: OwnDisk): Promise<PostgresServer> {
  const directory = await mkdtemp(join(tmpdir(), 'perftrawl-pg-'));
  const data = join(directory, 'data');
  const passwordFile = join(directory, 'password');
  const as = await ownerOfServers();
  await writeFile(passwordFile, PASSWORD);
  const { uid, gid } = as;
  if (uid !== undefined && gid !== undefined) for (const path of [directory, passwordFile]) await chown(path, uid, gid);
  if (own !== undefined) await mkdir(data, { mode: 0o700 });
  const disk = own === undefined ? undefined : await smallDisk(data, own.bytes, as);
  await promisify(execFile)(
    program('initdb'),
    [
      ...(own?.hasLog === false ? ['--waldir', join(directory, 'wal')] : []),
      ...(disk === undefined ? [] : ['--wal-segsize=1']),
      ...['-D', data, '-U', 'test', '-E', 'UTF8', '--no-sync', '--no-instructions', '--locale=C.UTF-8'],
      // Texts in another order than by their bytes, as on many servers.
      ...['--locale-provider=icu', '--icu-locale=en', '--auth=scram-sha-256', `--pwfile=${passwordFile}`],
    ],
    { cwd: directory, ...as },
  );
  const port = await freePort();
  const all = [
    ...[`port=${port}`, 'listen_addresses=127.0.0.1', `unix_socket_directories=${directory}`],
    ...['fsync=off', 'max_connections=60', ...settings],
    ...(disk === undefined ? [] : ['max_wal_size=4MB', 'min_wal_size=2MB']),
  ].flatMap((setting) => ['-c', setting]);
  const url = (user = 'test', password = PASSWORD, database = 'test') =>
    `postgres://${encodeURIComponent(user)}:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`;
  let running: ChildProcess | undefined;
  let stores = 0;
  let log = '';

  async function query(text: string, database = 'test') {
    const client = new pg.Client({ connectionString: url('test', PASSWORD, database) });
    client.on('error', () => undefined);
    await client.connect();
    try {
      const result: { rows: Record<string, unknown>[] } = await client.query(text);
      return result.rows;
    } finally {
      await client.end();
    }
  }

  async function start(): Promise<void> {
    log = '';
    const child = spawn(program('postgres'), ['-D', data, ...all], {
      cwd: directory,
      stdio: ['ignore', 'ignore', 'pipe'],
      ...as,
    });
    child.stderr.on('data', (chunk: Buffer) => {
      log += chunk.toString();
    });
    running = child;
    for (let attempt = 1; ; attempt++) {
      try {
        await query('select 1', 'postgres');
        return;
      } catch (error) {
        if (attempt === 300 || child.exitCode !== null) {
          throw new Error(`PostgreSQL does not start: ${log.slice(-2000)}`, { cause: error });
        }
        await sleep(50);
      }
    }
  }

  async function stop(how: 'fast' | 'immediate' = 'fast'): Promise<void> {
    const child = running;
    if (child === undefined) return;
    running = undefined;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(how === 'fast' ? 'SIGINT' : 'SIGQUIT');
    await ended;
  }

  await start();
  await query('create database test', 'postgres');
  return {
    ...{ port, directory, disk, url, query, start, stop },
    async newStore() {
      const schema = `store_${++stores}`;
      await query(`create schema ${schema}`);
      return `${url()}?schema=${schema}`;
    },
    said: (words) => log.split(words).length - 1,
    async owner() {
      const { uid: itsUser, gid: itsGroup } = await stat(data);
      return { uid: itsUser, gid: itsGroup };
    },
    async close() {
      await stop('immediate');
      await disk?.unmount();
      await rm(directory, { recursive: true });
    },
  };
}

/** PostgreSQL refuses to run as root: then it runs as Debian's user for it. */
async function ownerOfServers(): Promise<{ readonly uid?: number; readonly gid?: number }> {
  if (process.getuid?.() !== 0) return {};
  const { stdout } = await promisify(execFile)('getent', ['passwd', 'postgres']);
  const [, , uid, gid] = stdout.split(':');
  return { uid: Number(uid), gid: Number(gid) };
}

/** Debian keeps the server's programs beside each other, out of PATH. */
function program(name: string): string {
  const versions = '/usr/lib/postgresql';
  const beside = existsSync(versions) ? readdirSync(versions).map((version) => join(versions, version, 'bin')) : [];
  const directories = [...(process.env.PATH ?? '').split(delimiter), ...beside];
  const found = directories.map((directory) => join(directory, name)).find((path) => existsSync(path));
  if (found === undefined) throw new Error(`${name} is missing: npm run setup -- --with-test-tools`);
  return found;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
