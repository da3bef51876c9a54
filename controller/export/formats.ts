// The table of export formats. To add one: write its file, add its name to FormatName, add a row here.
import { counterSeriesCsv, counterSeriesJson } from './counter-series.js';
import type { Exporter, FormatName } from './exporter.js';
import { foldedText } from './folded.js';
import { profileJson } from './json.js';
import { perfScriptText } from './perf-script.js';
import { pprofFile } from './pprof/pprof.js';
import { flameGraphParts } from './svg/flame-graph-svg.js';

export const exporters: Readonly<Record<FormatName, Exporter>> = {
  svg: {
    format: 'svg',
    mediaType: 'image/svg+xml',
    extension: '.svg',
    needs: 'profile',
    describe: 'flame graph with zoom and search, one file that any browser opens',
    write: flameGraphParts,
  },
  folded: {
    format: 'folded',
    mediaType: 'text/plain; charset=utf-8',
    extension: '.folded',
    needs: 'profile',
    describe: 'one line per distinct stack with its weight, for flamegraph.pl, speedscope and diffs',
    write: foldedText,
  },
  pprof: {
    format: 'pprof',
    mediaType: 'application/vnd.google.protobuf+gzip',
    extension: '.pb.gz',
    needs: 'profile',
    describe: 'for go tool pprof, speedscope, Grafana Pyroscope',
    write: pprofFile,
  },
  'perf-script': {
    format: 'perf-script',
    mediaType: 'text/plain; charset=utf-8',
    extension: '.perf.txt',
    needs: 'timed',
    describe: 'every sample with its time and stack, as perf script prints it',
    write: perfScriptText,
  },
  json: {
    format: 'json',
    mediaType: 'application/json',
    extension: '.json',
    needs: 'profile',
    describe: 'the whole profile, documented in docs/json-export.md',
    write: profileJson,
  },
  'series-json': {
    format: 'series-json',
    mediaType: 'application/json',
    extension: '.json',
    needs: 'series',
    describe: 'counters over time, documented in docs/json-export.md',
    write: counterSeriesJson,
  },
  'series-csv': {
    format: 'series-csv',
    mediaType: 'text/csv; charset=utf-8',
    extension: '.csv',
    needs: 'series',
    describe: 'counters over time, for spreadsheets',
    write: counterSeriesCsv,
  },
};

/**
 * The exporter that a person means: `json` and `csv` of counters are `series-json` and `series-csv`. Undefined when there is no
 * such format for what there is to export.
 */
export function findExporter(name: string, from: 'profile' | 'series'): Exporter | undefined {
  const isOf = (exporter: Exporter): boolean => (exporter.needs === 'series') === (from === 'series');
  const found = Object.values(exporters).filter(isOf);
  return (
    found.find((exporter) => exporter.format === name) ?? found.find((exporter) => exporter.format === `series-${name}`)
  );
}
