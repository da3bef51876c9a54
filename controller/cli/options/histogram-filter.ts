// `--title` and `--label`: which histograms of a result.
import type { HistogramSeries } from '../../../profile/histogram-series.js';
import { UsageError } from '../usage-error.js';
import { checkPattern } from './target.js';

export interface HistogramFilter {
  readonly title: RegExp | undefined;
  /** All of them must be there. */
  readonly labels: readonly { readonly key: string; readonly value: string }[];
}

/** @throws UsageError */
export function parseHistogramFilter(flags: {
  readonly title?: string | undefined;
  readonly label?: readonly string[] | undefined;
}): HistogramFilter {
  const labels = (flags.label ?? []).map((text) => {
    const at = text.indexOf('=');
    if (at < 0) throw new UsageError(`--label: '${text}' is not of the form KEY=VALUE`);
    return { key: text.slice(0, at), value: text.slice(at + 1) };
  });
  const title = flags.title === undefined ? undefined : new RegExp(checkPattern('--title', flags.title));
  return { title, labels };
}

export function selectHistograms(series: HistogramSeries, { title, labels }: HistogramFilter): HistogramSeries {
  if (title === undefined && labels.length === 0) return series;
  const points = series.points.filter(
    ({ histogram }) =>
      (title === undefined || title.test(histogram.title)) &&
      labels.every(({ key, value }) => histogram.labels.some((label) => label.key === key && label.value === value)),
  );
  return { ...series, points };
}
