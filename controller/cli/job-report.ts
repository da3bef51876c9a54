// What a person wants to know when a job has ended: hosts, samples, losses, cost, the top of the profile, what to do next.

import { eventsOf } from '../../profile/folded.js';
import { type HistogramSeries, histogramTotals } from '../../profile/histogram-series.js';
import { type Loss, mergeLosses } from '../../profile/loss.js';
import type { Profile } from '../../profile/profile.js';
import type { FailureCode } from '../../proto/failure.js';
import type { App, HostRun, Job } from '../api.js';
import { histogramValue } from '../export/histogram-json.js';
import { commonStarts } from '../jobs/agreed-start.js';
import { DEFAULT_TEAM } from '../users/team.js';
import { counterTable, counterTableText } from '../views/counter-table.js';
import { eventColumns } from '../views/event-columns.js';
import { lossText } from '../views/loss-text.js';
import { weightText, withCommas } from '../views/number-text.js';
import { printable } from '../views/printable.js';
import { type TopFunctions, topFunctions } from '../views/top-functions.js';
import type { CommandContext } from './context.js';
import { writeJson, writeLines } from './io.js';
import { purseText } from './render/cost-text.js';
import { failureText } from './render/failure-text.js';
import { firingLines, firingsOf, type ToldFiring } from './render/firing-lines.js';
import { fitTable } from './render/fit-table.js';
import { clockLines, rolloutLines } from './render/rollout-text.js';
import { describeSpec } from './render/spec-text.js';
import { startLines } from './render/start-text.js';
import { durationText, momentText } from './render/time-text.js';
import { eventLine, topTable } from './render/top-table.js';
import { histogramLines, missingPartLines, textLines } from './script-report.js';

const TOP = 10;

/** Failures whose cause may be the host, which `doctor` looks at; those of the request say themselves what to change. */
const CURABLE: ReadonlySet<FailureCode> = new Set([
  'unreachable',
  'untrusted',
  'tool-missing',
  'tool-failed',
  'permission',
  'refused',
  'deadline',
  'exhausted',
]);

const NOTHING_SAMPLED = 'no samples: the event did not happen in what was observed';

/** Of a job whose hosts begin together. */
function startsOf({ request }: Job, runs: readonly HostRun[]) {
  return request.sync === undefined ? {} : { starts: commonStarts(runs) };
}

interface ReportOptions {
  readonly isPerHost?: boolean;
  /** What the figures mean, in sentences. */
  readonly notes?: readonly string[];
}

/** On stdout. @param files written for the person already */
export async function reportJob(
  context: CommandContext,
  app: App,
  job: Job,
  files: readonly string[],
  { isPerHost = false, notes = [] }: ReportOptions = {},
): Promise<void> {
  const runs = await app.hostRuns(job.id);
  const profile = await app.profile(job.id);
  const tops = profile === undefined ? [] : topsOf(profile);
  const series = await app.series(job.id);
  const histograms = await app.histograms(job.id);
  const firings = await firingsOf(app, job, runs);
  const losses = lossesOf(runs, job.request.spec.kind === 'kit' ? undefined : (profile ?? series ?? histograms));
  if (context.isJson) {
    const counters = series === undefined ? [] : counterTable(series);
    const totals = histograms === undefined ? [] : histogramTotals(histograms).map(histogramValue);
    await writeJson(context.io, {
      job,
      hosts: runs,
      ...startsOf(job, runs),
      losses,
      top: tops,
      counters,
      histograms: totals,
      ...(job.request.spec.kind === 'watch' ? { firings } : {}),
      notes,
      files,
    });
    return;
  }
  const { io, colours } = context;
  const lines = [...headLines(context, job, runs), ''];
  for (const { event, type, samples, top } of tops) {
    lines.push(colours.bold(printable(eventLine(event, top.total, type.unit, samples))));
    lines.push(...(top.functions.length === 0 ? [NOTHING_SAMPLED] : topTable(top, io.columns)), '');
  }
  if (job.request.spec.kind === 'watch') lines.push(...watchLines(context, firings));
  if (series !== undefined && series.points.length > 0) lines.push(counterTableText(series));
  if (histograms !== undefined) {
    lines.push(...histogramLines(context, histograms), ...(await textLines(context, app, runs)));
  }
  if (isPerHost) lines.push(...(await perHostLines(context, app, runs)));
  // Notes say in sentences what the parts lack.
  const missing = notes.length > 0 ? notes.map(printable) : missingPartLines(context, runs);
  lines.push(...missing, ...(missing.length > 0 ? [''] : []), ...lossLines(context, losses));
  lines.push(...files.map((file) => `wrote ${printable(file)}`));
  lines.push(...nextLines(job, runs, profile, histograms));
  await writeLines(io.stdout, lines);
}

function watchLines({ colours }: CommandContext, firings: readonly ToldFiring[]): string[] {
  if (firings.length === 0) return ['it has not fired', ''];
  const [first] = firings.filter(({ jobState }) => jobState === 'succeeded');
  const next = first?.jobId === undefined ? [] : [`look at one: perftrawl show ${first.jobId}`, ''];
  return [colours.bold('firings'), ...firingLines(firings), '', ...next];
}

interface EventTop {
  readonly event: string;
  readonly type: TopFunctions['type'];
  readonly samples: number;
  readonly top: TopFunctions;
}

function topsOf(profile: Profile): EventTop[] {
  return eventsOf(profile).map((event) => {
    const { samples, type } = eventColumns(profile, event);
    const total = samples.reduce((sum, value) => sum + value, 0);
    return { event, type, samples: total, top: topFunctions(profile, { event, limit: TOP }) };
  });
}

/** In the queue of a server. */
function waitedText({ created, started }: Job): string {
  return started - created < 1000 ? '' : `, after ${durationText(started - created)} in the queue`;
}

function belongingLines({ request }: Job): string[] {
  const { team, priority, labels = {}, schedule } = request;
  const named = Object.entries(labels).map(([key, value]) => `${printable(key)}=${printable(value)}`);
  const cause = schedule?.cause === undefined ? '' : ` (${printable(schedule.cause)})`;
  const parts = [
    ...(schedule === undefined
      ? []
      : [`by schedule ${printable(schedule.name)}, due ${momentText(schedule.due)} UTC${cause}`]),
    ...(team === undefined || team === DEFAULT_TEAM ? [] : [`team ${printable(team)}`]),
    ...(priority === undefined || priority === 'normal' ? [] : [`${priority} priority`]),
    ...(named.length === 0 ? [] : [`labels ${named.join(' ')}`]),
  ];
  return parts.length === 0 ? [] : [parts.join(', ')];
}

function headLines(context: CommandContext, job: Job, runs: readonly HostRun[]): string[] {
  const { io, colours } = context;
  const { spec, note } = job.request;
  const paint = job.state === 'succeeded' ? colours.green : job.state === 'running' ? colours.bold : colours.red;
  const took = job.ended === 0 ? '' : `, took ${durationText(job.ended - (job.started || job.created))}`;
  const right = { align: 'right' as const };
  const rows = runs.map((run) => {
    const { progress, cost, failure } = run;
    const figures =
      cost === undefined
        ? ['', '', '', '']
        : [
            durationText(cost.toolCpu + cost.agentCpu),
            cost.budget === undefined ? '' : purseText(cost.budget),
            weightText(cost.peakMemoryBytes, 'bytes'),
            weightText(cost.spooledBytes, 'bytes'),
          ];
    const over = cost?.budget?.overBudget ?? '';
    const why = failure !== undefined ? failureText(failure) : over === '' ? '' : `over budget: ${over}`;
    // Counters have none, and a file is read without telling how far.
    const counted = spec.kind === 'record' || spec.kind === 'kit' ? withCommas(progress.samples) : '';
    return [run.host, run.state, counted, withCommas(progress.lost), ...figures, why];
  });
  const hasReasons = rows.some((row) => row[row.length - 1] !== '');
  const columns = [
    { heading: 'HOST' },
    { heading: 'STATE' },
    { heading: 'SAMPLES', ...right },
    { heading: 'LOST', ...right },
    { heading: 'CPU COST', ...right },
    { heading: 'BUDGET', ...right },
    { heading: 'PEAK MEMORY', ...right },
    { heading: 'RESULT', ...right },
    { heading: 'WHY' },
  ];
  const width = hasReasons ? columns.length : columns.length - 1;
  return [
    `job ${colours.bold(job.id)} ${paint(job.state)}  ${printable(describeSpec(spec))}${note === '' ? '' : `  (${printable(note)})`}`,
    `begun ${momentText(job.started || job.created)} UTC${took}${waitedText(job)}`,
    ...belongingLines(job),
    ...rolloutLines(job, runs),
    ...clockLines(runs),
    ...startLines(runs),
    '',
    ...fitTable(
      columns.slice(0, width),
      rows.map((row) => row.slice(0, width)),
      io.columns,
    ),
  ];
}

async function perHostLines(context: CommandContext, app: App, runs: readonly HostRun[]): Promise<string[]> {
  const lines: string[] = [];
  for (const run of runs) {
    const series = await app.series(run.jobId, run.host);
    if (series === undefined) continue;
    lines.push(context.colours.bold(printable(run.host)), counterTableText(series));
  }
  return lines;
}

/** What the results lack, and the hosts that gave none. */
function lossesOf(runs: readonly HostRun[], result: { readonly losses: readonly Loss[] } | undefined): readonly Loss[] {
  const known = result?.losses ?? mergeLosses(runs.map((run) => run.losses));
  const missing = runs.filter((run) => run.failure !== undefined).map((run) => run.host);
  if (missing.length === 0 || known.some((loss) => loss.kind === 'missing-hosts')) return known;
  return mergeLosses([known, [{ kind: 'missing-hosts', count: missing.length, detail: missing.join(', ') }]]);
}

function lossLines(context: CommandContext, all: readonly Loss[]): string[] {
  const losses = all.filter((loss) => loss.count > 0);
  if (losses.length === 0) return [];
  return [
    context.colours.yellow('not in these figures:'),
    ...losses.map((loss) => `  ${printable(lossText(loss))}`),
    '',
  ];
}

function nextLines(
  job: Job,
  runs: readonly HostRun[],
  profile: Profile | undefined,
  histograms: HistogramSeries | undefined,
): string[] {
  if (job.state === 'awaiting-approval')
    return [`somebody else has to read and approve it: perftrawl jobs approve ${job.id}`];
  if (job.state === 'queued') {
    const { position, of, waitsFor } = job.queue ?? { position: 1, of: 1, waitsFor: 'a server' };
    return [
      `it is number ${position} of ${of} in the queue and waits for ${printable(waitsFor)}`,
      `without a server, run it here: perftrawl jobs resume ${job.id}`,
    ];
  }
  if (job.state === 'interrupted') return [`take it up again: perftrawl jobs resume ${job.id}`];
  if (job.state === 'running') return [`it is still running; end it with: perftrawl jobs cancel ${job.id}`];
  const next: string[] = [];
  if (profile !== undefined && profile.samples.length > 0) {
    next.push(`perftrawl show ${job.id} --tree`, `perftrawl export ${job.id} --format svg -o ${job.id}.svg`);
  }
  if (histograms !== undefined && histograms.points.length > 0) {
    const of = profile === undefined ? '' : ' --of histograms';
    next.push(`perftrawl hist ${job.id}`, `perftrawl export ${job.id} --format json${of} -o ${job.id}.json`);
  }
  if (runs.some((run) => run.artifacts.length > 0)) next.push(`perftrawl artifacts ${job.id}`);
  if (runs.some((run) => run.failure !== undefined && CURABLE.has(run.failure.code))) {
    const { spec } = job.request;
    const isCatalogue = spec.kind === 'stap' && spec.script.from === 'catalogue';
    next.push(isCatalogue ? `perftrawl doctor --stap ${spec.script.name}` : 'perftrawl doctor');
  }
  return next.length === 0 ? [] : ['next:', ...next.map((line) => `  ${line}`)];
}
