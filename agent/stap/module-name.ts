// Names of the modules that the agent loads. They tell whose they are, and with staprun's -R also which process loaded them.

/** A hash follows, and the number of the staprun process in place of its end once it is loaded. */
const PREFIX = 'perftrawl_';
/** The kernel takes 55 characters, stap -m 50 or so. */
const HASH_DIGITS = 32;

export const MODULE_NAME = /^perftrawl_[0-9a-f]{16,39}$/;

/** @param key lower-case hex, at least 32 digits */
export function moduleName(key: string): string {
  return `${PREFIX}${key.slice(0, HASH_DIGITS)}`;
}

export interface LoadedModule {
  readonly name: string;
  /** The staprun process that loaded it. */
  readonly pid: number;
}

/** Ours among the lines of /proc/modules: `perftrawl_0123…_4711 1449984 2 - Live 0x…`. */
export function loadedModules(procModules: string): LoadedModule[] {
  return procModules.split('\n').flatMap((line) => {
    const [, name = '', pid = ''] = /^(perftrawl_[0-9a-f]+_(\d+)) /.exec(line) ?? [];
    return name === '' ? [] : [{ name, pid: Number(pid) }];
  });
}
