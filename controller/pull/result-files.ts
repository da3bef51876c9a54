// The files that are made here of what the store has of a job: of all hosts merged, or of one.
import type { CounterSeries } from '../../profile/counter-series.js';
import type { HistogramSeries } from '../../profile/histogram-series.js';
import type { Profile } from '../../profile/profile.js';
import type { TextLine } from '../../profile/text-line.js';
import type { App, HostRun, Job } from '../api.js';
import type { FormatName } from '../export/exporter.js';
import { exporters } from '../export/formats.js';
import { type HistogramFormatName, histogramExporters } from '../export/histogram-formats.js';
import type { HistogramExport } from '../export/histogram-json.js';
import type { Report } from '../export/report.js';
import { reportHtml } from '../export/report-html.js';
import { printable } from '../views/printable.js';
import { fileNames } from './file-names.js';
import type { PullFormat } from './manifest.js';
import type { FileParts } from './pull-directory.js';

export interface ResultFile {
  readonly name: string;
  readonly mediaType: string;
  readonly parts: FileParts;
}

/** What one result is made of; each thing is asked for when it is first needed, and once. */
export interface ResultSource {
  readonly job: Job;
  readonly runs: readonly HostRun[];
  profile(): Promise<Profile | undefined>;
  series(): Promise<CounterSeries | undefined>;
  histograms(): Promise<HistogramExport | undefined>;
  text(): Promise<readonly TextLine[]>;
  report(): Promise<Report>;
}

/** @param host undefined: of all hosts merged */
export function resultSource(
  app: App,
  job: Job,
  runs: readonly HostRun[],
  host: string | undefined,
  makeReport: (app: App, job: Job) => Promise<Report>,
): ResultSource {
  return {
    ...{ job, runs },
    profile: once(() => app.profile(job.id, host)),
    series: once(() => app.series(job.id, host)),
    histograms: once(async () => {
      const merged = await app.histograms(job.id, host);
      return merged === undefined ? undefined : histogramExport(app, job, runs, host, merged);
    }),
    text: once(async () => (host === undefined ? [] : app.text(job.id, host))),
    report: () => makeReport(app, job),
  };
}

/** Files of a format; none where the result has nothing of the kind. */
export async function resultFiles(format: PullFormat, source: ResultSource): Promise<readonly ResultFile[]> {
  switch (format) {
    case 'job':
      return [jobFile(source)];
    case 'report':
      return [{ name: 'report.html', mediaType: 'text/html; charset=utf-8', parts: reportHtml(await source.report()) }];
    case 'pprof':
      return profileFile(await source.profile(), 'pprof', 'profile.pb.gz');
    case 'json':
      return [
        ...profileFile(await source.profile(), 'json', 'profile.json'),
        ...seriesFile(await source.series(), 'series-json', 'counters.json'),
        ...histogramFile(await source.histograms(), 'hist-json', 'histograms.json'),
        ...exactText(await source.text()),
      ];
    case 'folded':
      return eventFiles(await source.profile(), 'folded', 'stacks', 'folded');
    case 'svg':
      return [...eventFiles(await source.profile(), 'svg', 'flame', 'svg'), ...pictures(await source.histograms())];
    case 'perf-script': {
      const profile = await source.profile();
      return profile?.timed === undefined ? [] : profileFile(profile, 'perf-script', STACKS_FILE);
    }
    case 'csv':
      return [
        ...seriesFile(await source.series(), 'series-csv', 'counters.csv'),
        ...histogramFile(await source.histograms(), 'hist-csv', 'histograms.csv'),
      ];
    case 'openmetrics':
      return histogramFile(await source.histograms(), 'openmetrics', 'histograms.om.txt');
    case 'text':
      return textLog(await source.text());
    case 'raw':
      return [];
  }
}

/** Of `perf script` text, also of that which an agent makes. */
export const STACKS_FILE = 'stacks.txt';

async function histogramExport(
  app: App,
  job: Job,
  runs: readonly HostRun[],
  host: string | undefined,
  merged: HistogramSeries,
): Promise<HistogramExport> {
  const hosts: { host: string; series: HistogramSeries }[] = [];
  for (const run of runs) {
    if (host !== undefined && run.host !== host) continue;
    const series = host === undefined ? await app.histograms(job.id, run.host) : merged;
    if (series !== undefined) hosts.push({ host: run.host, series });
  }
  return { jobId: job.id, merged, hosts };
}

/** Everything that is known of the job and its host runs. */
function jobFile({ job, runs }: ResultSource): ResultFile {
  const text = `${JSON.stringify({ format: 'perftrawl-job', version: 1, job, hosts: runs }, undefined, 1)}\n`;
  return { name: 'job.json', mediaType: 'application/json', parts: [text] };
}

function profileFile(profile: Profile | undefined, format: FormatName, name: string): ResultFile[] {
  const exporter = exporters[format];
  if (profile === undefined || exporter.needs === 'series') return [];
  return [{ name, mediaType: exporter.mediaType, parts: exporter.write(profile) }];
}

/** `stacks.folded`; where there are several events, `stacks.EVENT.folded` for each. */
function eventFiles(profile: Profile | undefined, format: FormatName, stem: string, ending: string): ResultFile[] {
  const exporter = exporters[format];
  if (profile === undefined || exporter.needs === 'series') return [];
  const events = profile.sampleTypes.filter((_, i) => i % 2 === 1).map(({ type }) => type);
  const names = fileNames(events);
  return events.map((event) => ({
    name: events.length === 1 ? `${stem}.${ending}` : `${stem}.${names.get(event)}.${ending}`,
    mediaType: exporter.mediaType,
    parts: exporter.write(profile, { event }),
  }));
}

function seriesFile(series: CounterSeries | undefined, format: FormatName, name: string): ResultFile[] {
  const exporter = exporters[format];
  if (series === undefined || exporter.needs !== 'series') return [];
  return [{ name, mediaType: exporter.mediaType, parts: exporter.write(series) }];
}

function histogramFile(data: HistogramExport | undefined, format: HistogramFormatName, name: string): ResultFile[] {
  if (data === undefined) return [];
  const { mediaType, write } = histogramExporters[format];
  return [{ name, mediaType, parts: write(data) }];
}

/** Bars of the whole time, and the course over time where there were intervals. */
function pictures(data: HistogramExport | undefined): ResultFile[] {
  if (data === undefined || data.merged.points.length === 0) return [];
  const { mediaType, write } = histogramExporters['hist-svg'];
  const times = new Set(data.merged.points.map(({ time }) => time)).size;
  return [
    { name: 'histograms.svg', mediaType, parts: write(data) },
    ...(times > 1 ? [{ name: 'heat-map.svg', mediaType, parts: write(data, { isHeatMap: true }) }] : []),
  ];
}

/** For people: what a script printed may hold whatever moves a cursor. */
function textLog(lines: readonly TextLine[]): ResultFile[] {
  if (lines.length === 0) return [];
  return [{ name: 'text.log', mediaType: 'text/plain; charset=utf-8', parts: printableLines(lines) }];
}

function* printableLines(lines: readonly TextLine[]): Generator<string> {
  for (const { text } of lines) yield `${printable(text)}\n`;
}

/** For programs: each line as it was, with its time and its stream. */
function exactText(lines: readonly TextLine[]): ResultFile[] {
  if (lines.length === 0) return [];
  const text = `${JSON.stringify({ format: 'perftrawl-text', version: 1, lines }, undefined, 1)}\n`;
  return [{ name: 'text.json', mediaType: 'application/json', parts: [text] }];
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
