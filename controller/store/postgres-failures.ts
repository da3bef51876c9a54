// What PostgreSQL and the way to it say, as failures with a remedy. Codes: PostgreSQL's manual, appendix A.
import { type FailureCode, FailureError, fail } from '../../proto/failure.js';
import { StoreAway } from './store-away.js';

/** A transaction that lost against another one: the same again comes to an end. */
export function isWorthRepeating(error: unknown): boolean {
  return ['40001', '40P01'].includes(codeOf(error));
}

/** Whether the connection that said so is of no more use. */
export function isAway(error: unknown): boolean {
  const code = codeOf(error);
  // 57P01 to 57P03: it is shut down, has crashed, starts up. 53300: all its connections are taken.
  if (/^08|^57P0[123]$|^53300$/.test(code) || AWAY_CODES.has(code)) return true;
  return !(error instanceof FailureError) && AWAY_WORDS.test(saidBy(error));
}

const AWAY_CODES = new Set([
  ...['ECONNREFUSED', 'ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN'],
  ...['EHOSTUNREACH', 'ENETUNREACH', 'ENETDOWN', 'EHOSTDOWN', 'ENOENT'],
]);
/** Of the driver, which gives these no code. */
const AWAY_WORDS =
  /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Client was closed|Query read timeout)/;

interface Explanation {
  readonly codes: RegExp;
  readonly code: FailureCode;
  readonly remedy: string;
}

const EXPLANATIONS: readonly Explanation[] = [
  {
    codes: /^28P01$|^SASL$/,
    code: 'permission',
    remedy: 'check user and password: in the store itself, PGPASSWORD or ~/.pgpass',
  },
  { codes: /^28/, code: 'permission', remedy: 'see which users pg_hba.conf of the server lets in from here' },
  { codes: /^3D000$/, code: 'not-found', remedy: 'make it with `createdb`, encoding UTF8' },
  { codes: /^3F000$/, code: 'not-found', remedy: 'make the schema: `create schema NAME`' },
  { codes: /^42501$/, code: 'permission', remedy: 'let the user in: `grant usage, create on schema public to USER`' },
  { codes: /^53/, code: 'exhausted', remedy: "look at memory and limits of the database's machine" },
  { codes: /^54/, code: 'exhausted', remedy: 'store less at a time' },
  { codes: /^(40|55P03)/, code: 'exhausted', remedy: 'others work on the same rows; try again' },
  { codes: /^57014$/, code: 'exhausted', remedy: 'it took too long: see what else the database does, and try again' },
  { codes: /^25006$/, code: 'permission', remedy: 'this server is a standby: name the one that takes writes' },
  { codes: /^(XX00[12]|58)/, code: 'bad-data', remedy: "the database is damaged: look at the server's log" },
  { codes: /^(22021|22P05)$/, code: 'bad-request', remedy: 'PostgreSQL takes no zero bytes in texts' },
  {
    codes:
      /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_\w+|CERT_\w+|ERR_TLS_\w+|ERR_SSL_\w+|TLS)$/,
    code: 'untrusted',
    remedy: 'name its CA with sslrootcert=FILE, or say sslmode=require to encrypt only, sslmode=disable for neither',
  },
];

/** @param where without a password */
export function explainPostgres(where: string, doing: string, error: unknown): unknown {
  if (error instanceof FailureError) return error;
  const message = `${doing} (${where}): ${saidBy(error)}`;
  if (isAway(error)) {
    return new StoreAway({ code: 'unreachable', message, remedy: 'see whether PostgreSQL runs there' }, error);
  }
  const code = codeOf(error);
  if (code === '53100') {
    const remedy = "make room on the disk of the database's machine";
    return new StoreAway({ code: 'exhausted', message, remedy }, error);
  }
  const found = code === '' ? undefined : EXPLANATIONS.find(({ codes }) => codes.test(code));
  return found === undefined ? error : fail(found.code, message, found.remedy, error);
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return '';
  // The driver gives these two no code.
  if (error.message.startsWith('SASL: ')) return 'SASL';
  if (error.message.startsWith('The server does not support SSL')) return 'TLS';
  return 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/** An error of several addresses has no message of its own. */
function saidBy(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(saidBy).join('; ');
  return error instanceof Error ? error.message : String(error);
}
