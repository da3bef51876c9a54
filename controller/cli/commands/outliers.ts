// `perftrawl outliers`: which host of a job differs from the others, and in what: by profile and by histograms, whichever it has.
import { Command } from '@commander-js/extra-typings';
import { histogramTotals } from '../../../profile/histogram-series.js';
import type { Profile } from '../../../profile/profile.js';
import { fail } from '../../../proto/failure.js';
import type { App, HostRun, Job } from '../../api.js';
import { histogramValue } from '../../export/histogram-json.js';
import { type OutlierReport, outliersByKey } from '../../views/outliers.js';
import { hostTableText, wrapped } from '../../views/outliers-text.js';
import { printable } from '../../views/printable.js';
import {
  functionMeasure,
  type ProfileOutlierOptions,
  type ProfileOutlierReport,
  profileOutliers,
} from '../../views/profile-outliers.js';
import { type CliSession, examples } from '../command.js';
import type { CommandContext } from '../context.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { writeJson, writeLines } from '../io.js';
import { parseChoice, parseWhole } from '../options/numbers.js';
import { functionLines, hostLines, shareMapLines } from '../render/outliers-table.js';
import { textOptions } from '../render/text-options.js';
import { eventLine } from '../render/top-table.js';

/** As commander hands them over. */
interface OutliersFlags {
  readonly host?: string | undefined;
  readonly event?: string | undefined;
  readonly samples?: true | undefined;
  readonly sort: string;
  readonly top: string;
  readonly heatMap?: true | undefined;
}

interface OutliersRequest {
  readonly job: string;
  /** `undefined`: all that differ. */
  readonly host: string | undefined;
  readonly options: ProfileOutlierOptions;
  readonly top: number;
  readonly isHeatMap: boolean;
}

/** What a job has to compare hosts by; either may be missing. */
interface Reports {
  readonly profile: ProfileOutlierReport | undefined;
  readonly histograms: readonly OutlierReport[];
}

/** @throws UsageError */
function parseOutliers(job: string, flags: OutliersFlags): OutliersRequest {
  return {
    ...{ job, host: flags.host, isHeatMap: flags.heatMap === true },
    top: parseWhole('--top', flags.top, 1, 100_000),
    options: {
      sortBy: parseChoice('--sort', flags.sort, ['self', 'total'] as const),
      ...(flags.event === undefined ? {} : { event: flags.event }),
      ...(flags.samples === true ? { countSamples: true } : {}),
    },
  };
}

async function runOutliers(context: CommandContext, request: OutliersRequest): Promise<ExitCode> {
  return context.withApp(async (app) => {
    const job = await app.job(request.job);
    const runs = await app.hostRuns(job.id);
    checkHost(job, runs, request.host);
    const reports = await reportsOf(app, job, runs, request);
    const failed = runs.filter((run) => run.failure !== undefined);
    if (context.isJson) await writeJson(context.io, reportsJson(job, reports, failed, request));
    else await writeLines(context.io.stdout, reportLines(context, job, reports, failed, request));
    return EXIT.ok;
  });
}

/** @throws FailureError 'not-found' */
function checkHost(job: Job, runs: readonly HostRun[], host: string | undefined): void {
  if (host === undefined || runs.some((run) => run.host === host)) return;
  const names = runs.slice(0, 10).map((run) => run.host);
  throw fail('not-found', `host ${host} is not in job ${job.id}`, `its hosts are ${names.join(', ')}`);
}

/** @throws FailureError 'not-found' where there is nothing to compare hosts by */
async function reportsOf(app: App, job: Job, runs: readonly HostRun[], request: OutliersRequest): Promise<Reports> {
  const { kind } = job.request.spec;
  if (kind === 'stat') {
    throw fail('bad-request', `job ${job.id} has counters alone`, `perftrawl show ${job.id} shows them`);
  }
  const merged = await app.profile(job.id);
  const profile = merged === undefined ? undefined : profileReport(merged, runs, request);
  const totals = [];
  for (const { host } of kind === 'record' ? [] : runs) {
    const series = await app.histograms(job.id, host);
    if (series !== undefined) totals.push({ host, histograms: histogramTotals(series) });
  }
  if (profile === undefined && totals.length === 0) {
    throw fail(
      'not-found',
      `job ${job.id} has neither a profile nor histograms`,
      `\`perftrawl jobs show ${job.id}\` says why`,
    );
  }
  return { profile, histograms: outliersByKey(totals) };
}

function profileReport(merged: Profile, runs: readonly HostRun[], request: OutliersRequest): ProfileOutlierReport {
  const hosts = runs.filter((run) => run.state === 'succeeded').map((run) => run.host);
  return profileOutliers(merged, { ...request.options, hosts });
}

function reportLines(
  context: CommandContext,
  job: Job,
  { profile, histograms }: Reports,
  failed: readonly HostRun[],
  request: OutliersRequest,
): string[] {
  const { dim, yellow } = context.colours;
  const options = textOptions(context);
  const missing =
    failed.length === 0
      ? []
      : [
          yellow(
            printable(
              `not in it: ${failed.map((run) => run.host).join(', ')} (perftrawl jobs show ${job.id} says why)`,
            ),
          ),
          '',
        ];
  const differing = histograms.filter((report) => report.rows.some((row) => row.isOutlier));
  const tables = histograms.flatMap((report) => [...hostTableText(report, options).trimEnd().split('\n'), '']);
  const next = [
    ...diffCommands(job, profile, request.host),
    ...(differing.length > 0 ? [`perftrawl hist ${job.id} --by-host`] : []),
  ];
  return [
    ...missing,
    ...(profile === undefined ? [] : [...profileLines(context, job, profile, request), '']),
    ...tables,
    ...(next.length === 0
      ? [dim('nothing differs by more than the hosts do among each other')]
      : ['next:', ...next.map((line) => `  ${line}`)]),
  ];
}

function profileLines(
  context: CommandContext,
  job: Job,
  report: ProfileOutlierReport,
  request: OutliersRequest,
): string[] {
  const { bold } = context.colours;
  const { host, top, isHeatMap, options } = request;
  const text = textOptions(context);
  const sum = (of: 'weight' | 'samples') => report.rows.reduce((total, row) => total + row[of], 0);
  const headline = eventLine(report.event, sum('weight'), report.type.unit, sum('samples'));
  const functions = report.functions.filter((row) => host === undefined || row.host === host);
  const rows = report.rows.filter((row) => host === undefined || row.host === host);
  return [
    bold(printable(`${job.id}  ${headline}`)),
    '',
    ...hostLines({ ...report, rows }, top, text),
    ...measureLines(context, report.measure),
    ...(functions.length === 0
      ? []
      : ['', ...functionLines(functions, top, context.io.columns), ...measureLines(context, functionMeasure(options))]),
    ...(isHeatMap && report.shares.length > 0 ? ['', ...shareMapLines(report, top, text)] : []),
  ];
}

function measureLines({ io, colours }: CommandContext, text: string): string[] {
  return wrapped(text, io.columns).trimEnd().split('\n').map(colours.dim);
}

/** Hosts for which the command that shows the difference is told. */
const MOST_COMMANDS = 3;

/** Outliers before hosts of which only single functions differ. */
function diffCommands(job: Job, report: ProfileOutlierReport | undefined, host: string | undefined): string[] {
  if (report === undefined) return [];
  const differing = report.rows.filter((row) => row.isOutlier || row.functions > 0);
  return differing
    .filter((row) => host === undefined || row.host === host)
    .slice(0, MOST_COMMANDS)
    .map((row) => `perftrawl diff ${job.id} --host ${row.host} --against-rest`);
}

function reportsJson(
  job: Job,
  { profile, histograms }: Reports,
  failed: readonly HostRun[],
  { host, top }: OutliersRequest,
) {
  const isWanted = (row: { readonly host: string }): boolean => host === undefined || row.host === host;
  return {
    ...{ job: job.id, host: host ?? null, missing: failed.map((run) => run.host) },
    profile:
      profile === undefined
        ? null
        : {
            ...profile,
            rows: profile.rows.filter(isWanted),
            functions: profile.functions.filter(isWanted),
            shares: profile.shares.slice(0, top),
          },
    histograms: histograms.map(({ merged, rows, ...facts }) => ({
      merged: histogramValue(merged),
      ...facts,
      rows: rows.filter(isWanted).map(({ histogram: _, ...row }) => row),
    })),
  };
}

export function outliersCommand(session: CliSession) {
  return new Command('outliers')
    .description('which host of a job differs from the others, and in what')
    .argument('[job]', 'its id, the beginning of it, or `last`', 'last')
    .option('--host <host>', 'this host alone, against the others')
    .option('--event <event>', 'which one, where several were recorded')
    .option('--samples', 'count samples, not the events they stand for')
    .option('--sort <by>', 'shares of functions by self or total', 'self')
    .option('--top <rows>', 'how many hosts and functions; all that differ are shown', '25')
    .option('--heat-map', 'also a picture: functions by hosts')
    .addHelpText(
      'after',
      examples([
        { does: 'is one of the databases unlike the others?', line: 'perftrawl outliers last' },
        { does: 'who has what, at a glance', line: 'perftrawl outliers last --heat-map --sort total' },
        { does: 'what makes web3 so', line: 'perftrawl outliers last --host web3' },
      ]),
    )
    .action(async (job, flags) => session.end(await runOutliers(session.context(), parseOutliers(job, flags))));
}
