// Where the controller keeps things, by the XDG base directory rules.
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

/** The XDG rules say that a relative path counts as not set. */
function base(given: string | undefined, fallback: string): string {
  return isGiven(given) && path.isAbsolute(given) ? given : fallback;
}

function isGiven(text: string | undefined): text is string {
  return text !== undefined && text !== '';
}
