// The password that ~/.pgpass has for a server, a database and a user (PostgreSQL's manual, chapter "The Password File").
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fail } from '../../proto/failure.js';
import type { PostgresEnvironment, PostgresTarget } from './postgres-url.js';

/**
 * Undefined when there is no file, or nothing for this target in it.
 * @throws FailureError 'permission' for a file that others may read, which psql does not use either
 */
export async function filedPassword(
  target: PostgresTarget,
  env: PostgresEnvironment,
  homeDirectory: string,
): Promise<string | undefined> {
  const file = env.PGPASSFILE ?? join(homeDirectory, '.pgpass');
  let text: string;
  try {
    const { mode } = await stat(file);
    if ((mode & 0o077) !== 0) throw fail('permission', `others may read the passwords in ${file}`, `chmod 600 ${file}`);
    text = await readFile(file, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : '';
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
  return passwordIn(text, target);
}

/** The first line that fits counts. */
export function passwordIn(text: string, target: Pick<PostgresTarget, 'host' | 'port' | 'database' | 'user'>) {
  // A socket's directory that is the usual one goes by the name localhost too.
  const hosts = target.host.startsWith('/') ? [target.host, 'localhost'] : [target.host];
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith('#')) continue;
    const fields = fieldsOf(line);
    if (fields.length !== 5) continue;
    const [host, port, database, user, password] = fields;
    const fits = (field: string, ...values: readonly string[]) => field === '*' || values.includes(field);
    if (!fits(host, ...hosts) || !fits(port, String(target.port))) continue;
    if (fits(database, target.database) && fits(user, target.user)) return password;
  }
  return undefined;
}

/** Colons part them; a backslash before one, or before another backslash, takes its meaning away. */
function fieldsOf(line: string): string[] {
  const fields = [''];
  for (let at = 0; at < line.length; at++) {
    const last = fields.length - 1;
    if (line[at] === '\\' && at + 1 < line.length) fields[last] += line[++at];
    else if (line[at] === ':') fields.push('');
    else fields[last] += line[at];
  }
  return fields;
}
