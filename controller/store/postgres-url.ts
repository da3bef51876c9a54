// Which PostgreSQL a text names: `postgres://USER@HOST:PORT/DATABASE?schema=NAME&sslmode=verify-full&sslrootcert=FILE`.
import { type FailureError, fail } from '../../proto/failure.js';

/** As libpq names them. `require`: encrypted, to whomever; the two after it also check who answers. */
const SSL_MODES = ['disable', 'require', 'verify-ca', 'verify-full'] as const;
type SslMode = (typeof SSL_MODES)[number];

export interface PostgresTarget {
  /** A name, an address, or the directory of a socket, which begins with `/`. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Of the text or of PGPASSWORD; undefined: it is in ~/.pgpass, or none is asked for. */
  readonly password: string | undefined;
  readonly database: string;
  /** Where the tables are; undefined: as the server has it for this user (`search_path`). */
  readonly schema: string | undefined;
  readonly sslMode: SslMode;
  /** PEM files. */
  readonly sslRootCert: string | undefined;
  readonly sslCert: string | undefined;
  readonly sslKey: string | undefined;
  /** The same without the password, for messages. */
  readonly where: string;
}

/** The environment that counts, as for psql. */
export type PostgresEnvironment = Readonly<Record<string, string | undefined>>;

const PARAMETERS = ['host', 'port', 'user', 'password', 'schema', 'sslmode', 'sslrootcert', 'sslcert', 'sslkey'];
const LOOPBACK = /^(localhost|127(\.[0-9]{1,3}){3}|::1|\/.*)$/;

export function isPostgresUrl(text: string): boolean {
  return /^postgres(ql)?:/i.test(text);
}

/**
 * What the text leaves out is as PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE and PGSSLMODE say. To another machine the server has to
 * prove who it is, unless `sslmode` says otherwise.
 * @throws FailureError 'bad-request', never with the password
 */
export function parsePostgresUrl(text: string, env: PostgresEnvironment, localUser: string): PostgresTarget {
  const url = urlOf(text);
  const parameters = url.searchParams;
  for (const name of parameters.keys()) {
    if (PARAMETERS.includes(name)) continue;
    throw refuse(`a PostgreSQL store has no parameter '${name.slice(0, 40)}'`, `there are ${PARAMETERS.join(', ')}`);
  }
  const given = (name: string, ...others: readonly (string | undefined)[]): string | undefined =>
    [parameters.get(name), ...others].find((value) => value !== null && value !== undefined && value !== '') ??
    undefined;
  const host = given('host', decoded(url.hostname).replace(/^\[(.*)\]$/, '$1'), env.PGHOST) ?? 'localhost';
  const port = Number(given('port', url.port, env.PGPORT) ?? '5432');
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw refuse('the port of a PostgreSQL store is 1 to 65535');
  const user = given('user', decoded(url.username), env.PGUSER) ?? localUser;
  const database = given('', decoded(url.pathname.slice(1)), env.PGDATABASE) ?? user;
  const schema = given('schema');
  const sslMode = given('sslmode', env.PGSSLMODE) ?? (LOOPBACK.test(host) ? 'disable' : 'verify-full');
  const known = SSL_MODES.find((mode) => mode === sslMode);
  if (known === undefined) {
    throw refuse(`'${sslMode.slice(0, 40)}' is no sslmode of a PostgreSQL store`, `one of ${SSL_MODES.join(', ')}`);
  }
  const named = [host, user, database, schema ?? ''];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are looked for
  if (named.some((name) => /[\u0000-\u001f\u007f]/.test(name) || name.length > 200)) {
    throw refuse('a name in the PostgreSQL store is too long, or has control characters');
  }
  return {
    ...{ host, port, user, database, schema, password: given('password', decoded(url.password), env.PGPASSWORD) },
    ...{ sslMode: known, sslRootCert: given('sslrootcert', env.PGSSLROOTCERT) },
    ...{ sslCert: given('sslcert', env.PGSSLCERT), sslKey: given('sslkey', env.PGSSLKEY) },
    where: whereOf(host, port, user, database, schema),
  };
}

/** A text that names a store, as it may be shown: without its password. */
export function withoutPassword(text: string): string {
  return text.replace(/^([a-z]+:\/\/[^/?#@:]*):.*@/is, '$1@').replace(/([?&]password=)[^&]*/gi, '$1…');
}

function whereOf(host: string, port: number, user: string, database: string, schema: string | undefined): string {
  const encode = encodeURIComponent;
  const at = host.startsWith('/') ? '' : `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const parameters = [
    ...(host.startsWith('/') ? [`host=${host}`, ...(port === 5432 ? [] : [`port=${port}`])] : []),
    ...(schema === undefined ? [] : [`schema=${encode(schema)}`]),
  ];
  const query = parameters.length === 0 ? '' : `?${parameters.join('&')}`;
  return `postgres://${encode(user)}@${at}/${encode(database)}${query}`;
}

/** With a user and a socket's directory as parameter there is no host, which URLs of the web do not know. */
function urlOf(text: string): URL {
  for (const candidate of [text, text.replace('@/', '@localhost/')]) {
    if (URL.canParse(candidate)) return new URL(candidate);
  }
  throw refuse(`'${withoutPassword(text).slice(0, 200)}' names no PostgreSQL store`);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw refuse(
      "a '%' in the PostgreSQL store is not followed by two hexadecimal digits",
      "write a '%' itself as %25",
    );
  }
}

function refuse(message: string, remedy = 'give postgres://USER@HOST:PORT/DATABASE'): FailureError {
  return fail('bad-request', message, remedy);
}
