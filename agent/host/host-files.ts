// The small text files of a host: /proc, /sys, /etc, below a root that tests can replace.
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import type { ByteSource } from '../symbolize/byte-source.js';

export interface HostFiles {
  /** undefined when it is absent, gone meanwhile, or not readable by this user. */
  text(path: string): string | undefined;
  /** As `text`, but as it is. */
  bytes(path: string): Uint8Array | undefined;
  /** A regular file to be read in parts; undefined as for `text`. Close it. */
  open(path: string): OpenHostFile | undefined;
  exists(path: string): boolean;
  /** Names in a directory; [] when there is none. */
  names(path: string): readonly string[];
  /** User id of the owner; -1 when it is gone. */
  owner(path: string): number;
}

export interface OpenHostFile extends ByteSource {
  close(): void;
}

const ABSENT = new Set(['ENOENT', 'ESRCH', 'EACCES', 'EPERM', 'ENOTDIR', 'EINVAL']);

export function hostFiles(root = '/'): HostFiles {
  return {
    text: (path) => orAbsent(() => readFileSync(join(root, path), 'utf8')),
    bytes: (path) => orAbsent(() => readFileSync(join(root, path))),
    open: (path) => orAbsent(() => openFile(join(root, path))),
    exists: (path) => existsSync(join(root, path)),
    names: (path) => orAbsent(() => readdirSync(join(root, path))) ?? [],
    owner: (path) => orAbsent(() => statSync(join(root, path)).uid) ?? -1,
  };
}

function openFile(path: string): OpenHostFile | undefined {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  const stats = fstatSync(descriptor);
  const copy = (offset: number, into: Uint8Array) => readSync(descriptor, into, 0, into.length, offset);
  const file: OpenHostFile = {
    size: stats.size,
    copy,
    read: (offset, length) => {
      const bytes = new Uint8Array(Math.max(0, Math.min(length, stats.size - offset)));
      return bytes.subarray(0, copy(offset, bytes));
    },
    close: () => closeSync(descriptor),
  };
  if (stats.isFile()) return file;
  file.close();
  return undefined;
}

function orAbsent<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof Error && 'code' in error && typeof error.code === 'string' && ABSENT.has(error.code)) {
      return undefined;
    }
    throw error;
  }
}
