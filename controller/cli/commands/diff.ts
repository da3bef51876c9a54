// `perftrawl diff`: what changed from one profile to another: of two jobs, of two hosts, or of one host against the rest of its job.
import { Command } from '@commander-js/extra-typings';
import { fail } from '../../../proto/failure.js';
import { differenceFolded } from '../../export/difference-folded.js';
import { differenceHtml } from '../../export/difference-html.js';
import type { ExportParts } from '../../export/exporter.js';
import { differenceSvg } from '../../export/svg/difference-svg.js';
import { printable } from '../../views/printable.js';
import {
  type DifferenceOptions,
  NORMALISATIONS,
  type ProfileDifference,
  profileDifference,
} from '../../views/profile-difference.js';
import type { SampleFilter } from '../../views/sample-filter.js';
import { type CliSession, examples } from '../command.js';
import type { CommandContext } from '../context.js';
import {
  type DifferenceSource,
  type DifferenceSources,
  differenceSources,
  parseSide,
  type SideChoice,
} from '../difference-source.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { writeFileOf } from '../export-profile.js';
import { write, writeJson, writeLines } from '../io.js';
import { parseChoice, parseWhole } from '../options/numbers.js';
import { checkPattern } from '../options/target.js';
import { differenceTable, meaningLines, shownFunctions, sideLines, sideText } from '../render/difference-table.js';
import { UsageError } from '../usage-error.js';

export const DIFFERENCE_FORMATS = ['table', 'folded', 'svg', 'html'] as const;
export const SIDES = ['a', 'b'] as const;

/** As commander hands them over. */
interface DiffFlags {
  readonly host?: string | undefined;
  readonly againstRest?: true | undefined;
  readonly normalise: string;
  readonly event?: string | undefined;
  readonly samples?: true | undefined;
  readonly comm?: string | undefined;
  readonly filter?: string | undefined;
  readonly sort: string;
  readonly top: string;
  readonly format: string;
  readonly output?: string | undefined;
  readonly widths: string;
  readonly negate?: true | undefined;
  readonly title?: string | undefined;
  readonly force?: true | undefined;
}

interface DiffRequest {
  readonly a: SideChoice;
  readonly b: SideChoice;
  readonly event: string | undefined;
  readonly filter: SampleFilter;
  readonly options: DifferenceOptions;
  readonly top: number;
  readonly format: (typeof DIFFERENCE_FORMATS)[number];
  /** `undefined`: stdout. */
  readonly file: string | undefined;
  readonly widthsOf: (typeof SIDES)[number];
  readonly isNegated: boolean;
  readonly title: string | undefined;
  readonly isForced: boolean;
}

/** @throws UsageError */
function parseDiff(jobs: readonly string[], flags: DiffFlags): DiffRequest {
  return {
    ...sidesOf(jobs, flags),
    event: flags.event,
    filter: {
      ...(flags.filter === undefined ? {} : { withFrame: new RegExp(checkPattern('--filter', flags.filter)) }),
      ...(flags.comm === undefined ? {} : { labels: { comm: flags.comm } }),
    },
    options: {
      normalisation: parseChoice('--normalise', flags.normalise, NORMALISATIONS),
      sortBy: parseChoice('--sort', flags.sort, ['self', 'total'] as const),
      ...(flags.samples === true ? { countSamples: true } : {}),
    },
    top: parseWhole('--top', flags.top, 1, 100_000),
    format: parseChoice('--format', flags.format, DIFFERENCE_FORMATS),
    file: flags.output,
    widthsOf: parseChoice('--widths', flags.widths, SIDES),
    isNegated: flags.negate === true,
    title: flags.title,
    isForced: flags.force === true,
  };
}

/** A is what was, B what is: the rest of the fleet is what is usual. */
function sidesOf(jobs: readonly string[], { host, againstRest }: DiffFlags): Pick<DiffRequest, 'a' | 'b'> {
  const [first, second] = jobs;
  if (againstRest === true) {
    const side = parseSide(first, host);
    if (second !== undefined) throw new UsageError('--against-rest: the rest is of the same job; give one job');
    if (side.host === undefined) throw new UsageError('--against-rest: say which host: --host HOST');
    return { a: { ...side, isRest: true }, b: side };
  }
  if (second === undefined) {
    throw new UsageError('diff: give two jobs (JOB or JOB:HOST), or one job with --host HOST --against-rest');
  }
  return { a: parseSide(first, host), b: parseSide(second, host) };
}

async function runDiff(context: CommandContext, request: DiffRequest): Promise<ExitCode> {
  const { io, isJson } = context;
  const { format, file, options, event, filter } = request;
  if (isJson && format !== 'table' && file === undefined) {
    throw new UsageError('--json tells about the file that is written: give -o FILE, or leave --format out');
  }
  if (format === 'table' && file !== undefined)
    throw new UsageError('-o: give --format folded, svg or html for a file');
  return context.withApp(async (app) => {
    const { normalisation, countSamples = false } = options;
    const sources = await differenceSources(app, request, {
      ...{ filter, countSamples },
      ...(event === undefined ? {} : { event }),
    });
    const { a, b } = sources;
    const unlike = refuse(sources, request);
    const difference = profileDifference(a, b, options);
    const warnings = [...unlike, ...sources.warnings, ...orderNotes(sources)];
    if (format === 'table') {
      if (isJson) await writeJson(io, differenceJson(sources, difference, warnings, request.top));
      else await writeLines(io.stdout, tableLines(context, sources, difference, warnings, request));
      return EXIT.ok;
    }
    const { dim, yellow } = context.colours;
    if (!isJson)
      await writeLines(
        io.stderr,
        warnings.map((warning) => yellow(printable(`note: ${warning}`))),
      );
    const parts = partsOf(format, sources, difference, request, {
      warnings,
      generator: `perftrawl ${context.version}`,
    });
    if (file === undefined) {
      for (const part of parts) {
        if (io.stdout.destroyed) break;
        await write(io.stdout, part);
      }
      return EXIT.ok;
    }
    const bytes = await writeFileOf(parts, file);
    if (isJson) await writeJson(io, { a: a.name, b: b.name, normalisation, format, file, bytes, warnings });
    else await writeLines(io.stderr, [dim(`wrote ${file}`)]);
    return EXIT.ok;
  });
}

/** @returns what is unlike and compared all the same @throws FailureError 'bad-request' that says why the two do not compare */
function refuse({ a, b, refusals }: DifferenceSources, { isForced, options }: DiffRequest): readonly string[] {
  const what = `cannot compare ${a.name} with ${b.name}`;
  if (options.normalisation === 'time') {
    const unknown = [a, b].find(({ recorded }) => recorded <= 0);
    if (unknown !== undefined) {
      throw fail(
        'bad-request',
        `${what} by time: how long ${unknown.name} recorded is not known`,
        'use --normalise shares',
      );
    }
    if (refusals.some((reason) => reason.startsWith('units differ'))) {
      throw fail('bad-request', `${what} by time: ${refusals.join('; ')}`, 'choose the same --event');
    }
  }
  if (refusals.length === 0 || isForced) return refusals;
  const remedy = 'choose others, or the same --event; --force compares them all the same, for what it is worth';
  throw fail('bad-request', `${what}: ${refusals.join('; ')}`, remedy);
}

/** Swapped sides are the commonest mistake. */
function orderNotes({ a, b }: DifferenceSources): readonly string[] {
  return a.job.created > b.job.created
    ? [`A (${a.name}) was recorded after B (${b.name}); + is more in B, the older one`]
    : [];
}

function partsOf(
  format: 'folded' | 'svg' | 'html',
  sources: DifferenceSources,
  difference: ProfileDifference,
  request: DiffRequest,
  { warnings, generator }: { readonly warnings: readonly string[]; readonly generator: string },
): ExportParts {
  const { a, b } = sources;
  const { options, top, isNegated, title } = request;
  switch (format) {
    case 'folded':
      return foldedParts(sources, difference, options);
    case 'svg':
      return svgParts(sources, difference, request);
    case 'html':
      return differenceHtml(a, b, difference, {
        ...{ difference: options, notes: warnings, top, isNegated, generator },
        ...(title === undefined ? {} : { title }),
        names: { a: sideText(a, difference.a), b: sideText(b, difference.b) },
      });
  }
}

function* foldedParts({ a, b }: DifferenceSources, difference: ProfileDifference, options: DifferenceOptions) {
  const scaleA =
    options.normalisation === 'shares' ? difference.b.weight / difference.a.weight : b.recorded / a.recorded;
  yield* differenceFolded(a, b, { scaleA, countSamples: options.countSamples === true });
}

function svgParts(sources: DifferenceSources, difference: ProfileDifference, request: DiffRequest) {
  const { a, b, warnings } = sources;
  return differenceSvg(a, b, difference, {
    ...{ difference: request.options, widthsOf: request.widthsOf, isNegated: request.isNegated },
    ...(request.title === undefined ? {} : { title: request.title }),
    subtitle: warnings.join('; '),
    names: { a: sideText(a, difference.a), b: sideText(b, difference.b) },
  });
}

function tableLines(
  context: CommandContext,
  { a, b }: DifferenceSources,
  difference: ProfileDifference,
  warnings: readonly string[],
  { options, top }: DiffRequest,
): string[] {
  const { bold, dim, yellow } = context.colours;
  const [heading, ...sides] = sideLines(a, b, difference);
  const shown = shownFunctions(difference, options).length;
  const rest = shown - top;
  return [
    dim(heading),
    ...sides.map(bold),
    ...warnings.map((warning) => yellow(printable(`note: ${warning}`))),
    '',
    ...differenceTable(difference, options, top, context.io.columns),
    ...(rest > 0 ? [dim(`… and ${rest} more functions; --top ${shown} shows them all`)] : []),
    '',
    ...meaningLines(difference, options, difference.b.type.unit).map(dim),
  ];
}

function differenceJson(
  { a, b }: DifferenceSources,
  difference: ProfileDifference,
  warnings: readonly string[],
  top: number,
) {
  const sideJson = ({ name, job, host, hosts, losses }: DifferenceSource) => ({
    ...{ name, job: job.id, host, created: job.created, hosts, losses },
  });
  const { functions, ...facts } = difference;
  return {
    ...facts,
    a: { ...sideJson(a), ...difference.a },
    b: { ...sideJson(b), ...difference.b },
    warnings,
    functionCount: functions.length,
    functions: functions.slice(0, top).map((row) => ({ ...row, self: orNull(row.self), total: orNull(row.total) })),
    all: orNull(difference.all),
  };
}

/** `ratio` is null where A has none. */
function orNull<T extends { readonly ratio: number | undefined }>(compared: T) {
  return { ...compared, ratio: compared.ratio ?? null };
}

export function diffCommand(session: CliSession) {
  return new Command('diff')
    .description('what changed from profile A to profile B: of two jobs, two hosts, or a host against the rest')
    .argument('<jobs...>', 'A and B, each JOB or JOB:HOST; a job is its id, the beginning of it, or `last`')
    .option('--host <host>', 'this host of both jobs instead of all merged')
    .option('--against-rest', 'the host against all others of its job')
    .option(
      '--normalise <by>',
      `${NORMALISATIONS.join(', ')}: share of each side, or weight per second and host`,
      'shares',
    )
    .option('--event <event>', 'which one, where several were recorded')
    .option('--samples', 'count samples, not the events they stand for')
    .option('--comm <name>', 'only samples of processes of this name')
    .option('--filter <regexp>', 'only samples with a matching function on their stack')
    .option('--sort <by>', 'functions by self or total', 'self')
    .option('--top <functions>', 'how many functions', '25')
    .option(
      '--format <format>',
      `${DIFFERENCE_FORMATS.join(', ')}: folded has a line "stack A B", A scaled to B`,
      'table',
    )
    .option('-o, --output <file>', 'where to (default: stdout)')
    .option('--widths <side>', 'svg: frames as wide as in a or b; what only the other has does not show', 'b')
    .option('--negate', 'svg, html: blue for more and red for less')
    .option('--title <text>', 'svg, html: title')
    .option('--force', 'compare also what was counted or sampled in unlike ways')
    .addHelpText(
      'after',
      examples([
        { does: 'did the new release change anything?', line: 'perftrawl diff 1nf0c2 last' },
        { does: 'in work per second, not in shares', line: 'perftrawl diff 1nf0c2 last --normalise time' },
        { does: 'what does web3 do that the others do not?', line: 'perftrawl diff last --host web3 --against-rest' },
        { does: 'two hosts of one job', line: 'perftrawl diff last:web1 last:web3 --sort total' },
        {
          does: 'as a picture: red is more, blue is less',
          line: 'perftrawl diff 1nf0c2 last --format svg -o diff.svg',
        },
        {
          does: 'the table and both pictures for a ticket',
          line: 'perftrawl diff 1nf0c2 last --format html -o diff.html',
        },
        {
          does: 'what is gone shows where A gives the widths',
          line: 'perftrawl diff 1nf0c2 last --format svg --widths a -o gone.svg',
        },
      ]),
    )
    .action(async (jobs, flags) => {
      if (jobs.length > 2) throw new UsageError('diff: two jobs are compared, not more');
      session.end(await runDiff(session.context(), parseDiff(jobs, flags)));
    });
}
