// What a report of a job holds, as plain values; report-html.ts makes the page of it.
import type { CounterSeries } from '../../profile/counter-series.js';
import type { HistogramSeries } from '../../profile/histogram-series.js';
import type { Loss } from '../../profile/loss.js';
import type { TextLine } from '../../profile/text-line.js';
import type { HostHistograms } from '../views/outliers.js';
import type { Html } from './html-text.js';

export interface Report {
  readonly title: string;
  readonly subtitle?: string;
  /** Job id, who asked, selector, when, how long, command lines, …, in the order to be shown. */
  readonly facts: readonly { readonly name: string; readonly value: string }[];
  /** Parts of a kit on each host; empty where the job is no kit. `outcome`: `finished`, `stopped`, `failed`, … */
  readonly parts: readonly ReportPart[];
  readonly hosts: readonly ReportHost[];
  readonly counters?: CounterSeries;
  /** Each a whole document as flameGraphSvg makes it; give those a width, such as 1180. */
  readonly flameGraphs: readonly { readonly title: string; readonly svg: string }[];
  readonly histograms?: HistogramSeries;
  /** Totals of each host, for the comparison of hosts. */
  readonly hostHistograms: readonly HostHistograms[];
  readonly text: readonly { readonly host: string; readonly lines: readonly TextLine[]; readonly dropped?: number }[];
  readonly losses: readonly Loss[];
  /** What a reader must know first, such as why the latency by type is missing and what is shown in its place. */
  readonly notes: readonly string[];
  /** Program and version. */
  readonly generator: string;
}

export interface ReportPart {
  readonly host: string;
  readonly part: string;
  readonly outcome: string;
  readonly reason?: string;
  readonly remedy?: string;
}

export interface ReportHost {
  readonly host: string;
  /** As of a host run: `succeeded`, `failed`, `lost`, `cancelled`. */
  readonly state: string;
  readonly reason?: string;
  /** Totals by event. */
  readonly counters: Readonly<Record<string, number>>;
  readonly samples?: number;
  readonly lost?: number;
  readonly cost?: {
    readonly toolCpuMs: number;
    readonly agentCpuMs: number;
    readonly peakMemoryBytes: number;
    readonly recordedBytes: number;
    readonly wallMs: number;
    /** Against its budget, in words. */
    readonly budget?: string;
  };
}

/** A piece of the page under a heading of its own. */
export interface ReportSection {
  /** Of the element; those of flame graphs are taken. */
  readonly id: string;
  readonly title: string;
  readonly body: Html;
}
