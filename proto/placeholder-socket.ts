// The unix socket that grpc-js connects to before a stream takes its place: one per process, and what killed processes left is swept.

import { rmSync } from 'node:fs';
import { lstat, mkdtemp, readdir, rmdir, unlink } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const SOCKET = 'stream';
/** perftrawl-PID-XXXXXX */
const DIRECTORY = /^perftrawl-(\d+)-[A-Za-z0-9]{6}$/;

/** What `socketPair` leaves when the process is killed in that moment. */
const PAIR = /^pair-\d+$/;

let target: Promise<string> | undefined;
let directory: Promise<string> | undefined;

/** The address of this process's socket, which accepts and forgets. It is in a directory that only this user can enter. */
export function placeholderTarget(): Promise<string> {
  target ??= listen();
  return target;
}

/** A directory for this process's sockets, which only this user can enter; removed when the process ends. */
export function socketDirectory(): Promise<string> {
  directory ??= makeDirectory();
  return directory;
}

async function makeDirectory(): Promise<string> {
  const parent = tmpdir();
  await sweepPlaceholders(parent);
  const made = await mkdtemp(join(parent, `perftrawl-${process.pid}-`));
  process.once('exit', () => rmSync(made, { recursive: true, force: true }));
  return made;
}

async function listen(): Promise<string> {
  const path = join(await socketDirectory(), SOCKET);
  const server = net.createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.resume();
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    // As many as may wait: a fleet's connections are opened at once.
    server.listen({ path, backlog: 4096 }, resolve);
  });
  server.unref();
  return `unix:${path}`;
}

/**
 * Removes the directories in `parent` that processes of this user made and could not remove because they were killed. Nothing else
 * goes: only real directories of our own name and user, whose process is gone and whose socket (it may belong to a process of the
 * same number in another PID namespace) has no listener; of their content only the sockets.
 * @returns the names of what was removed
 */
export async function sweepPlaceholders(parent: string): Promise<string[]> {
  const removed: string[] = [];
  for (const name of await readdir(parent).catch(() => [])) {
    const pid = Number(DIRECTORY.exec(name)?.[1] ?? Number.NaN);
    if (Number.isNaN(pid) || isAlive(pid)) continue;
    if (await removeAbandoned(join(parent, name))) removed.push(name);
  }
  return removed;
}

async function removeAbandoned(directory: string): Promise<boolean> {
  try {
    const found = await lstat(directory);
    if (!found.isDirectory() || found.uid !== process.getuid?.()) return false;
    for (const name of await readdir(directory)) {
      if (name !== SOCKET && !PAIR.test(name)) continue;
      const socket = join(directory, name);
      const answer = await connectTo(socket);
      if (answer === 'connected') return false;
      if (answer === 'ECONNREFUSED' && (await lstat(socket)).isSocket()) await unlink(socket);
    }
    await rmdir(directory);
    return true;
  } catch (error) {
    // Another process sweeps too, or there is more in it than we put there: not ours to mend.
    if (error instanceof Error && 'code' in error) return false;
    throw error;
  }
}

/** 'connected', or the code of the error. */
function connectTo(path: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = net.connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve('connected');
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
  });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH');
  }
}
