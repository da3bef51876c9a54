// `perftrawl pull`: everything that jobs have brought as files of a directory, with a manifest; what is there already stays.
import { hostname } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from '@commander-js/extra-typings';
import type { App, Job } from '../../api.js';
import { configDirectory } from '../../directories.js';
import { processOwners } from '../../jobs/owner.js';
import type { JobChoice } from '../../pull/choose-jobs.js';
import { isPullFormat, type Missing, PULL_FORMATS, type PullFormat } from '../../pull/manifest.js';
import { type PreviewPart, type PullOptions, type PullPreview, previewPull, pull } from '../../pull/pull.js';
import type { PullResult, Signing } from '../../pull/pull-result.js';
import { openSigning, type SigningFiles } from '../../pull/signing.js';
import { weightText, withCommas } from '../../views/number-text.js';
import { printable } from '../../views/printable.js';
import { type CliSession, examples } from '../command.js';
import type { CommandContext } from '../context.js';
import { EXIT, type ExitCode, exitCodeOf } from '../exit-codes.js';
import { jobHtmlReport } from '../html-report.js';
import { writeJson, writeLines } from '../io.js';
import { parseMoment } from '../options/moment.js';
import { parseWhole } from '../options/numbers.js';
import { pullView } from '../pull-view.js';
import { failureText } from '../render/failure-text.js';
import { fitTable } from '../render/fit-table.js';
import { UsageError } from '../usage-error.js';

/** As commander hands them over. */
interface PullFlags {
  readonly output: string;
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  readonly on: string;
  readonly formats?: string | undefined;
  readonly hostsOnly?: true | undefined;
  readonly mergedOnly?: true | undefined;
  readonly jobs: string;
  readonly dryRun?: true | undefined;
  readonly force?: true | undefined;
  readonly sign?: true | undefined;
  readonly key?: string | undefined;
  readonly cert?: string | undefined;
}

interface PullRequest extends Pick<PullOptions, 'formats' | 'scope' | 'isForced' | 'maxParallel' | 'directory'> {
  readonly choice: JobChoice;
  readonly isDry: boolean;
  readonly signing: { readonly files: SigningFiles | undefined } | undefined;
}

/** Shown; `--json` and the manifest have all. */
const MOST_MISSING = 20;

/** @param now milliseconds since 1970 UTC @throws UsageError */
function parsePull(names: readonly string[], flags: PullFlags, now: number): PullRequest {
  const { since, until, hostsOnly, mergedOnly, key, cert } = flags;
  const isByTime = since !== undefined || until !== undefined;
  if (names.length === 0 && !isByTime) {
    throw new UsageError('pull: say which jobs: their ids, `last`, a schedule, or --since 2h');
  }
  if (hostsOnly === true && mergedOnly === true)
    throw new UsageError('--hosts-only and --merged-only exclude each other');
  if ((key === undefined) !== (cert === undefined)) throw new UsageError('--key and --cert belong together; give both');
  const files = key === undefined || cert === undefined ? undefined : { key, certificate: cert };
  return {
    directory: flags.output,
    choice: {
      names,
      since: since === undefined ? undefined : parseMoment('--since', since, now),
      until: until === undefined ? undefined : parseMoment('--until', until, now),
      on: flags.on,
    },
    formats: flags.formats === undefined ? [] : parseFormats(flags.formats),
    scope: hostsOnly === true ? 'hosts' : mergedOnly === true ? 'merged' : 'all',
    isForced: flags.force === true,
    maxParallel: parseWhole('--jobs', flags.jobs, 1, 64),
    isDry: flags.dryRun === true,
    signing: flags.sign === true || files !== undefined ? { files } : undefined,
  };
}

function parseFormats(text: string): PullFormat[] {
  return text.split(',').map((name) => {
    if (isPullFormat(name)) return name;
    throw new UsageError(`--formats: '${name}' is not one of ${PULL_FORMATS.join(', ')}`);
  });
}

async function runPull(context: CommandContext, request: PullRequest): Promise<ExitCode> {
  const { io, version } = context;
  const signing = request.signing === undefined ? undefined : await signingOf(context, request.signing.files);
  return context.withApp(async (app) => {
    const view = pullView(io);
    const options: PullOptions = {
      ...request,
      ...{ signing, version, from: await sourceOf(context, app), puller: `${io.userName}@${hostname()}` },
      ...{ makeReport: (of: App, job: Job) => jobHtmlReport(of, job, { title: `Job ${job.id}`, version, notes: [] }) },
      ...{ now: io.now, signal: io.interrupt.stop, onEvent: (event) => view.event(event) },
      owners: processOwners({ random: Math.random, pid: process.pid, procRoot: '/proc' }),
    };
    if (request.isDry) {
      await showPreview(context, await previewPull(app, options));
      return EXIT.ok;
    }
    let result: PullResult;
    try {
      result = await pull(app, options);
    } finally {
      view.end();
    }
    await showResult(context, request.directory, result, signing);
    return exitCodeOfPull(result);
  });
}

async function signingOf({ io }: CommandContext, files: SigningFiles | undefined): Promise<Signing> {
  const own = join(configDirectory(io.env, io.homeDirectory), 'ca');
  return openSigning(files ?? { key: join(own, 'controller.key'), certificate: join(own, 'controller.crt') }, io.now());
}

async function sourceOf({ server }: CommandContext, app: App): Promise<string> {
  if (server === undefined) return 'this machine';
  const { name, role } = await app.users.whoami();
  return `${server} as ${name} (${role})`;
}

/** What a job never had is no failure of the pull; the manifest tells it. */
function exitCodeOfPull({ outcomes }: PullResult): ExitCode {
  const failures = outcomes.flatMap((outcome) => (outcome.kind === 'failed' ? [outcome.failure] : []));
  if (failures.length === 0) return EXIT.ok;
  return failures.length < outcomes.length ? EXIT.partial : exitCodeOf(failures[0]);
}

async function showResult(
  context: CommandContext,
  directory: string,
  { manifest, jobs, outcomes }: PullResult,
  signing: Signing | undefined,
): Promise<void> {
  const { io, colours } = context;
  const made = outcomes.flatMap((outcome) => (outcome.kind === 'made' ? [outcome] : []));
  const written = made.reduce((sum, { changed }) => sum + changed, 0);
  const count = outcomes.reduce((sum, outcome) => sum + (outcome.kind === 'failed' ? 0 : outcome.files.length), 0);
  const isPulled = new Set(jobs.map(({ id }) => id));
  const bytes = manifest.files.reduce((sum, { job, size }) => sum + (isPulled.has(job) ? size : 0), 0);
  if (context.isJson) {
    await writeJson(io, {
      ...{ directory, files: count, bytes, written, kept: count - written },
      failed: outcomes.filter(({ kind }) => kind === 'failed').length,
      ...{ isComplete: jobs.every(({ isComplete }) => isComplete), signer: signing?.name ?? null },
      jobs: jobs.map(({ id, directory: place, state, isComplete, missing }) => ({
        ...{ id, directory: place, state, isComplete, missing },
      })),
    });
    return;
  }
  const what = `${withCommas(count)} files, ${weightText(bytes, 'bytes')}`;
  await writeLines(io.stdout, [
    `${printable(directory)}: ${what}; ${withCommas(written)} written, ${withCommas(count - written)} were there`,
    ...jobs.flatMap(({ id, isComplete, missing }) =>
      isComplete ? [`job ${id} is complete`] : [colours.yellow(`job ${id} is incomplete:`), ...missingLines(missing)],
    ),
    ...(signing === undefined ? [] : [`signed by ${printable(signing.name)}`]),
    colours.dim(`check it with: perftrawl verify ${printable(directory)}`),
  ]);
}

function missingLines(missing: readonly Missing[]): string[] {
  const shown = missing.slice(0, MOST_MISSING).map(({ host, what, message, remedy }) => {
    const where = host === null ? '' : `${host}: `;
    return `  ${printable(where)}no ${printable(what)}: ${failureText({ code: 'lost', message, remedy })}`;
  });
  return missing.length > shown.length ? [...shown, `  … and ${missing.length - shown.length} more`] : shown;
}

async function showPreview({ io, isJson }: CommandContext, preview: PullPreview): Promise<void> {
  if (isJson) {
    await writeJson(io, preview);
    return;
  }
  const columns = [
    ...[{ heading: 'JOB' }, { heading: 'HOST' }, { heading: 'WHAT', isFlexible: true as const }, { heading: 'DOES' }],
    { heading: 'SIZE', align: 'right' as const },
  ];
  const rows = preview.jobs.flatMap(({ id, parts }) =>
    parts.map((part) => [
      id,
      part.host ?? '(merged)',
      part.name === '' ? part.format : part.name,
      doesText(part),
      sizeText(part),
    ]),
  );
  await writeLines(io.stdout, fitTable(columns, rows, io.columns));
}

function doesText({ does, there }: PreviewPart): string {
  return does === 'resume' ? `go on at ${weightText(there, 'bytes')}` : does;
}

function sizeText({ size }: PreviewPart): string {
  return size === null ? '' : weightText(size, 'bytes');
}

export function pullCommand(session: CliSession) {
  return new Command('pull')
    .description(
      'everything that jobs have brought as files of a directory, with a manifest; goes on where it was cut off',
    )
    .argument('[jobs...]', 'their ids, beginnings of them, `last`, or the name of a schedule')
    .requiredOption('-o, --output <directory>', 'where to; made where it is missing')
    .option(
      '--since <when>',
      'the jobs of the last so much time, such as 2h, or from a moment on (UTC): 2026-03-01T12:30',
    )
    .option('--until <when>', 'only those from before then')
    .addOption(new Option('--on <selector>', 'hosts of those jobs, by their labels at that time').default('', 'all'))
    .option('--formats <list>', `some of ${PULL_FORMATS.join(', ')} (default: all)`)
    .option('--hosts-only', 'each host, and nothing merged')
    .option('--merged-only', 'what all hosts of a job gave together, and no hosts')
    .option('-j, --jobs <parts>', 'how many parts at a time', '4')
    .option('--dry-run', 'say what would be made and fetched')
    .option('--force', 'everything anew, also into a directory that holds something else')
    .optionsGroup('Signing:')
    .option('--sign', "sign the manifest, with the controller's certificate of your CA unless --key says otherwise")
    .option('--key <file>', 'sign with this key: PEM, Ed25519 or ECDSA')
    .option('--cert <file>', 'the certificate of that key')
    .addHelpText(
      'after',
      examples([
        { does: 'all of the last job', line: 'perftrawl pull last -o results' },
        {
          does: 'what the database hosts gave in the last two hours',
          line: 'perftrawl pull --since 2h --on role=db -o results',
        },
        { does: "a week of a schedule's jobs", line: 'perftrawl pull nightly --since 7d -o results' },
        { does: 'for go tool pprof, merged', line: 'perftrawl pull last --merged-only --formats pprof -o results' },
        {
          does: 'for somebody who has to trust it',
          line: 'perftrawl pull last -o evidence --sign && perftrawl verify evidence',
        },
      ]),
    )
    .action(async (names, flags) => {
      const context = session.context();
      session.end(await runPull(context, parsePull(names, flags, context.io.now())));
    });
}
