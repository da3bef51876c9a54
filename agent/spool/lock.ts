// A lock among the agent processes of one state directory, held for moments, released by death.
import { existsSync } from 'node:fs';
import { link, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fail } from '../../proto/failure.js';
import { hasCode } from './file-error.js';
import { isAlive, ownIdentity, toIdentity } from './owner.js';

const PATIENCE_MS = 20_000;
let tickets = 0;

/** Calls of this process, by path: they come one after another, so that a flood of them does not poll the file all at once. */
const queues = new Map<string, { waiting: number; last: Promise<unknown> }>();
/** More at a time is no work but an attack. */
const MOST_WAITING = 64;

/**
 * Run `work` while no other process (and no other call of this one) holds the lock at `path`.
 * @throws FailureError `exhausted` when too many wait for it already
 */
export async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const queue = queues.get(path) ?? { waiting: 0, last: Promise.resolve() };
  if (queue.waiting >= MOST_WAITING) {
    throw fail(
      'exhausted',
      `${MOST_WAITING} requests wait for their turn on this host already`,
      'send fewer at a time',
    );
  }
  queues.set(path, queue);
  queue.waiting++;
  const turn = queue.last.then(() => holdLock(path, work));
  queue.last = turn.catch(() => undefined);
  try {
    return await turn;
  } finally {
    if (--queue.waiting === 0) queues.delete(path);
  }
}

async function holdLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const ticket = `${path}.${process.pid}.${tickets++}`;
  await writeFile(ticket, JSON.stringify(ownIdentity()), { mode: 0o600 });
  try {
    await acquire(path, ticket);
    try {
      return await work();
    } finally {
      await rm(path, { force: true });
    }
  } finally {
    await rm(ticket, { force: true });
  }
}

/** Remove what processes left that were killed while they waited for the lock at `path`, or held it. */
export async function sweepTickets(path: string): Promise<void> {
  const directory = dirname(path);
  for (const name of await readdir(directory)) {
    if (!name.startsWith(`${basename(path)}.`)) continue;
    const content = await contentOf(join(directory, name));
    // Half written: whoever writes it has it whole in a moment, or is dead and it is swept when its pid is.
    if (content === undefined || (content === '' && isPidAlive(name.slice(basename(path).length + 1)))) continue;
    if (content === '' || !isHeld(content)) await rm(join(directory, name), { force: true });
  }
}

function isPidAlive(rest: string): boolean {
  return existsSync(`/proc/${Number.parseInt(rest, 10)}`);
}

async function contentOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** A hard link appears with its content, or not at all. */
async function acquire(path: string, ticket: string): Promise<void> {
  const until = performance.now() + PATIENCE_MS;
  while (performance.now() < until) {
    try {
      return await link(ticket, path);
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw error;
    }
    const holder = await contentOf(path);
    if (holder !== undefined && !isHeld(holder)) await breakLock(path, holder, `${ticket}.broken`);
    else await sleep(10);
  }
  throw fail('internal', `the lock ${path} stayed taken for ${PATIENCE_MS / 1000} s`, 'see which agent process hangs');
}

function isHeld(content: string): boolean {
  try {
    const identity = toIdentity(JSON.parse(content));
    return identity !== undefined && isAlive(identity);
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

/** Take a dead process's lock away; put back what turns out to be a new holder's. */
async function breakLock(path: string, dead: string, aside: string): Promise<void> {
  try {
    await rename(path, aside);
    if ((await readFile(aside, 'utf8')) !== dead) await link(aside, path);
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'EEXIST')) throw error;
  } finally {
    await rm(aside, { force: true });
  }
}
