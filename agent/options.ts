// The command line of `perftrawl agent`.
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { BudgetLimits } from '../proto/budget.js';
import { budgetText, parseBudget } from '../proto/budget-text.js';
import { fail } from '../proto/failure.js';
import { DEFAULT_BUDGET } from './capture/budget-limits.js';
import { type CaptureLimits, DEFAULT_LIMITS } from './capture-service.js';
import type { DialAddress } from './dial/controller-link.js';
import { type IdentityFiles, identityFilesIn } from './dial/identity-files.js';
import { type Admission, DEFAULT_ADMISSION, NO_ADMISSION } from './host/admission.js';
import { POLICY_FILE } from './policy/policy.js';
import type { TlsFiles } from './serve-tls.js';
import { DEFAULT_SPOOL_AGE, DEFAULT_SPOOL_LIMIT } from './spool/spool.js';

export type Serving =
  | { readonly on: 'stdio' }
  | { readonly on: 'socket'; readonly path: string }
  | ({ readonly on: 'tls'; readonly address: string } & TlsFiles)
  /** Controllers, each of which the agent keeps a connection to; `enrolledIn` is the state directory with an identity to renew. */
  | {
      readonly on: 'dial';
      readonly addresses: readonly DialAddress[];
      readonly files: IdentityFiles;
      readonly enrolledIn?: string;
    };

export interface AgentOptions {
  readonly serving: Serving;
  readonly state: string;
  readonly name: string;
  readonly spoolLimit: number;
  /** Milliseconds that a capture waits to be fetched. */
  readonly spoolAge: number;
  readonly limits: CaptureLimits;
  /** '' for the perf in PATH. */
  readonly perf: string;
  /** What this host allows; '' for the usual file, where none need be. */
  readonly policy: string;
  /** undefined: not said, so the policy decides. */
  readonly budget: BudgetLimits | undefined;
  readonly admission: Admission | undefined;
}

const STANDARD = DEFAULT_BUDGET.standard;

const DAY = 24 * 3_600_000;

export const AGENT_HELP = `perftrawl agent: serve captures of this host

  perftrawl agent --stdio                    on stdin and stdout, for whoever started it
  perftrawl agent --socket PATH              on a unix socket of mode 0600
  perftrawl agent --listen HOST:PORT --cert FILE --key FILE --ca FILE
                                             on TCP, TLS 1.3, clients need a certificate of that CA
  perftrawl agent --dial CONTROLLER:PORT[,OTHER:PORT]
                                             on a connection to each of them that it opens itself, for hosts that
                                             nobody can reach; needs what \`perftrawl agent enroll\` wrote, or --cert,
                                             --key and --ca; comes back by itself when the connection is lost
  perftrawl agent enroll --server HOST:PORT --token-file FILE
                                             get a certificate for this host; see perftrawl agent enroll --help

Options
  --state DIR          where captures are kept until they are fetched
                       (default: $PERFTRAWL_STATE, else /var/lib/perftrawl/agent for root,
                       else ~/.local/state/perftrawl/agent)
  --name NAME          name of this host in answers (default: its hostname)
  --spool-limit MIB    most disk space for captures (default: ${DEFAULT_SPOOL_LIMIT / 1024 / 1024})
  --spool-days N       how long captures that nobody fetches are kept (default: ${DEFAULT_SPOOL_AGE / DAY}); when four
                       fifths of the space are used, the oldest of those that waited for an hour go
  --max-captures N     captures at a time, in all (default: ${DEFAULT_LIMITS.total})
  --max-per-kind N     captures of one kind at a time (default: ${DEFAULT_LIMITS.perKind})
  --perf PATH          the perf to use (default: the one in PATH)
  --policy FILE        what this host allows (default: ${POLICY_FILE} when it is there);
                       only root may be able to write it
  --budget BUDGET      what a capture may cost that asks for nothing else: 1%, or
                       cpu=2%,memory=256M,spool=500M, or none
                       (default: $PERFTRAWL_AGENT_BUDGET, else the policy's, else
                       ${budgetText({ cpuPercent: STANDARD.cpuPercent, memoryBytes: STANDARD.memoryBytes })})
  --admission on|off   refuse captures while this host is short of CPU or memory
                       (default: $PERFTRAWL_ADMISSION, else by the policy, else on)
  --revoked FILE       with --listen: controllers' certificates that are refused, as perftrawl ca revoked prints them
  --help               this text

Examples
  perftrawl agent --listen 0.0.0.0:7451 --cert db1.crt --key db1.key --ca ca.crt
  perftrawl agent --socket /run/perftrawl/agent.sock --name db1
  perftrawl agent --dial perf1.example.com:7452,perf2.example.com:7452

With --stdio the end of stdin ends the agent, but not its captures: it stays until they are done, and the next agent on the same
state directory serves them. SIGTERM stops captures early and keeps what there is.
`;

/** @returns undefined when help was asked for. @throws FailureError `bad-request` */
export function parseOptions(argv: readonly string[], env: NodeJS.ProcessEnv): AgentOptions | undefined {
  const values = parse(argv);
  if (values.help === true) return undefined;
  const limits: CaptureLimits = {
    perKind: positive('--max-per-kind', values['max-per-kind'], DEFAULT_LIMITS.perKind),
    total: positive('--max-captures', values['max-captures'], DEFAULT_LIMITS.total),
  };
  const state = stateDirectory(values.state, env);
  const mebibytes = positive('--spool-limit', values['spool-limit'], DEFAULT_SPOOL_LIMIT / 1024 / 1024);
  return {
    serving: servingOf(values, state),
    state,
    name: values.name ?? '',
    spoolLimit: mebibytes * 1024 * 1024,
    spoolAge: positive('--spool-days', values['spool-days'], DEFAULT_SPOOL_AGE / DAY) * DAY,
    limits,
    perf: values.perf ?? '',
    policy: values.policy ?? '',
    budget: budgetOf(values.budget ?? env.PERFTRAWL_AGENT_BUDGET),
    admission: admissionOf(values.admission ?? env.PERFTRAWL_ADMISSION),
  };
}

const OPTIONS = {
  stdio: { type: 'boolean' },
  socket: { type: 'string' },
  listen: { type: 'string' },
  dial: { type: 'string', multiple: true },
  cert: { type: 'string' },
  key: { type: 'string' },
  ca: { type: 'string' },
  revoked: { type: 'string' },
  state: { type: 'string' },
  name: { type: 'string' },
  'spool-limit': { type: 'string' },
  'spool-days': { type: 'string' },
  'max-captures': { type: 'string' },
  'max-per-kind': { type: 'string' },
  perf: { type: 'string' },
  policy: { type: 'string' },
  budget: { type: 'string' },
  admission: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

type Values = ReturnType<typeof parse>;

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: OPTIONS, strict: true, allowPositionals: false }).values;
  } catch (error) {
    throw wrong(error instanceof Error ? error.message : String(error));
  }
}

function servingOf({ stdio, socket, listen, dial, cert, key, ca, revoked }: Values, state: string): Serving {
  const ways = [stdio === true, socket !== undefined, listen !== undefined, dial !== undefined].filter(Boolean).length;
  if (ways !== 1) {
    throw wrong('give exactly one of --stdio, --socket PATH, --listen HOST:PORT and --dial CONTROLLER:PORT');
  }
  if (listen === undefined && revoked !== undefined) throw wrong('--revoked belongs to --listen');
  if (dial !== undefined) {
    const usual = identityFilesIn(state);
    const files = { cert: cert ?? usual.cert, key: key ?? usual.key, ca: ca ?? usual.ca };
    // Files that were named are somebody else's to renew.
    const isEnrolled = (cert ?? key ?? ca) === undefined;
    return { on: 'dial', addresses: dialAddresses(dial), files, ...(isEnrolled ? { enrolledIn: state } : {}) };
  }
  if (listen === undefined && (cert ?? key ?? ca) !== undefined)
    throw wrong('--cert, --key and --ca belong to --listen or --dial');
  if (stdio === true) return { on: 'stdio' };
  if (socket !== undefined) return { on: 'socket', path: resolve(socket) };
  if (listen === undefined || !HOST_PORT.test(listen)) throw wrong(`${JSON.stringify(listen ?? '')} is no HOST:PORT`);
  if (cert === undefined || key === undefined || ca === undefined) {
    throw fail(
      'bad-request',
      'perftrawl agent: --listen needs --cert, --key and --ca: captures are never served unencrypted or to anybody',
      'make them with `perftrawl ca init` and `perftrawl ca issue`',
    );
  }
  return { on: 'tls', address: listen, cert, key, ca, ...(revoked === undefined ? {} : { revoked }) };
}

const MOST_CONTROLLERS = 16;

/** A name, an IPv4 address, or an IPv6 address in brackets; then a port. */
const HOST_PORT = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s]+)):(\d{1,5})$/;

/** Each once. */
function dialAddresses(lists: readonly string[]): readonly DialAddress[] {
  const texts = new Set(lists.flatMap((list) => list.split(',')));
  if (texts.size > MOST_CONTROLLERS) throw wrong(`--dial takes ${MOST_CONTROLLERS} controllers at most`);
  return [...texts].map(dialAddress);
}

function dialAddress(text: string): DialAddress {
  const found = HOST_PORT.exec(text);
  const port = Number(found?.[3]);
  if (found === null || port < 1 || port > 65_535) throw wrong(`${JSON.stringify(text)} is no CONTROLLER:PORT to dial`);
  return { host: found[1] ?? found[2], port };
}

/** Absolute. @param given as --state says it */
export function stateDirectory(given: string | undefined, env: NodeJS.ProcessEnv): string {
  return resolve(given ?? defaultState(env));
}

function defaultState(env: NodeJS.ProcessEnv): string {
  if (env.PERFTRAWL_STATE !== undefined && env.PERFTRAWL_STATE !== '') return env.PERFTRAWL_STATE;
  if (process.getuid?.() === 0) return '/var/lib/perftrawl/agent';
  return join(env.XDG_STATE_HOME || join(homedir(), '.local/state'), 'perftrawl/agent');
}

function budgetOf(text: string | undefined): BudgetLimits | undefined {
  return text === undefined || text === '' ? undefined : { ...STANDARD, ...parseBudget(text) };
}

function admissionOf(text: string | undefined): Admission | undefined {
  if (text === undefined || text === '') return undefined;
  if (text === 'on') return DEFAULT_ADMISSION;
  if (text === 'off') return NO_ADMISSION;
  throw wrong(`--admission takes on or off, not ${JSON.stringify(text)}`);
}

function positive(option: string, text: string | undefined, absent: number): number {
  if (text === undefined) return absent;
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw wrong(`${option} takes a whole number from 1 on, not ${JSON.stringify(text)}`);
}

function wrong(message: string) {
  return fail('bad-request', `perftrawl agent: ${message}`, 'see perftrawl agent --help');
}
