// A strict reader of OpenMetrics histograms, made from the specification (ABNF and MUSTs) and not from our writer.
// https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md

export interface ReadFamily {
  readonly name: string;
  readonly unit: string;
  readonly series: ReadSeries[];
}

export interface ReadSeries {
  /** Labels but `le`, sorted by name. */
  readonly labels: string;
  readonly buckets: [le: string, count: number][];
  count: number;
  sum: number | undefined;
}

/** @throws Error that names the line which breaks a rule */
export function readOpenMetrics(text: string): ReadFamily[] {
  const lines = text.split('\n');
  need(lines.pop() === '' && lines.pop() === '# EOF', 'ends in "# EOF" and a line end');
  const families: ReadFamily[] = [];
  const names = new Set<string>();
  let metadata = new Set<string>();
  for (const line of lines) {
    need(line !== '' && line !== '# EOF' && !line.includes('\r'), `no empty line: ${line}`);
    const comment = /^# (TYPE|UNIT|HELP) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)$/.exec(line);
    if (line.startsWith('#')) {
      need(comment !== null, `a comment is metadata: ${line}`);
      const [, kind, name, value] = comment ?? [];
      if (families.at(-1)?.name !== name) {
        for (const suffix of ['', '_bucket', '_count', '_sum', '_created']) {
          need(!names.has(name + suffix), `a name that clashes: ${line}`);
          names.add(name + suffix);
        }
        families.push({ name, unit: '', series: [] });
        metadata = new Set();
      }
      need(!metadata.has(kind) && families.at(-1)?.series.length === 0, `metadata once, before samples: ${line}`);
      metadata.add(kind);
      if (kind === 'TYPE') need(value === 'histogram', `a type: ${line}`);
      if (kind === 'UNIT') {
        need(name.endsWith(`_${value}`), `the unit ends the name: ${line}`);
        families[families.length - 1] = { name, unit: value, series: [] };
      }
      if (kind === 'HELP') need(/^([^\\"]|\\[\\n"])*$/.test(value), `escaped help: ${line}`);
      continue;
    }
    readSample(line, families.at(-1));
  }
  for (const { name, series } of families) for (const one of series) checkSeries(name, one);
  return families;
}

function readSample(line: string, family: ReadFamily | undefined): void {
  const sample = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
  need(sample !== null && family !== undefined, `a sample of a family: ${line}`);
  if (sample === null || family === undefined) return;
  const [, name, labelText = '', value] = sample;
  need(/^-?\d+(\.\d+)?$/.test(value), `a number: ${line}`);
  const labels = readLabels(labelText, line);
  const le = labels.get('le');
  labels.delete('le');
  const key = JSON.stringify([...labels].sort(([a], [b]) => (a < b ? -1 : 1)));
  let series = family.series.at(-1);
  if (series?.labels !== key) {
    need(!family.series.some((other) => other.labels === key), `samples of one series stand together: ${line}`);
    series = { labels: key, buckets: [], count: Number.NaN, sum: undefined };
    family.series.push(series);
  }
  const suffix = name.slice(family.name.length);
  need(name.startsWith(family.name) && ['_bucket', '_count', '_sum'].includes(suffix), `a histogram's sample: ${line}`);
  need((suffix === '_bucket') === (le !== undefined), `le belongs to buckets: ${line}`);
  if (suffix !== '_sum') need(/^\d+$/.test(value), `a count is whole: ${line}`);
  if (suffix === '_bucket') series.buckets.push([le ?? '', Number(value)]);
  else if (suffix === '_count') series.count = Number(value);
  else series.sum = Number(value);
}

function readLabels(text: string, line: string): Map<string, string> {
  const labels = new Map<string, string>();
  let rest = text;
  while (rest !== '') {
    const label = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\n"])*)"(,(?=.)|$)/s.exec(rest);
    need(label !== null, `labels: ${line}`);
    if (label === null) break;
    need(!labels.has(label[1]) && !label[1].startsWith('__'), `a label of its own: ${line}`);
    labels.set(label[1], label[2]);
    rest = rest.slice(label[0].length);
  }
  return labels;
}

function checkSeries(name: string, series: ReadSeries): void {
  const { buckets, sum } = series;
  const total = buckets.at(-1)?.[1] ?? Number.NaN;
  need(buckets.at(-1)?.[0] === '+Inf', `${name} has a bucket of +Inf at the end`);
  for (const [i, [le, count]] of buckets.entries()) {
    need(le === '+Inf' || /^-?\d+\.\d+$/.test(le), `${name} has canonical bounds: ${le}`);
    if (i > 0) need(count >= buckets[i - 1][1], `${name} is cumulative at ${le}`);
    if (i > 0 && le !== '+Inf') need(Number(le) > Number(buckets[i - 1][0]), `${name} has rising bounds at ${le}`);
  }
  need(Number.isNaN(series.count) === (sum === undefined), `${name} has both count and sum or none`);
  if (sum !== undefined) {
    need(series.count === total, `${name}: the count is that of +Inf`);
    need(
      sum >= 0 && (buckets[0][0] === '+Inf' || Number(buckets[0][0]) >= 0),
      `${name}: no sum where values may be negative`,
    );
  }
  series.count = total;
}

function need(isKept: boolean, rule: string): void {
  if (!isKept) throw new Error(`not OpenMetrics: ${rule}`);
}
