// A finished job as the plain values of the HTML report.

import type { CounterSeries } from '../../profile/counter-series.js';
import { histogramTotals } from '../../profile/histogram-series.js';
import { type Loss, mergeLosses } from '../../profile/loss.js';
import type { Profile } from '../../profile/profile.js';
import type { App, HostRun, Job } from '../api.js';
import type { ExportOptions } from '../export/exporter.js';
import { exporters } from '../export/formats.js';
import type { Report } from '../export/report.js';
import { counterTable } from '../views/counter-table.js';
import type { HostHistograms } from '../views/outliers.js';
import { accountText } from './render/cost-text.js';
import { describeSpec } from './render/spec-text.js';
import { durationText, momentText } from './render/time-text.js';

interface ReportWords {
  readonly title: string;
  /** Of this program. */
  readonly version: string;
  readonly notes: readonly string[];
  /** Of the first event; absent: a flame graph for each event, under its name. */
  readonly flameGraph?: { readonly title: string; readonly options: ExportOptions };
}

/** Lines of a script that the report holds of each host. */
const MOST_LINES = 500;
/** Pixels: inside a page a flame graph cannot follow the window. */
const FLAME_GRAPH_WIDTH = 1180;

export async function jobHtmlReport(app: App, job: Job, words: ReportWords): Promise<Report> {
  const runs = await app.hostRuns(job.id);
  const counters = await app.series(job.id);
  const profile = await app.profile(job.id);
  const histograms = await app.histograms(job.id);
  return {
    title: words.title,
    subtitle: describeSpec(job.request.spec),
    facts: factsOf(job, runs),
    parts: runs.flatMap(partsOfRun),
    hosts: await hostsOf(app, runs),
    ...(counters === undefined ? {} : { counters }),
    flameGraphs: profile === undefined ? [] : flameGraphsOf(profile, words),
    ...(histograms === undefined ? {} : { histograms }),
    hostHistograms: await hostHistogramsOf(app, runs),
    text: await textOf(app, runs),
    losses: lossesOf(runs),
    notes: words.notes,
    generator: `perftrawl ${words.version}`,
  };
}

function factsOf(job: Job, runs: readonly HostRun[]): Report['facts'] {
  const { requester, selectorText, note } = job.request;
  const commands = [...new Set(runs.flatMap((run) => run.commandLines))].slice(0, 20);
  return [
    { name: 'job', value: job.id },
    { name: 'state', value: job.state },
    { name: 'asked by', value: requester },
    { name: 'hosts', value: `${runs.length}${selectorText === '' ? '' : `, ${selectorText}`}` },
    { name: 'begun', value: `${momentText(job.created)} UTC` },
    { name: 'took', value: job.ended === 0 ? '-' : durationText(job.ended - (job.started || job.created)) },
    ...(note === '' ? [] : [{ name: 'note', value: note }]),
    ...commands.map((value) => ({ name: 'ran', value })),
  ];
}

function partsOfRun({ host, parts }: HostRun): Report['parts'] {
  return parts.map(({ part, outcome, failure }) => ({
    ...{ host, part, outcome },
    ...(failure === undefined ? {} : { reason: failure.message, remedy: failure.remedy }),
  }));
}

async function hostsOf(app: App, runs: readonly HostRun[]): Promise<Report['hosts']> {
  const hosts: Report['hosts'][number][] = [];
  for (const { jobId, host, state, failure, progress, cost } of runs) {
    hosts.push({
      ...{ host, state, counters: sumsOf(await app.series(jobId, host)) },
      ...reasonOf(failure?.message, cost?.budget?.overBudget),
      ...{ samples: progress.samples, lost: progress.lost },
      ...(cost === undefined
        ? {}
        : {
            cost: {
              toolCpuMs: cost.toolCpu,
              agentCpuMs: cost.agentCpu,
              peakMemoryBytes: cost.peakMemoryBytes,
              recordedBytes: cost.recordedBytes,
              wallMs: cost.wall,
              ...(cost.budget === undefined ? {} : { budget: accountText(cost.budget) }),
            },
          }),
    });
  }
  return hosts;
}

/** Why a host gave nothing, or less than was asked for. */
function reasonOf(failure: string | undefined, overBudget: string | undefined): { readonly reason?: string } {
  if (failure !== undefined) return { reason: failure };
  return overBudget ? { reason: `over budget: ${overBudget}` } : {};
}

/** By event, of all intervals and scopes; events that were not counted are left out. */
function sumsOf(series: CounterSeries | undefined): Record<string, number> {
  const sums = new Map<string, number>();
  for (const { event, sum } of series === undefined ? [] : counterTable(series)) {
    if (sum !== undefined) sums.set(event, (sums.get(event) ?? 0) + sum);
  }
  return Object.fromEntries(sums);
}

function flameGraphsOf(profile: Profile, { flameGraph }: ReportWords): Report['flameGraphs'] {
  if (flameGraph !== undefined) return [{ title: flameGraph.title, svg: svgOf(profile, flameGraph.options) }];
  const events = profile.sampleTypes.filter((_, i) => i % 2 === 1).map(({ type }) => type);
  return events.map((event) => ({ title: event, svg: svgOf(profile, { event, title: event }) }));
}

function svgOf(profile: Profile, options: ExportOptions): string {
  const exporter = exporters.svg;
  if (exporter.needs === 'series') return '';
  const parts = exporter.write(profile, { ...options, width: FLAME_GRAPH_WIDTH });
  return [...parts].map((part) => (typeof part === 'string' ? part : Buffer.from(part).toString('utf8'))).join('');
}

async function hostHistogramsOf(app: App, runs: readonly HostRun[]): Promise<readonly HostHistograms[]> {
  const all: HostHistograms[] = [];
  for (const { jobId, host } of runs) {
    const series = await app.histograms(jobId, host);
    if (series !== undefined) all.push({ host, histograms: histogramTotals(series) });
  }
  return all;
}

async function textOf(app: App, runs: readonly HostRun[]): Promise<Report['text']> {
  const all: Report['text'][number][] = [];
  for (const { jobId, host } of runs) {
    const lines = await app.text(jobId, host);
    const dropped = Math.max(0, lines.length - MOST_LINES);
    if (lines.length > 0) all.push({ host, lines: lines.slice(0, MOST_LINES), ...(dropped === 0 ? {} : { dropped }) });
  }
  return all;
}

function lossesOf(runs: readonly HostRun[]): readonly Loss[] {
  const missing = runs.filter((run) => run.failure !== undefined).map((run) => run.host);
  const hosts: Loss[] =
    missing.length === 0 ? [] : [{ kind: 'missing-hosts', count: missing.length, detail: missing.join(', ') }];
  return mergeLosses([...runs.map((run) => run.losses), hosts]);
}
