// What must not remain on a host after a round: processes, SystemTap modules, temporary files, sockets, half-made uploads, half-made files of
// the spool and of the store.
import { readdir } from 'node:fs/promises';
import type { TestHost } from '../fleet/test-host.js';

/** Everything of a host that a round could leave something in. */
export interface Snapshot {
  /** comm -> how many. */
  readonly processes: ReadonlyMap<string, number>;
  readonly files: ReadonlySet<string>;
  /** Our modules in the kernel, which all hosts of one machine share. */
  readonly modules: ReadonlySet<string>;
}

const PLACES = ['/tmp', '/var/tmp', '/dev/shm', '/var/lib/perftrawl', '/root'];
/** Grows and shrinks as it likes: the database with its journal, the log of the local agent. Captures are released, at the next connection at last. */
const EXPECTED = [/\/perftrawl\.db(-wal|-shm)?$/, /\.sqlite(-wal|-shm)?$/, /\/[^/]+\.log$/];
export async function snapshotOf(host: TestHost): Promise<Snapshot> {
  const listed = await host.run('ps', '-e', '-o', 'comm=');
  const processes = new Map<string, number>();
  for (const comm of listed.split('\n').filter((line) => line !== '' && line !== 'ps')) {
    processes.set(comm, (processes.get(comm) ?? 0) + 1);
  }
  const found = await host.run('find', ...PLACES, '-mindepth', '1');
  const files = found.split('\n').filter((path) => path !== '' && !isExpected(path));
  const modules = (await readdir('/sys/module')).filter((name) => name.startsWith('perftrawl_'));
  return { processes, files: new Set(files), modules: new Set(modules) };
}

/** What `after` has and `before` had not. */
export function leftovers(before: Snapshot, after: Snapshot): string[] {
  const processes = [...after.processes]
    .filter(([comm, count]) => count > (before.processes.get(comm) ?? 0))
    .map(([comm, count]) => `${count} processes ${comm} instead of ${before.processes.get(comm) ?? 0}`);
  const files = [...after.files].filter((path) => !before.files.has(path)).map((path) => `file ${path}`);
  const modules = [...after.modules].filter((name) => !before.modules.has(name)).map((name) => `module ${name}`);
  return [...processes, ...files, ...modules];
}

function isExpected(path: string): boolean {
  return EXPECTED.some((pattern) => pattern.test(path));
}
