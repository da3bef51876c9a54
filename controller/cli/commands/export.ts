// `perftrawl export`: a job as folded stacks, SVG flame graph, pprof, perf script text, JSON, CSV, OpenMetrics or plain text.
import { Command } from '@commander-js/extra-typings';
import type { Profile } from '../../../profile/profile.js';
import { fail } from '../../../proto/failure.js';
import type { App, HostRun, Job } from '../../api.js';
import type { Exporter, ExportOptions, ExportParts } from '../../export/exporter.js';
import { findExporter } from '../../export/formats.js';
import { findHistogramExporter } from '../../export/histogram-formats.js';
import type { MinWidth, PaletteName } from '../../export/svg/flame-graph-options.js';
import { type CliSession, examples } from '../command.js';
import type { CommandContext } from '../context.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { EXPORT_KINDS, type ExportKind, exportKind, FORMATS, type Format } from '../export-kind.js';
import { writeFileOf } from '../export-profile.js';
import { histogramSource } from '../histogram-source.js';
import { write, writeJson, writeLines } from '../io.js';
import { parseChoice, parseWhole } from '../options/numbers.js';
import { UsageError } from '../usage-error.js';
import { profileOf } from './show.js';
import { textOf } from './text.js';

/** As commander hands them over. */
interface ExportFlags {
  readonly format: string;
  readonly of?: string | undefined;
  readonly heatMap?: true | undefined;
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
  /** `undefined`: what the job is about. */
  readonly of: ExportKind | undefined;
  readonly isHeatMap: boolean;
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
    of: flags.of === undefined ? undefined : parseChoice('--of', flags.of, EXPORT_KINDS),
    isHeatMap: flags.heatMap === true,
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
    const kind = await exportKind(app, job, request.format, request.host, request.of);
    const parts = await partsOf(context, app, job, kind, request);
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

type Parts = Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>;

async function partsOf(
  context: CommandContext,
  app: App,
  job: Job,
  kind: ExportKind,
  request: ExportRequest,
): Promise<Parts> {
  switch (kind) {
    case 'profile':
      return profileParts(context, app, job, exporterOf(request.format, 'profile'), request);
    case 'counters':
      return counterParts(app, job, exporterOf(request.format, 'series'), request);
    case 'histograms':
      return histogramParts(context, app, job, request);
    case 'text':
      return textParts(app, job, request.host);
  }
}

function exporterOf(format: Format, from: 'profile' | 'series'): Exporter {
  const exporter = findExporter(format, from);
  if (exporter === undefined) throw new UsageError(`--format: ${format} cannot show that`);
  return exporter;
}

function isBinary({ mediaType }: Exporter): boolean {
  return !/^text\/|[/+](json|xml)\b/.test(mediaType);
}

async function profileParts(
  context: CommandContext,
  app: App,
  job: Job,
  exporter: Exporter,
  request: ExportRequest,
): Promise<Parts> {
  if (request.file === undefined && context.io.isStdoutTty && isBinary(exporter)) {
    throw new UsageError(`${request.format} is binary and stdout is a terminal: give -o FILE${exporter.extension}`);
  }
  if (exporter.needs === 'series') throw new UsageError(`--format: ${request.format} is one of counters`);
  if (exporter.needs === 'timed') return rawStacks(context, app, job, exporter.write, request);
  const profile = await profileOf(app, job, request.host);
  checkSplit(job, profile, request.options);
  return exporter.write(profile, request.options);
}

async function counterParts(app: App, job: Job, exporter: Exporter, request: ExportRequest): Promise<Parts> {
  const series = await app.series(job.id, request.host);
  if (series === undefined || exporter.needs !== 'series') {
    throw fail('not-found', `job ${job.id} has no counters`, `\`perftrawl jobs show ${job.id}\` says why`);
  }
  return exporter.write(series, request.options);
}

async function histogramParts(context: CommandContext, app: App, job: Job, request: ExportRequest): Promise<Parts> {
  const exporter = findHistogramExporter(request.format);
  if (exporter === undefined) throw new UsageError(`--format: ${request.format} cannot show histograms`);
  const { jobId, series, hosts } = await histogramSource(context, app, job.id, request.host, true);
  const { title, subtitle, width } = request.options;
  return exporter.write(
    { jobId, merged: series, hosts },
    {
      ...(title === undefined ? {} : { title }),
      ...(subtitle === undefined ? {} : { subtitle }),
      ...(width === undefined ? {} : { width }),
      isHeatMap: request.isHeatMap,
    },
  );
}

/** Host by host; each line names its host where there are several. */
async function* textParts(app: App, job: Job, wanted: string | undefined): AsyncGenerator<string> {
  const hosts = wanted === undefined ? (await app.hostRuns(job.id)).map(({ host }) => host) : [wanted];
  for (const host of hosts) yield textOf(await app.text(job.id, host), hosts.length === 1 ? '' : `${host}: `);
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
    .description(
      'write a job as folded stacks, flame graph, histograms, pprof, perf script text, JSON, CSV or OpenMetrics',
    )
    .argument('[job]', 'its id, the beginning of it, or `last`', 'last')
    .requiredOption('--format <format>', FORMATS.join(', '))
    .option('--of <what>', `${EXPORT_KINDS.join(', ')}: where a job has several (default: what it is about)`)
    .option('--host <host>', 'one host instead of all merged')
    .option('-o, --output <file>', 'where to (default: stdout)')
    .option('--event <event>', 'which one, where several were recorded')
    .option('--samples', 'count samples, not the events they stand for')
    .optionsGroup('Histograms:')
    .option('--heat-map', 'svg: over time instead of all intervals added up')
    .optionsGroup('Flame graph and histograms:')
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
        { does: 'latency over time', line: 'perftrawl export last --format svg --heat-map -o latency.svg' },
        {
          does: 'histograms for Prometheus and its like',
          line: 'perftrawl export last --format openmetrics -o out.om',
        },
      ]),
    )
    .action(async (job, flags) => session.end(await runExport(session.context(), parseExport(job, flags))));
}
