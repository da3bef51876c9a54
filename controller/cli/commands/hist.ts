// `perftrawl hist`: histograms of a job, or of saved stap output: bars and percentiles by key, by host, over time, against another job.
import { Command, Option } from '@commander-js/extra-typings';
import { countOf, type Histogram } from '../../../profile/histogram.js';
import { compareHistogramSets } from '../../../profile/histogram-difference.js';
import { type HistogramSeries, histogramTotals } from '../../../profile/histogram-series.js';
import { fail } from '../../../proto/failure.js';
import { histogramValue } from '../../export/histogram-json.js';
import { heatMaps } from '../../views/heat-map.js';
import { heatMapText } from '../../views/heat-map-text.js';
import { differencesText } from '../../views/histogram-difference-text.js';
import { overTimeText } from '../../views/histogram-over-time-text.js';
import { histogramBarsText, histogramTableText } from '../../views/histogram-text.js';
import { lossText } from '../../views/loss-text.js';
import { type HostHistograms, outliersByKey } from '../../views/outliers.js';
import { hostTableText } from '../../views/outliers-text.js';
import { printable } from '../../views/printable.js';
import { type CliSession, examples } from '../command.js';
import type { CommandContext } from '../context.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { type HistogramSource, histogramSource } from '../histogram-source.js';
import { write, writeJson, writeLines } from '../io.js';
import { type HistogramFilter, parseHistogramFilter, selectHistograms } from '../options/histogram-filter.js';
import { parseWhole } from '../options/numbers.js';
import { textOptions } from '../render/text-options.js';
import { UsageError } from '../usage-error.js';

/** As commander hands them over. */
interface HistFlags {
  readonly host?: string | undefined;
  readonly byKey?: true | undefined;
  readonly byHost?: true | undefined;
  readonly overTime?: true | undefined;
  readonly diff?: string | undefined;
  readonly title?: string | undefined;
  readonly label?: readonly string[] | undefined;
  readonly top: string;
}

type View = { readonly by: 'key' | 'host' | 'time' } | { readonly by: 'difference'; readonly other: string };

interface HistRequest {
  readonly of: string;
  readonly host: string | undefined;
  readonly view: View;
  readonly filter: HistogramFilter;
  readonly top: number;
}

/** Cells of a line that a heat map takes besides its columns; and columns where stdout is no terminal. */
const HEAT_MAP_MARGIN = 16;
const HEAT_MAP_COLUMNS = 100;

/** @throws UsageError */
function parseHist(of: string, flags: HistFlags): HistRequest {
  const views: View[] = [
    ...(flags.byKey === true ? [{ by: 'key' } as const] : []),
    ...(flags.byHost === true ? [{ by: 'host' } as const] : []),
    ...(flags.overTime === true ? [{ by: 'time' } as const] : []),
    ...(flags.diff === undefined ? [] : [{ by: 'difference', other: flags.diff } as const]),
  ];
  if (views.length > 1) {
    throw new UsageError('--by-key, --by-host, --over-time and --diff exclude each other; give one of them');
  }
  return {
    of,
    host: flags.host,
    view: views[0] ?? { by: 'key' },
    filter: parseHistogramFilter(flags),
    top: parseWhole('--top', flags.top, 0, 10_000),
  };
}

async function runHist(context: CommandContext, request: HistRequest): Promise<ExitCode> {
  const { of, host, view, filter } = request;
  return context.withApp(async (app) => {
    const whole = await histogramSource(context, app, of, host, view.by === 'host');
    const source = filtered(whole, filter);
    const { io } = context;
    if (source.series.points.length === 0 && whole.series.points.length > 0) {
      const names = [...new Set(whole.series.points.map(({ histogram }) => histogram.title))].slice(0, 10);
      throw fail('not-found', 'no histogram matches --title and --label', `there are ${printable(names.join(', '))}`);
    }
    if (view.by === 'difference') {
      const other = filtered(await histogramSource(context, app, view.other, host, false), filter);
      const set = compareHistogramSets(histogramTotals(source.series), histogramTotals(other.series));
      if (context.isJson) await writeJson(io, { before: source.name, after: other.name, ...differenceJson(set) });
      else {
        await writeLines(io.stdout, [
          context.colours.bold(printable(`before: ${source.name}, after: ${other.name}`)),
          '',
        ]);
        await write(io.stdout, differencesText(set, textOptions(context)));
      }
      return EXIT.ok;
    }
    if (context.isJson) await writeJson(io, sourceJson(source, view.by));
    else await writeLines(io.stdout, sourceLines(context, source, view.by, request.top));
    return EXIT.ok;
  });
}

function filtered(source: HistogramSource, filter: HistogramFilter): HistogramSource {
  return {
    ...source,
    series: selectHistograms(source.series, filter),
    hosts: source.hosts.map(({ host, series }) => ({ host, series: selectHistograms(series, filter) })),
  };
}

function sourceLines(
  context: CommandContext,
  source: HistogramSource,
  by: 'key' | 'host' | 'time',
  top: number,
): string[] {
  const { series } = source;
  const { bold, yellow } = context.colours;
  const lines = [bold(printable(`${source.name}  ${factsText(source)}`)), ''];
  if (by === 'key') lines.push(...keyLines(context, histogramTotals(series), top));
  else if (by === 'host') lines.push(...hostLines(context, source, top));
  else lines.push(...timeLines(context, series, top));
  const losses = series.losses.filter((loss) => loss.count > 0);
  if (losses.length > 0) {
    lines.push(yellow('not in these figures:'), ...losses.map((loss) => `  ${printable(lossText(loss))}`));
  }
  return lines;
}

/** `3 histograms, 2 intervals of 10,000 ms`. */
function factsText({ series }: HistogramSource): string {
  const totals = histogramTotals(series).length;
  const times = new Set(series.points.map(({ time }) => time)).size;
  const every = series.interval === 0 ? '' : ` of ${series.interval} ms`;
  if (totals === 0) return 'nothing was counted';
  return `${totals} ${totals === 1 ? 'histogram' : 'histograms'}, ${times} ${times === 1 ? 'interval' : 'intervals'}${every}`;
}

function keyLines(context: CommandContext, totals: readonly Histogram[], top: number): string[] {
  const options = textOptions(context);
  const lines = totals.length > 1 ? [...cut(histogramTableText(totals, options)), ''] : [];
  const most = [...totals].sort((a, b) => countOf(b) - countOf(a)).slice(0, top);
  for (const histogram of most) lines.push(...cut(histogramBarsText(histogram, options)), '');
  return [...lines, ...moreLine(context, totals.length - most.length)];
}

function hostLines(context: CommandContext, source: HistogramSource, top: number): string[] {
  const reports = outliersByKey(totalsByHost(source)).sort((a, b) => countOf(b.merged) - countOf(a.merged));
  const lines = reports.slice(0, top).flatMap((report) => [...cut(hostTableText(report, textOptions(context))), '']);
  return [...lines, ...moreLine(context, reports.length - Math.min(reports.length, top))];
}

function timeLines(context: CommandContext, series: HistogramSeries, top: number): string[] {
  const options = textOptions(context);
  const width = Number.isFinite(options.width) ? options.width : HEAT_MAP_COLUMNS + HEAT_MAP_MARGIN;
  const maps = heatMaps(series, { maxColumns: Math.max(10, width - HEAT_MAP_MARGIN) }).sort(
    (a, b) => b.total - a.total,
  );
  const lines = series.points.length === 0 ? [] : [...cut(overTimeText(series, options)), ''];
  for (const map of maps.slice(0, top)) lines.push(...cut(heatMapText(map, options)), '');
  return [...lines, ...moreLine(context, maps.length - Math.min(maps.length, top))];
}

function moreLine({ colours }: CommandContext, more: number): string[] {
  return more <= 0 ? [] : [colours.dim(`… and ${more} more; --top, --title and --label choose`), ''];
}

function cut(text: string): string[] {
  return text.trimEnd().split('\n');
}

function totalsByHost({ hosts }: HistogramSource): HostHistograms[] {
  return hosts.map(({ host, series }) => ({ host, histograms: histogramTotals(series) }));
}

/** Each histogram of each interval with its exact buckets; by key also all intervals added up; by host also who differs. */
function sourceJson(source: HistogramSource, by: 'key' | 'host' | 'time') {
  const { name, jobId, series } = source;
  const base = { of: name, job: jobId === '' ? null : jobId, interval: series.interval, losses: series.losses };
  if (by === 'host') {
    const hosts = source.hosts.map(({ host, series: its }) => ({ host, histograms: pointsJson(its) }));
    const reports = outliersByKey(totalsByHost(source)).map(({ merged, rows, ...facts }) => ({
      merged: histogramValue(merged),
      ...facts,
      rows: rows.map(({ histogram: _, ...row }) => row),
    }));
    return { ...base, hosts, byKey: reports };
  }
  return { ...base, histograms: pointsJson(series), totals: histogramTotals(series).map(histogramValue) };
}

function pointsJson({ points, interval }: HistogramSeries) {
  return points.map(({ time, histogram }) => ({ time, interval, ...histogramValue(histogram) }));
}

function differenceJson({ pairs, refused, onlyBefore, onlyAfter }: ReturnType<typeof compareHistogramSets>) {
  return { pairs, refused, onlyBefore: onlyBefore.map(histogramValue), onlyAfter: onlyAfter.map(histogramValue) };
}

export function histCommand(session: CliSession) {
  return new Command('hist')
    .description(
      'histograms of a job or of saved stap output: bars, percentiles, by host, over time, against another job',
    )
    .argument('[job-or-file]', 'its id, the beginning of it, `last`, or a file of what stap printed', 'last')
    .option('--host <host>', 'one host instead of all merged')
    .option('--by-key', 'all intervals added up, one histogram per key (the default)')
    .option('--by-host', 'each host against the others, with a mark on those that differ')
    .option('--over-time', 'percentiles per interval, and a heat map')
    .option('--diff <job>', 'what changed from this job (before) to that one (after)')
    .option('--title <regexp>', 'only histograms with a matching title')
    .addOption(
      new Option('--label <key=value>', 'only histograms with this label; may be given several times').argParser(
        (value: string, previous: readonly string[] | undefined): readonly string[] => [...(previous ?? []), value],
      ),
    )
    .option('--top <histograms>', 'how many are drawn', '8')
    .addHelpText(
      'after',
      examples([
        { does: 'the last job', line: 'perftrawl hist' },
        { does: 'what a script of yours printed', line: 'perftrawl hist stap.out --json' },
        { does: 'which host has slow major faults?', line: 'perftrawl hist last --by-host --label fault_type=MAJOR' },
        { does: 'did the change help?', line: 'perftrawl hist 1nf0c2 --diff last' },
      ]),
    )
    .action(async (of, flags) => session.end(await runHist(session.context(), parseHist(of, flags))));
}
