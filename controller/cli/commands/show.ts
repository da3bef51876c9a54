// `perftrawl show`: the profile, the counters, or what a script printed, of a job, in the terminal.
import { Command } from '@commander-js/extra-typings';
import { histogramTotals } from '../../../profile/histogram-series.js';
import type { Profile } from '../../../profile/profile.js';
import { fail } from '../../../proto/failure.js';
import type { App, HostRun, Job } from '../../api.js';
import { histogramValue } from '../../export/histogram-json.js';
import { type CallTreeOptions, callTree } from '../../views/call-tree.js';
import { callTreeText } from '../../views/call-tree-text.js';
import { counterTable, counterTableText } from '../../views/counter-table.js';
import { eventColumns } from '../../views/event-columns.js';
import { printable } from '../../views/printable.js';
import { topFunctions } from '../../views/top-functions.js';
import { type CliSession, examples } from '../command.js';
import type { CommandContext } from '../context.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { write, writeJson, writeLines } from '../io.js';
import { parseChoice, parsePercent, parseWhole } from '../options/numbers.js';
import { checkPattern } from '../options/target.js';
import { callTreeJson } from '../render/call-tree-json.js';
import { costLines, costsOf } from '../render/cost-text.js';
import { eventLine, topTable } from '../render/top-table.js';
import { histogramLines, textLines } from '../script-report.js';

/** As commander hands them over. */
interface ShowFlags {
  readonly host?: string | undefined;
  readonly top: string;
  readonly sort: string;
  readonly tree?: true | undefined;
  readonly inverted?: true | undefined;
  readonly minPercent: string;
  readonly maxLines: string;
  readonly event?: string | undefined;
  readonly filter?: string | undefined;
  readonly comm?: string | undefined;
  readonly samples?: true | undefined;
  readonly counters?: true | undefined;
}

export interface ShowRequest {
  readonly job: string;
  readonly host: string | undefined;
  readonly top: number;
  readonly sortBy: 'self' | 'total';
  readonly isTree: boolean;
  readonly isCounters: boolean;
  readonly minPercent: number;
  readonly maxLines: number;
  readonly view: CallTreeOptions;
}

/** @throws UsageError */
function parseShow(job: string, flags: ShowFlags): ShowRequest {
  return {
    job,
    host: flags.host,
    top: parseWhole('--top', flags.top, 1, 100_000),
    sortBy: parseChoice('--sort', flags.sort, ['self', 'total'] as const),
    isTree: flags.tree === true || flags.inverted === true,
    isCounters: flags.counters === true,
    minPercent: parsePercent('--min-percent', flags.minPercent),
    maxLines: parseWhole('--max-lines', flags.maxLines, 1, 1_000_000),
    view: {
      ...(flags.event === undefined ? {} : { event: flags.event }),
      ...(flags.filter === undefined ? {} : { withFrame: new RegExp(checkPattern('--filter', flags.filter)) }),
      ...(flags.comm === undefined ? {} : { labels: { comm: flags.comm } }),
      ...(flags.samples === true ? { countSamples: true } : {}),
      ...(flags.inverted === true ? { inverted: true } : {}),
    },
  };
}

async function runShow(context: CommandContext, request: ShowRequest): Promise<ExitCode> {
  return context.withApp(async (app) => {
    const job = await app.job(request.job);
    if (job.request.spec.kind === 'stat' || request.isCounters) return showSeries(context, app, job, request);
    const isScript = await hasNoStacks(app, job, request.host);
    if (isScript) return showScript(context, app, job, request.host);
    const profile = await profileOf(app, job, request.host);
    const runs = (await app.hostRuns(job.id)).filter((run) => request.host === undefined || run.host === request.host);
    const { isTree } = request;
    return isTree ? showTree(context, job, profile, request, runs) : showTop(context, job, profile, request, runs);
  });
}

/** Most scripts bring histograms and text alone. */
async function hasNoStacks(app: App, job: Job, host: string | undefined): Promise<boolean> {
  const { kind } = job.request.spec;
  if (kind !== 'stap' && kind !== 'file') return false;
  if ((await app.profile(job.id, host)) !== undefined) return false;
  return (await app.histograms(job.id, host)) !== undefined;
}

async function showScript(context: CommandContext, app: App, job: Job, host: string | undefined): Promise<ExitCode> {
  const histograms = await app.histograms(job.id, host);
  if (histograms === undefined) {
    throw fail('not-found', `job ${job.id} has no result`, `\`perftrawl jobs show ${job.id}\` says why`);
  }
  const { losses, interval } = histograms;
  if (context.isJson) {
    const totals = histogramTotals(histograms).map(histogramValue);
    await writeJson(context.io, { job: job.id, host: host ?? null, interval, histograms: totals, losses });
    return EXIT.ok;
  }
  const runs = (await app.hostRuns(job.id)).filter((run) => host === undefined || run.host === host);
  const lines = [...histogramLines(context, histograms), ...(await textLines(context, app, runs))];
  const next = [`perftrawl hist ${job.id}`, `perftrawl text ${job.id}`].map((line) => `  ${line}`);
  await writeLines(context.io.stdout, lines.length === 0 ? ['it printed nothing'] : [...lines, 'next:', ...next]);
  return EXIT.ok;
}

/** @throws FailureError 'not-found' that says why there is none */
export async function profileOf(app: App, job: Job, host: string | undefined): Promise<Profile> {
  const profile = await app.profile(job.id, host);
  if (profile !== undefined) return profile;
  throw fail(
    'not-found',
    `job ${job.id} has no profile${host === undefined ? '' : ` of ${host}`}`,
    `\`perftrawl jobs show ${job.id}\` says why`,
  );
}

async function showSeries(context: CommandContext, app: App, job: Job, request: ShowRequest): Promise<ExitCode> {
  const series = await app.series(job.id, request.host);
  if (series === undefined) {
    throw fail('not-found', `job ${job.id} has no counters`, `\`perftrawl jobs show ${job.id}\` says why`);
  }
  if (context.isJson)
    await writeJson(context.io, {
      job: job.id,
      interval: series.interval,
      counters: counterTable(series),
      losses: series.losses,
    });
  else await write(context.io.stdout, counterTableText(series));
  return EXIT.ok;
}

async function showTop(
  context: CommandContext,
  job: Job,
  profile: Profile,
  request: ShowRequest,
  runs: readonly HostRun[],
): Promise<ExitCode> {
  const { io, colours } = context;
  const { inverted: _, ...view } = request.view;
  const top = topFunctions(profile, { ...view, limit: request.top, sortBy: request.sortBy });
  if (context.isJson) {
    await writeJson(io, {
      ...{ job: job.id, host: request.host ?? null, ...top, losses: profile.losses, cost: costsOf(runs) },
    });
    return EXIT.ok;
  }
  const rest = top.functionCount - top.functions.length;
  await writeLines(io.stdout, [
    colours.bold(printable(headline(profile, top.event, top.total, request.view.countSamples === true))),
    ...topTable(top, io.columns),
    ...(rest > 0 ? [colours.dim(`… and ${rest} more functions; --top ${top.functionCount} shows them all`)] : []),
    ...costLines(runs).map((line) => colours.dim(printable(line))),
  ]);
  return EXIT.ok;
}

async function showTree(
  context: CommandContext,
  job: Job,
  profile: Profile,
  request: ShowRequest,
  runs: readonly HostRun[],
): Promise<ExitCode> {
  const { io, colours } = context;
  const tree = callTree(profile, request.view);
  if (context.isJson) {
    const { event, type } = tree;
    await writeJson(io, {
      job: job.id,
      host: request.host ?? null,
      event,
      type,
      tree: callTreeJson(tree, request.minPercent),
      losses: profile.losses,
      cost: costsOf(runs),
    });
    return EXIT.ok;
  }
  const { minPercent, maxLines } = request;
  await writeLines(io.stdout, [
    colours.bold(printable(headline(profile, tree.event, tree.total[0], request.view.countSamples === true))),
  ]);
  await write(io.stdout, callTreeText(tree, { minPercent, maxLines, isColored: colours.isOn }));
  await writeLines(
    io.stdout,
    costLines(runs).map((line) => colours.dim(printable(line))),
  );
  return EXIT.ok;
}

function headline(profile: Profile, event: string, shown: number, countsSamples: boolean): string {
  const { samples, type, weight } = eventColumns(profile, event === '' ? undefined : event);
  const total = weight.reduce((sum, value) => sum + value, 0);
  const count = samples.reduce((sum, value) => sum + value, 0);
  const line = eventLine(type.type, total, type.unit, count);
  const all = countsSamples ? count : total;
  return shown === all || all === 0 ? line : `${line}; shown below: ${((100 * shown) / all).toFixed(1)}%`;
}

export function showCommand(session: CliSession) {
  return new Command('show')
    .description('top functions, call tree, counters or histograms of a job')
    .argument('[job]', 'its id, the beginning of it, or `last`', 'last')
    .option('--host <host>', 'one host instead of all merged')
    .option('--top <functions>', 'how many functions', '25')
    .option('--sort <by>', 'functions by self or total', 'self')
    .option('--tree', 'the call tree instead')
    .option('--inverted', 'the tree from the functions that samples fell in up to their callers')
    .option('--min-percent <percent>', 'leave less than this out of the tree', '1')
    .option('--max-lines <lines>', 'longest tree', '200')
    .option('--event <event>', 'which one, where several were recorded')
    .option('--filter <regexp>', 'only samples with a matching function on their stack')
    .option('--comm <name>', 'only samples of processes of this name')
    .option('--samples', 'count samples, not the events they stand for')
    .option('--counters', 'the counters of a kit instead of its stacks')
    .addHelpText(
      'after',
      examples([
        { does: 'the last job', line: 'perftrawl show' },
        { does: 'who calls malloc on web1?', line: "perftrawl show last --host web1 --inverted --filter '^malloc$'" },
      ]),
    )
    .action(async (job, flags) => session.end(await runShow(session.context(), parseShow(job, flags))));
}
