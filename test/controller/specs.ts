// Capture specs of every kind, with nothing special about them.
import type {
  CaptureKind,
  CaptureSpec,
  KitSpec,
  RecordSpec,
  StapSpec,
  StatSpec,
  WatchSpec,
} from '../../proto/capture.js';

const same = { target: { kind: 'system' }, duration: 100 } as const;
const detail = { split: 'comm', keepTimestamps: false, lines: false } as const;

export const RECORD: RecordSpec = {
  ...{ kind: 'record', ...same, events: [{ name: 'page-faults' }] },
  ...{ callGraph: { mode: 'fp' }, detail, keepRaw: false },
};
export const STAT: StatSpec = {
  ...{ kind: 'stat', ...same, events: [{ name: 'page-faults' }], interval: 1000, perCpu: false },
};
export const STAP: StapSpec = {
  ...{ kind: 'stap', ...same, interval: 1000, overheadPercent: 10, keepRaw: false },
  script: { from: 'catalogue', name: 'pagefault-latency', parameters: {} },
};
export const KIT: KitSpec = { kind: 'kit', ...same, parts: [STAT, RECORD, STAP] };

export const WATCH: WatchSpec = {
  ...{ kind: 'watch', ...same, events: STAT.events, interval: 50, holds: 2, coolDown: 1000, most: 3, lookBack: 0 },
  conditions: [{ terms: [{ measure: { kind: 'rate', event: 'page-faults' }, comparison: '>', threshold: 5000 }] }],
  record: { duration: 100, events: RECORD.events, callGraph: RECORD.callGraph, detail, keepRaw: false },
};

export const SPECS: Record<CaptureKind | 'stap-text' | 'perf-data', CaptureSpec> = {
  ...{ record: RECORD, stat: STAT, stap: STAP, kit: KIT, watch: WATCH },
  file: { kind: 'file', path: '/tmp/perf.data', format: 'detect', detail },
  'perf-data': { kind: 'file', path: '/tmp/perf.data', format: 'perf-data', detail },
  'stap-text': { kind: 'file', path: '/tmp/stap.out', format: 'stap-text', detail },
};
