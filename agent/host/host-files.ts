// The small text files of a host: /proc, /sys, /etc, below a root that tests can replace.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

export interface HostFiles {
  /** undefined when it is absent, gone meanwhile, or not readable by this user. */
  text(path: string): string | undefined;
  exists(path: string): boolean;
  /** Names in a directory; [] when there is none. */
  names(path: string): readonly string[];
  /** User id of the owner; -1 when it is gone. */
  owner(path: string): number;
}

const ABSENT = new Set(['ENOENT', 'ESRCH', 'EACCES', 'EPERM', 'ENOTDIR', 'EINVAL']);

export function hostFiles(root = '/'): HostFiles {
  return {
    text: (path) => orAbsent(() => readFileSync(join(root, path), 'utf8')),
    exists: (path) => existsSync(join(root, path)),
    names: (path) => orAbsent(() => readdirSync(join(root, path))) ?? [],
    owner: (path) => orAbsent(() => statSync(join(root, path)).uid) ?? -1,
  };
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
