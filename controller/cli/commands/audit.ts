// `perftrawl audit ls|hosts|verify`: who asked for what and what came of it, here and on the hosts; and whether anybody changed that.
import { Command } from '@commander-js/extra-typings';
import type { ChainedLine, ChainReport } from '../../../proto/audit-chain.js';
import { FailureError } from '../../../proto/failure.js';
import type { Answer, App, AuditQuery } from '../../api.js';
import { type CliSession, examples, HOST_OPTIONS } from '../command.js';
import type { CommandContext } from '../context.js';
import { EXIT, type ExitCode, exitCodeOfAnswers } from '../exit-codes.js';
import { writeJson, writeLines } from '../io.js';
import { parseDuration } from '../options/duration.js';
import { parseWhole } from '../options/numbers.js';
import { agentEntryRow, auditEntryRow, ENTRY_COLUMNS } from '../render/audit-text.js';
import { failureText } from '../render/failure-text.js';
import { fitTable } from '../render/fit-table.js';
import { type HostChoice, type HostFlags, parseHostChoice, selectHosts } from '../run-job.js';

/** As commander hands them over. */
interface WindowFlags {
  readonly since?: string | undefined;
  readonly job?: string | undefined;
  readonly limit: string;
}

/** Which entries. */
interface Window {
  /** Milliseconds before now; undefined: from the beginning. */
  readonly since: number | undefined;
  readonly job: string | undefined;
  readonly limit: number;
}

export type AuditRequest = Window & Pick<AuditQuery, 'who' | 'host'>;
export type HostAuditRequest = Window & HostChoice;

/** @throws UsageError */
function parseWindow({ since, job, limit }: WindowFlags): Window {
  return {
    since: since === undefined ? undefined : parseDuration('--since', since),
    ...{ job, limit: parseWhole('--limit', limit, 1, 100_000) },
  };
}

async function queryOf(context: CommandContext, app: App, { since, job, limit }: Window) {
  const jobId = job === undefined ? '' : await idOf(app, job);
  return { since: since === undefined ? 0 : context.io.now() - since, jobId, limit };
}

/** A job that was deleted is in the logs all the same, under its whole id. */
async function idOf(app: App, job: string): Promise<string> {
  try {
    return (await app.job(job)).id;
  } catch (error) {
    if (error instanceof FailureError && error.failure.code === 'not-found' && job !== 'last') return job;
    throw error;
  }
}

async function runList(context: CommandContext, request: AuditRequest): Promise<ExitCode> {
  const { io } = context;
  return context.withApp(async (app) => {
    const { who, host } = request;
    const entries = await app.auditLogs.entries({ ...(await queryOf(context, app, request)), who, host });
    if (context.isJson) await writeJson(io, { entries });
    else await writeLines(io.stdout, fitTable(ENTRY_COLUMNS, entries.map(auditEntryRow), io.columns));
    return EXIT.ok;
  });
}

async function runHosts(context: CommandContext, request: HostAuditRequest): Promise<ExitCode> {
  const { io } = context;
  return context.withApp(async (app) => {
    const query = await queryOf(context, app, request);
    const answers = await app.auditLogs.ofHosts(selectHosts(app, request), query, io.interrupt.stop);
    if (context.isJson) {
      const hosts = answers.map((answer) =>
        answer.ok
          ? { host: answer.host.name, entries: answer.value.map(({ fields }) => fields) }
          : { host: answer.host.name, failure: answer.failure },
      );
      await writeJson(io, { hosts });
      return exitCodeOfAnswers(answers);
    }
    const entries = answers
      .flatMap((answer) => (answer.ok ? answer.value.map((entry) => ({ host: answer.host.name, entry })) : []))
      .sort((a, b) => a.entry.time - b.entry.time)
      .slice(-request.limit);
    const rows = entries.map(({ host, entry }) => agentEntryRow(host, entry));
    await writeLines(io.stdout, fitTable(ENTRY_COLUMNS, rows, io.columns));
    await tellFailures(context, answers);
    return exitCodeOfAnswers(answers);
  });
}

async function runVerify(context: CommandContext, request: HostChoice): Promise<ExitCode> {
  const { io } = context;
  return context.withApp(async (app) => {
    // Without a word about hosts only this controller's own log.
    const isOnHosts = request.on !== '' || request.hosts !== undefined;
    const own = await app.auditLogs.verify();
    const answers = isOnHosts ? await app.auditLogs.verifyHosts(selectHosts(app, request), io.interrupt.stop) : [];
    const isWhole = [own, ...answers.flatMap((answer) => (answer.ok ? [answer.value] : []))].every(
      ({ problems }) => problems.length === 0,
    );
    const code = isWhole ? exitCodeOfAnswers(answers) : EXIT.badData;
    if (context.isJson) {
      const hosts = answers.map((answer) =>
        answer.ok ? { host: answer.host.name, ...answer.value } : { host: answer.host.name, failure: answer.failure },
      );
      await writeJson(io, { controller: own, ...(isOnHosts ? { hosts } : {}) });
      return code;
    }
    const said = answers.flatMap((answer) => (answer.ok ? reportLines(answer.host.name, answer.value) : []));
    await writeLines(io.stdout, [...reportLines('this controller', own), ...said]);
    await tellFailures(context, answers);
    return code;
  });
}

/** The first problem is where to look; what follows is often its consequence. */
function reportLines(where: string, { lines, end, problems }: ChainReport): string[] {
  const [first, ...others] = problems;
  if (first === undefined) {
    const last = end.sequence === 0 ? '' : `; the last is ${end.sequence}, SHA-256 ${end.hash}`;
    return [`${where}: ${lines} entries, none was changed${last}`];
  }
  return [`${where}: CHANGED: ${first}`, ...others.slice(0, 9).map((problem) => `  ${problem}`)];
}

async function tellFailures(
  { io }: CommandContext,
  answers: readonly Answer<readonly ChainedLine[] | ChainReport>[],
): Promise<void> {
  const failed = answers.flatMap((answer) =>
    answer.ok ? [] : [`${answer.host.name}: ${failureText(answer.failure)}`],
  );
  await writeLines(io.stderr, failed);
}

export function auditCommand(session: CliSession) {
  const list = new Command('ls')
    .description('who asked this controller for what, and what came of it')
    .option('--since <duration>', 'entries of the last so much time, such as 2h (default: all)')
    .option('--who <glob>', "of these people, such as 'alice@*'", '')
    .option('--job <job>', 'of this job: its id, the beginning of it, or `last`')
    .option('--host <name>', 'about this host', '')
    .option('--limit <number>', 'the newest so many', '200')
    .addHelpText('after', examples([{ does: 'what was done today?', line: 'perftrawl audit --since 24h' }]))
    .action(async ({ who, host, ...flags }) =>
      session.end(await runList(session.context(), { ...parseWindow(flags), who, host })),
    );
  const hosts = new Command('hosts')
    .description("what the hosts' own logs say: who asked, what was decided, what ran, what it cost")
    .addOption(HOST_OPTIONS.on)
    .addOption(HOST_OPTIONS.hosts)
    .option('--since <duration>', 'entries of the last so much time, by each clock (default: all)')
    .option('--job <job>', 'of this job: its id, the beginning of it, or `last`')
    .option('--limit <number>', 'the newest so many', '200')
    .addHelpText(
      'after',
      examples([
        { does: 'what did the hosts do for the last job?', line: 'perftrawl audit hosts --job last --on role=db' },
      ]),
    )
    .action(async (flags: WindowFlags & HostFlags) =>
      session.end(await runHosts(session.context(), { ...parseWindow(flags), ...parseHostChoice(flags) })),
    );
  const verify = new Command('verify')
    .description(
      "whether anybody changed the log here or, with --on or -H, the hosts' logs; exit code 6 when somebody did",
    )
    .addOption(HOST_OPTIONS.on)
    .addOption(HOST_OPTIONS.hosts)
    .addHelpText(
      'after',
      examples([{ does: 'all logs of the databases, and the one here', line: 'perftrawl audit verify --on role=db' }]),
    )
    .action(async (flags) => session.end(await runVerify(session.context(), parseHostChoice(flags))));
  return new Command('audit')
    .description('who asked for what, on which hosts, what ran and what it cost')
    .addCommand(list, { isDefault: true })
    .addCommand(hosts)
    .addCommand(verify)
    .addHelpText('after', examples([{ does: 'what did alice do?', line: "perftrawl audit --who 'alice@*'" }]));
}
