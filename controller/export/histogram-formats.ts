// The table of export formats for histograms, as formats.ts is for profiles and counters.
import { histogramTotals } from '../../profile/histogram-series.js';
import { heatMaps } from '../views/heat-map.js';
import type { ExportParts } from './exporter.js';
import { type HistogramExport, histogramCsv, histogramJson } from './histogram-json.js';
import { openMetricsText } from './openmetrics.js';
import type { ChartOptions } from './svg/chart-document.js';
import type { HeatPaletteName } from './svg/chart-style.js';
import { heatMapSvg } from './svg/heat-map-svg.js';
import { histogramSvg } from './svg/histogram-svg.js';

/** `hist-svg` draws bars of the whole time, or with `isHeatMap` the course over time. */
export type HistogramFormatName = 'hist-json' | 'hist-csv' | 'hist-svg' | 'openmetrics';

/** Pictures only; all have defaults. */
export interface HistogramExportOptions extends Pick<ChartOptions, 'title' | 'subtitle' | 'width'> {
  readonly isHeatMap?: boolean;
  /** Of heat maps. Default `heat`. */
  readonly palette?: HeatPaletteName;
}

export interface HistogramExporter {
  readonly format: HistogramFormatName;
  readonly mediaType: string;
  /** With the dot. */
  readonly extension: string;
  /** One line for the help text. */
  readonly describe: string;
  /** Nothing is computed before the first part is asked for. @throws ExportError for sizes that make no picture */
  readonly write: (data: HistogramExport, options?: HistogramExportOptions) => ExportParts;
}

export const histogramExporters: Readonly<Record<HistogramFormatName, HistogramExporter>> = {
  'hist-json': {
    format: 'hist-json',
    mediaType: 'application/json',
    extension: '.json',
    describe: 'histograms with exact buckets, in all and by interval and host, documented in docs/json-export.md',
    write: histogramJson,
  },
  'hist-csv': {
    format: 'hist-csv',
    mediaType: 'text/csv; charset=utf-8',
    extension: '.csv',
    describe: 'histograms by interval and host, a row per bucket, for spreadsheets',
    write: histogramCsv,
  },
  'hist-svg': {
    format: 'hist-svg',
    mediaType: 'image/svg+xml',
    extension: '.svg',
    describe: 'histograms as bars with percentiles, or as heat maps over time',
    write: histogramPicture,
  },
  openmetrics: {
    format: 'openmetrics',
    mediaType: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
    extension: '.om.txt',
    describe: 'histograms by host in all, for Prometheus and what reads its format',
    write: openMetricsText,
  },
};

/** The exporter that a person means: `json`, `csv` and `svg` of histograms are `hist-json`, …. */
export function findHistogramExporter(name: string): HistogramExporter | undefined {
  return Object.values(histogramExporters).find(({ format }) => format === name || format === `hist-${name}`);
}

function* histogramPicture({ merged }: HistogramExport, options: HistogramExportOptions = {}): ExportParts {
  yield options.isHeatMap === true
    ? heatMapSvg(heatMaps(merged, { maxColumns: 240 }), options)
    : histogramSvg(histogramTotals(merged), options);
}
