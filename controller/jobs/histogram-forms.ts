// Whether histograms of two hosts are of one form: the same title and labels should mean the same unit and the same buckets.
import { type Histogram, UnlikeHistogramsError } from '../../profile/histogram.js';
import { gridOf, scaleText } from '../../profile/histogram-scale.js';
import type { HistogramPoint } from '../../profile/histogram-series.js';

/**
 * A script may print one key in several forms (log2 and linear); two hosts are alike when they share at least one of them.
 * @throws UnlikeHistogramsError that names the key and both forms
 */
export function checkForms(sum: readonly HistogramPoint[], next: readonly HistogramPoint[]): void {
  const known = formsByKey(sum);
  for (const [key, { name, forms }] of formsByKey(next)) {
    const others = known.get(key)?.forms;
    if (others === undefined || [...forms.keys()].some((form) => others.has(form))) continue;
    const [its, theirs] = [forms, others].map((texts) => [...texts.values()].join(' and '));
    throw new UnlikeHistogramsError(
      `its histograms of ${name} are in ${its}, those of the hosts before it in ${theirs}`,
    );
  }
}

interface Forms {
  readonly name: string;
  /** A text for people by what makes the form. */
  readonly forms: Map<string, string>;
}

function formsByKey(points: readonly HistogramPoint[]): Map<string, Forms> {
  const byKey = new Map<string, Forms>();
  for (const { histogram } of points) {
    const key = JSON.stringify([histogram.title, histogram.labels]);
    const known = byKey.get(key) ?? { name: nameOf(histogram), forms: new Map<string, string>() };
    const { scale, unit } = histogram;
    known.forms.set(`${gridOf(scale)} ${unit}`, `${scaleText(scale)} ${unit}`.trimEnd());
    byKey.set(key, known);
  }
  return byKey;
}

function nameOf({ title, labels }: Histogram): string {
  const parts = [...(title === '' ? [] : [`'${title}'`]), ...labels.map(({ key, value }) => `${key}=${value}`)];
  return parts.length === 0 ? 'no title' : parts.join(' ');
}
