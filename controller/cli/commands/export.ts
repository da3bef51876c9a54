// `perftrawl export`: a job as folded stacks, SVG flame graph, pprof, perf script text, JSON or CSV.
import { Command } from '@commander-js/extra-typings';
import type { Profile } from '../../../profile/profile.js';
import { fail } from '../../../proto/failure.js';
import type { App, HostRun, Job } from '../../api.js';
import type { Exporter, ExportOptions, ExportParts } from '../../export/exporter.js';
import { findExporter } from '../../export/formats.js';
import type { MinWidth, PaletteName } from '../../export/svg/flame-graph-options.js';
import { type CliSession, examples } from '../command.js';
import type { CommandContext } from '../context.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { writeFileOf } from '../export-profile.js';
import { write, writeJson, writeLines } from '../io.js';
import { parseChoice, parseWhole } from '../options/numbers.js';
import { UsageError } from '../usage-error.js';
import { profileOf } from './show.js';

/** As commander hands them over. */
interface ExportFlags {
  readonly format: string;
  readonly host?: string | undefined;
  readonly output?: string | undefined;
  readonly event?: string | undefined;
  readonly samples?: true | undefined;
  readonly title?: string | undefined;
  readonly subtitle?: string | undefined;
  readonly countname?: string | undefined;
  readonly color?: string | undefined;
  readonly width?: string | undefined;
  readonly minwidth?: string | undefined;
  readonly reversed?: true | undefined;
  readonly inverted?: true | undefined;
  readonly kernel?: true | undefined;
  readonly jit?: true | undefined;
  readonly all?: true | undefined;
  readonly pid?: true | undefined;
  readonly tid?: true | undefined;
  readonly addrs?: true | undefined;
}

export const FORMATS = ['folded', 'svg', 'pprof', 'perf-script', 'json', 'csv'] as const;
type Format = (typeof FORMATS)[number];

export const PALETTES: readonly PaletteName[] = [
  'hot',
  'mem',
  'io',
  'java',
  'js',
  'perl',
  'red',
  'green',
  'blue',
  'aqua',
  'yellow',
  'purple',
  'orange',
  'wakeup',
  'chain',
];

export interface ExportRequest {
  readonly job: string;
  readonly format: Format;
  readonly host: string | undefined;
  /** `undefined`: stdout. */
  readonly file: string | undefined;
  readonly options: ExportOptions;
}

/** @throws UsageError */
function parseExport(job: string, flags: ExportFlags): ExportRequest {
  const kernel = flags.kernel === true || flags.all === true;
  const jit = flags.jit === true || flags.all === true;
  const { event, title, subtitle, countname, color, width, minwidth } = flags;
  return {
    job,
    format: parseChoice('--format', flags.format, FORMATS),
    host: flags.host,
    file: flags.output === '-' ? undefined : flags.output,
    options: {
      ...(event === undefined ? {} : { event }),
      ...(flags.samples === true ? { countSamples: true } : {}),
      ...(title === undefined ? {} : { title }),
      ...(subtitle === undefined ? {} : { subtitle }),
      ...(countname === undefined ? {} : { countName: countname }),
      ...(color === undefined ? {} : { palette: parseChoice('--color', color, PALETTES) }),
      ...(width === undefined ? {} : { width: parseWhole('--width', width, 300, 100_000) }),
      ...(minwidth === undefined ? {} : { minWidth: parseMinWidth(minwidth) }),
      ...(flags.reversed === true ? { reversed: true } : {}),
      ...(flags.inverted === true ? { inverted: true } : {}),
      ...(kernel || jit ? { annotate: { kernel, jit } } : {}),
      ...(flags.tid === true
        ? { process: 'comm-pid-tid' as const }
        : flags.pid === true
          ? { process: 'comm-pid' as const }
          : {}),
      ...(flags.addrs === true ? { withAddresses: true } : {}),
    },
  };
}

/** `0.5` pixels or `0.1%`. */
function parseMinWidth(text: string): MinWidth {
  const match = /^(\d+(?:\.\d+)?)(%?)$/.exec(text);
  if (match === null)
    throw new UsageError(`--minwidth: '${text}' is neither pixels such as 0.5 nor a share such as 0.1%`);
  return match[2] === '%' ? { percent: Number(match[1]) } : { pixels: Number(match[1]) };
}

async function runExport(context: CommandContext, request: ExportRequest): Promise<ExitCode> {
  const { io } = context;
  if (request.file === undefined && context.isJson && request.format !== 'json') {
    throw new UsageError('--json tells about the file that is written: give -o FILE (or use --format json)');
  }
  return context.withApp(async (app) => {
    const job = await app.job(request.job);
    const exporter = exporterOf(job, request.format);
    if (request.file === undefined && io.isStdoutTty && isBinary(exporter)) {
      throw new UsageError(`${request.format} is binary and stdout is a terminal: give -o FILE${exporter.extension}`);
    }
    const parts = await partsOf(context, app, job, exporter, request);
    if (request.file === undefined) {
      for await (const part of parts) {
        if (io.stdout.destroyed) break;
        await write(io.stdout, part);
      }
      return EXIT.ok;
    }
    const size = await writeFileOf(parts, request.file);
    const { file, format } = request;
    if (context.isJson) await writeJson(io, { job: job.id, format, host: request.host ?? null, file, bytes: size });
    else await writeLines(io.stderr, [`wrote ${file}`]);
    return EXIT.ok;
  });
}

/** The counters of a stat job have formats of their own. */
function exporterOf(job: Job, format: string): Exporter {
  const isSeries = job.request.spec.kind === 'stat';
  const exporter = findExporter(format, isSeries ? 'series' : 'profile');
  if (exporter !== undefined) return exporter;
  const holds = isSeries ? 'counters' : 'a profile';
  const others = FORMATS.filter((name) => findExporter(name, isSeries ? 'series' : 'profile') !== undefined);
  throw new UsageError(`--format: job ${job.id} holds ${holds}, which ${format} cannot show; use ${others.join(', ')}`);
}

function isBinary({ mediaType }: Exporter): boolean {
  return !/^text\/|[/+](json|xml)\b/.test(mediaType);
}

async function partsOf(
  context: CommandContext,
  app: App,
  job: Job,
  exporter: Exporter,
  request: ExportRequest,
): Promise<Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>> {
  if (exporter.needs === 'series') {
    const series = await app.series(job.id, request.host);
    if (series === undefined)
      throw fail('not-found', `job ${job.id} has no counters`, `\`perftrawl jobs show ${job.id}\` says why`);
    return exporter.write(series, request.options);
  }
  if (exporter.needs === 'timed') return rawStacks(context, app, job, exporter.write, request);
  const profile = await profileOf(app, job, request.host);
  checkSplit(job, profile, request.options);
  return exporter.write(profile, request.options);
}

/** Without the labels every process would be called `-?`. @throws UsageError */
function checkSplit(job: Job, profile: Profile, { process }: ExportOptions): void {
  const split = process === 'comm-pid-tid' ? 'tid' : process === 'comm-pid' ? 'pid' : undefined;
  if (split === undefined || profile.samples.length === 0) return;
  if (profile.labelSets.some((labels) => labels.some(({ key }) => key === split))) return;
  throw new UsageError(
    `--${split}: the samples of job ${job.id} are not kept apart by ${split}; record with --split ${split}`,
  );
}

const RAW_STACKS = 'perf-script.txt';

type ProfileWriter = (profile: Profile, options?: ExportOptions) => ExportParts;

/** Every sample with its stack: of one host, because clocks differ; from its timed profile, else from the text the agent keeps. */
async function rawStacks(
  context: CommandContext,
  app: App,
  job: Job,
  writeProfile: ProfileWriter,
  request: ExportRequest,
): Promise<Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>> {
  const runs = await app.hostRuns(job.id);
  const run =
    request.host === undefined
      ? runs.length === 1
        ? runs[0]
        : undefined
      : runs.find(({ host }) => host === request.host);
  if (run === undefined) {
    const names = runs.map(({ host }) => host).join(', ');
    throw new UsageError(`--format perf-script: the samples of one host in order of time; say --host, one of ${names}`);
  }
  const profile = await profileOf(app, job, run.host);
  if (profile.timed !== undefined) return writeProfile(profile, request.options);
  const text = rawStackArtifact(run);
  if (text === undefined) {
    throw fail(
      'not-found',
      `job ${job.id} kept neither timestamps nor perf.data, so its single samples are gone`,
      'record with --timestamps or --keep-raw',
    );
  }
  return artifactBytes(app, job.id, run.host, text, context.io.interrupt.stop);
}

/** Agents make the text of `perf script` when it is asked for, from the perf.data that they keep. */
function rawStackArtifact(run: HostRun): string | undefined {
  const names = run.artifacts.map(({ name }) => name);
  return names.includes('perf.data') || names.includes(RAW_STACKS) ? RAW_STACKS : undefined;
}

async function* artifactBytes(
  app: App,
  jobId: string,
  host: string,
  name: string,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for await (const part of app.fetchArtifact(jobId, host, name, 0, signal)) yield part.data;
}

export function exportCommand(session: CliSession) {
  return new Command('export')
    .description('write a job as folded stacks, flame graph, pprof, perf script text, JSON or CSV')
    .argument('[job]', 'its id, the beginning of it, or `last`', 'last')
    .requiredOption('--format <format>', FORMATS.join(', '))
    .option('--host <host>', 'one host instead of all merged')
    .option('-o, --output <file>', 'where to (default: stdout)')
    .option('--event <event>', 'which one, where several were recorded')
    .option('--samples', 'count samples, not the events they stand for')
    .optionsGroup('Flame graph:')
    .option('--title <text>', 'title')
    .option('--subtitle <text>', 'a second line')
    .option('--countname <name>', 'what is counted, such as pages')
    .option('--color <palette>', PALETTES.join(', '))
    .option('--width <pixels>', 'fixed width (default: that of the window)')
    .option('--minwidth <width>', 'leave narrower frames out: pixels such as 0.5, or a share such as 0.1%')
    .option('--reversed', 'merge from the leaf')
    .option('--inverted', 'icicle: the root at the top')
    .optionsGroup('Folded stacks:')
    .option('--kernel', 'annotate kernel functions with _[k]')
    .option('--jit', 'annotate jitted functions with _[j]')
    .option('--all', 'both annotations')
    .option('--pid', 'processes apart: comm-pid (needs record --split pid)')
    .option('--tid', 'threads apart: comm-pid/tid (needs record --split tid)')
    .option('--addrs', 'addresses of frames without a name')
    .addHelpText(
      'after',
      examples([
        {
          does: 'a flame graph of the last job',
          line: 'perftrawl export last --format svg --color mem --countname pages -o faults.svg',
        },
        { does: 'for tools that read folded stacks', line: 'perftrawl export last --format folded > out.folded' },
        { does: 'for go tool pprof', line: 'perftrawl export last --format pprof -o profile.pb.gz' },
        {
          does: 'counters of `perftrawl stat` for a spreadsheet',
          line: 'perftrawl export last --format csv -o counters.csv',
        },
      ]),
    )
    .action(async (job, flags) => session.end(await runExport(session.context(), parseExport(job, flags))));
}
