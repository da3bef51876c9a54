// Where the controller keeps things, by the XDG base directory rules.
import { existsSync, mkdirSync, statSync } from 'node:fs';
import path from 'node:path';

/** The part of the environment that decides about directories. */
export interface DirectoryEnvironment {
  readonly PERFTRAWL_DATA?: string | undefined;
  readonly PERFTRAWL_CONFIG?: string | undefined;
  readonly XDG_DATA_HOME?: string | undefined;
  readonly XDG_CONFIG_HOME?: string | undefined;
}

/** Jobs, results and the spool of the local agent: `$PERFTRAWL_DATA`, else `$XDG_DATA_HOME/perftrawl`, else `~/.local/share/perftrawl`. */
export function dataDirectory(environment: DirectoryEnvironment, home: string): string {
  if (isGiven(environment.PERFTRAWL_DATA)) return path.resolve(environment.PERFTRAWL_DATA);
  return path.join(base(environment.XDG_DATA_HOME, path.join(home, '.local', 'share')), 'perftrawl');
}

/** Inventory (`inventory.yaml`) and CA (`ca/`): `$PERFTRAWL_CONFIG`, else `$XDG_CONFIG_HOME/perftrawl`, else `~/.config/perftrawl`. */
export function configDirectory(environment: DirectoryEnvironment, home: string): string {
  if (isGiven(environment.PERFTRAWL_CONFIG)) return path.resolve(environment.PERFTRAWL_CONFIG);
  return path.join(base(environment.XDG_CONFIG_HOME, path.join(home, '.config')), 'perftrawl');
}

/**
 * Makes a directory and those above it that are missing, for their owner alone. One by one: the recursive mkdir of Node 20 tries for
 * ever where a parent is there and yet refuses with ENOENT, as /proc does.
 * @throws Error of the file system
 */
export function makePrivateDirectory(directory: string): void {
  const missing: string[] = [];
  for (let at = path.resolve(directory); !existsSync(at); at = path.dirname(at)) missing.unshift(at);
  for (const each of missing.length === 0 ? [directory] : missing) {
    try {
      mkdirSync(each, { mode: 0o700 });
    } catch (error) {
      const isThere = error instanceof Error && 'code' in error && error.code === 'EEXIST';
      if (!isThere || !statSync(each).isDirectory()) throw error;
    }
  }
}

/** The XDG rules say that a relative path counts as not set. */
function base(given: string | undefined, fallback: string): string {
  return isGiven(given) && path.isAbsolute(given) ? given : fallback;
}

function isGiven(text: string | undefined): text is string {
  return text !== undefined && text !== '';
}
