// `perftrawl agent enroll`: this host gets a certificate for a token, and keeps it where `perftrawl agent --dial` looks for it.
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { parseArgs } from 'node:util';
import { type EnrollTokenText, parseEnrollToken } from '../../proto/enroll-token.js';
import { type Failure, type FailureCode, FailureError, fail } from '../../proto/failure.js';
import { timeoutSignal } from '../../proto/timeout-signal.js';
import { stateDirectory } from '../options.js';
import { hasCode } from '../spool/file-error.js';
import { enrollHost } from './enroll.js';
import { ENROLL_DEADLINE, parsePlace } from './enroll-client.js';

export interface EnrollIo {
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly env: NodeJS.ProcessEnv;
}

const HELP = `perftrawl agent enroll: make this host one of the fleet

  perftrawl agent enroll --server HOST:PORT --token-file FILE

Options
  --server HOST:PORT   where the controller takes hosts (--agents of perftrawl serve)
  --token TOKEN        what perftrawl enroll-token printed; other users of this host can see it in the list of processes
  --token-file FILE    a file with the token; - for stdin (default: $PERFTRAWL_ENROLL_TOKEN)
  --name NAME          what this host is to be called (default: its hostname)
  --state DIR          state directory of the agent, as for perftrawl agent
  --json               print one JSON document
  --help               this text

Examples
  perftrawl agent enroll --server perf.example.net:7452 --token-file token
  perftrawl agent --dial perf.example.net:7452

The key is made here and stays here. The token is told to no server but the one that it was made for.

Exit codes: 0 enrolled, 1 failed, 2 wrong command line or name, 5 not reachable or not trusted, 7 refused.
`;

const OPTIONS = {
  server: { type: 'string' },
  token: { type: 'string' },
  'token-file': { type: 'string' },
  name: { type: 'string' },
  state: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** @param argv what follows `perftrawl agent enroll` */
export async function runEnroll(argv: readonly string[], io: EnrollIo): Promise<number> {
  const isJson = argv.includes('--json');
  try {
    const values = parse(argv);
    if (values.help === true) {
      io.stdout.write(HELP);
      return 0;
    }
    const place = parsePlace(values.server ?? '');
    if (place === undefined) throw wrong(`--server takes HOST:PORT, not ${JSON.stringify(values.server ?? '')}`);
    const token = await readToken(values.token, values['token-file'], io.env);
    const name = values.name ?? hostname();
    const state = stateDirectory(values.state, io.env);
    const signal = timeoutSignal(ENROLL_DEADLINE);
    const enrolled = await enrollHost(place, token, name, { state, now: Date.now }, signal);
    const directory = join(state, 'identity');
    if (isJson) {
      io.stdout.write(`${JSON.stringify({ ...enrolled, directory }, undefined, 2)}\n`);
    } else {
      const labels = Object.entries(enrolled.labels).map(([key, value]) => ` ${key}=${value}`);
      io.stdout.write(
        `enrolled as ${enrolled.name}${labels.join('')}, good until ${new Date(enrolled.notAfter).toISOString()}\n` +
          `  identity  ${directory}\n  next      perftrawl agent --dial ${values.server}\n`,
      );
    }
    return 0;
  } catch (error) {
    if (!(error instanceof FailureError)) throw error;
    const { failure } = error;
    const exitCode = exitCodeOf(failure.code);
    io.stderr.write(`perftrawl agent enroll: ${failureText(failure)}\n`);
    if (isJson) io.stdout.write(`${JSON.stringify({ error: { ...failure, exitCode } }, undefined, 2)}\n`);
    return exitCode;
  }
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: OPTIONS, strict: true, allowPositionals: false }).values;
  } catch (error) {
    throw wrong(error instanceof Error ? error.message : String(error));
  }
}

async function readToken(
  given: string | undefined,
  file: string | undefined,
  env: NodeJS.ProcessEnv,
): Promise<EnrollTokenText> {
  if (given !== undefined && file !== undefined) throw wrong('give --token or --token-file, not both');
  const text = given ?? (file === undefined ? env.PERFTRAWL_ENROLL_TOKEN : await readTokenFile(file));
  if (text === undefined || text === '') throw wrong('a token is needed: --token-file FILE');
  const token = parseEnrollToken(text);
  if (token === undefined) throw wrong('what was given is no token: it is pte., and three groups of hex digits');
  return token;
}

async function readTokenFile(file: string): Promise<string> {
  try {
    return await readFile(file === '-' ? '/dev/stdin' : file, 'utf8');
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw fail(hasCode(error, 'ENOENT') ? 'not-found' : 'permission', `cannot read the token: ${why}`, '', error);
  }
}

/** As docs/exit-codes.md has them. */
function exitCodeOf(code: FailureCode): number {
  switch (code) {
    case 'bad-request':
    case 'conflict':
      return 2;
    case 'not-found':
      return 4;
    case 'unreachable':
    case 'untrusted':
      return 5;
    case 'bad-data':
      return 6;
    case 'permission':
    case 'refused':
    case 'tool-missing':
      return 7;
    case 'tool-failed':
    case 'lost':
    case 'deadline':
    case 'busy':
    case 'exhausted':
    case 'cancelled':
      return 1;
    case 'internal':
      return 70;
  }
}

function wrong(message: string) {
  return fail('bad-request', message, 'see perftrawl agent enroll --help');
}

function failureText({ message, remedy }: Failure): string {
  return remedy === '' ? message : `${message}\n  try: ${remedy}`;
}
