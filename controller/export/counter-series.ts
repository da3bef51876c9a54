// Counter series for scripts and spreadsheets: JSON and CSV, one point per line. What was not counted has no value.
import type { CounterPoint, CounterSeries } from '../../profile/counter-series.js';
import { csvText } from './csv-text.js';
import type { ExportParts } from './exporter.js';

/** Documented in docs/json-export.md. */
export function* counterSeriesJson(series: CounterSeries): ExportParts {
  const head = { format: 'perftrawl-series', version: 1, intervalMs: series.interval, losses: series.losses };
  yield `${JSON.stringify(head, undefined, 1).slice(0, -2)},\n "points": [`;
  for (const [i, point] of series.points.entries()) {
    yield `${i === 0 ? '' : ','}\n  ${JSON.stringify({
      timeMs: point.time,
      event: point.event,
      scope: point.scope,
      status: point.status,
      value: point.status === 'counted' ? point.value : null,
      unit: point.unit,
      runningPercent: point.runningPercent,
    })}`;
  }
  yield `${series.points.length === 0 ? '' : '\n '}]\n}\n`;
}

/** RFC 4180, with CRLF and a heading; the value is empty where nothing was counted. */
export function* counterSeriesCsv(series: CounterSeries): ExportParts {
  yield 'time_ms,event,scope,status,value,unit,running_percent\r\n';
  for (const point of series.points) yield csvLine(point);
}

function csvLine(point: CounterPoint): string {
  const isCounted = point.status === 'counted';
  const cells = [
    String(point.time),
    csvText(point.event),
    csvText(point.scope),
    point.status,
    isCounted ? String(point.value) : '',
    csvText(point.unit),
    isCounted ? String(point.runningPercent) : '',
  ];
  return `${cells.join(',')}\r\n`;
}
