// What of a job an export is about: a stat job has counters, a script histograms and text, a kit some of each.
import type { CaptureSpec } from '../../proto/capture.js';
import type { App, Job } from '../api.js';
import { findExporter } from '../export/formats.js';
import { findHistogramExporter } from '../export/histogram-formats.js';
import { UsageError } from './usage-error.js';

export const EXPORT_KINDS = ['profile', 'counters', 'histograms', 'text'] as const;
export type ExportKind = (typeof EXPORT_KINDS)[number];

export const FORMATS = ['folded', 'svg', 'pprof', 'perf-script', 'json', 'csv', 'openmetrics', 'text'] as const;
export type Format = (typeof FORMATS)[number];

/** Whether such a thing can be written in that format. */
function canBe(kind: ExportKind, format: Format): boolean {
  switch (kind) {
    case 'profile':
      return findExporter(format, 'profile') !== undefined;
    case 'counters':
      return findExporter(format, 'series') !== undefined;
    case 'histograms':
      return findHistogramExporter(format) !== undefined;
    case 'text':
      return format === 'text';
  }
}

/** What a capture of this kind may have, what it is about first. */
function kindsOf(spec: CaptureSpec): readonly ExportKind[] {
  switch (spec.kind) {
    case 'record':
      return ['profile'];
    case 'stat':
    case 'watch':
      return ['counters'];
    case 'stap':
      return ['histograms', 'profile', 'text'];
    case 'file':
      if (spec.format === 'stap-text') return ['histograms', 'profile', 'text'];
      return spec.format === 'detect' ? ['profile', 'histograms', 'text'] : ['profile'];
    case 'kit':
      return ['profile', 'counters', 'histograms', 'text'];
  }
}

/**
 * What a person means: what was asked for; else the first that the job may have, that has the format, and, where several have, that
 * is really there. @throws UsageError that lists what can be had
 */
export async function exportKind(
  app: App,
  job: Job,
  format: Format,
  host: string | undefined,
  wanted: ExportKind | undefined,
): Promise<ExportKind> {
  const kinds = kindsOf(job.request.spec);
  const fitting = kinds.filter((kind) => canBe(kind, format) && (wanted === undefined || kind === wanted));
  if (fitting.length === 0) {
    const formats = FORMATS.filter((name) => kinds.some((kind) => canBe(kind, name)));
    const holds = kinds.map((kind) => (kind === 'profile' ? 'a profile' : kind)).join(', ');
    const of = wanted === undefined ? '' : ` --of ${wanted}`;
    throw new UsageError(
      `--format${of}: job ${job.id} holds ${holds}, which ${format} cannot show${wanted === undefined ? '' : ' so'}; use ${formats.join(', ')}`,
    );
  }
  for (const kind of fitting.length > 1 ? fitting : []) if (await isThere(app, job, kind, host)) return kind;
  return fitting[0];
}

async function isThere(app: App, job: Job, kind: ExportKind, host: string | undefined): Promise<boolean> {
  if (kind === 'histograms') return ((await app.histograms(job.id, host))?.points.length ?? 0) > 0;
  if (kind === 'counters') return ((await app.series(job.id, host))?.points.length ?? 0) > 0;
  return kind === 'text' || ((await app.profile(job.id, host))?.samples.length ?? 0) > 0;
}
