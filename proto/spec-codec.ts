// Capture specs, targets and selectors: plain values to messages and back. Reading refuses what no spec can be.
import { budgetFromMessage, budgetToMessage } from './budget.js';
import type {
  CallGraph,
  CaptureSpec,
  Detail,
  EventSpec,
  FileSpec,
  KitPart,
  ProcessSelector,
  RecordSpec,
  Target,
  WatchedRecord,
  WatchSpec,
} from './capture.js';
import { fail } from './failure.js';
import { perftrawl } from './generated/perftrawl.js';
import { stapFromMessage, stapToMessage } from './stap-codec.js';
import { conditionFromMessage, conditionToMessage } from './watch-codec.js';

const { Split, FileFormat } = perftrawl.v1;
type Message = typeof perftrawl.v1;
type Props<K extends keyof Message> = Message[K] extends { encode(message: infer P, ...rest: never[]): unknown }
  ? P
  : never;

export function specToMessage(spec: CaptureSpec): Props<'CaptureSpec'> {
  const message = kindToMessage(spec);
  if (spec.kind === 'file') return message;
  const { budget, evenIfBusy } = spec;
  return {
    ...message,
    ...(budget === undefined ? {} : { budget: budgetToMessage(budget) }),
    ...(evenIfBusy === true ? { evenIfBusy } : {}),
  };
}

function kindToMessage(spec: CaptureSpec): Props<'CaptureSpec'> {
  switch (spec.kind) {
    case 'record':
      return { target: targetToMessage(spec.target), durationMs: spec.duration, record: recordToMessage(spec) };
    case 'stat':
      return {
        target: targetToMessage(spec.target),
        durationMs: spec.duration,
        stat: { events: spec.events.map(eventToMessage), intervalMs: spec.interval, perCpu: spec.perCpu },
      };
    case 'stap':
      return { target: targetToMessage(spec.target), durationMs: spec.duration, stap: stapToMessage(spec) };
    case 'kit':
      return {
        target: targetToMessage(spec.target),
        durationMs: spec.duration,
        kit: { parts: spec.parts.map(specToMessage) },
      };
    case 'watch':
      return { target: targetToMessage(spec.target), durationMs: spec.duration, watch: watchToMessage(spec) };
    case 'file':
      return { file: { path: spec.path, format: FORMAT[spec.format], detail: detailToMessage(spec.detail) } };
  }
}

export function specFromMessage(message: Props<'CaptureSpec'> | null | undefined): CaptureSpec {
  const spec = kindFromMessage(message);
  const { budget, evenIfBusy } = message ?? {};
  if (spec.kind === 'file') return spec;
  return {
    ...spec,
    ...(budget ? { budget: budgetFromMessage(budget) } : {}),
    ...(evenIfBusy ? { evenIfBusy } : {}),
  };
}

function kindFromMessage(message: Props<'CaptureSpec'> | null | undefined): CaptureSpec {
  const { record, stat, file, stap, kit, watch } = message ?? {};
  if (file) {
    return {
      kind: 'file',
      path: file.path ?? '',
      format: formatFromMessage(file.format),
      detail: detailFromMessage(file.detail),
    };
  }
  const target = targetFromMessage(message?.target);
  const duration = message?.durationMs ?? 0;
  if (stat) {
    return {
      kind: 'stat',
      target,
      duration,
      events: (stat.events ?? []).map(eventFromMessage),
      interval: stat.intervalMs ?? 0,
      perCpu: stat.perCpu ?? false,
    };
  }
  if (record) return recordFromMessage(record, target, duration);
  if (stap) return stapFromMessage(stap, target, duration);
  if (watch) return watchFromMessage(watch, target, duration);
  if (kit) return { kind: 'kit', target, duration, parts: (kit.parts ?? []).map(partFromMessage) };
  throw fail(
    'bad-request',
    'the capture spec is of no kind that this version knows',
    'update the older of agent and controller',
  );
}

function partFromMessage(message: Props<'CaptureSpec'>): KitPart {
  // Looked at first: kits in kits would recurse as deep as the message.
  const spec = message.kit ? undefined : specFromMessage(message);
  if (spec === undefined || spec.kind === 'file' || spec.kind === 'kit' || spec.kind === 'watch') {
    throw fail('bad-request', 'a kit is made of captures of kind record, stat and stap');
  }
  return spec;
}

function watchToMessage(spec: WatchSpec): Props<'WatchSpec'> {
  return {
    events: spec.events.map(eventToMessage),
    intervalMs: spec.interval,
    conditions: spec.conditions.map(conditionToMessage),
    holds: spec.holds,
    record: recordToMessage(spec.record),
    recordMs: spec.record.duration,
    coolDownMs: spec.coolDown,
    most: spec.most,
    lookBackMs: spec.lookBack,
  };
}

function watchFromMessage(message: Props<'WatchSpec'>, target: Target, duration: number): WatchSpec {
  const {
    kind: _kind,
    target: _target,
    ...record
  } = recordFromMessage(message.record ?? {}, target, message.recordMs ?? 0);
  return {
    kind: 'watch',
    target,
    duration,
    events: (message.events ?? []).map(eventFromMessage),
    interval: message.intervalMs ?? 0,
    conditions: (message.conditions ?? []).map(conditionFromMessage),
    holds: message.holds ?? 0,
    record,
    coolDown: message.coolDownMs ?? 0,
    most: message.most ?? 0,
    lookBack: message.lookBackMs ?? 0,
  };
}

function recordToMessage(spec: WatchedRecord): Props<'RecordSpec'> {
  const { rate } = spec;
  return {
    events: spec.events.map(eventToMessage),
    ...(rate === undefined ? {} : 'frequency' in rate ? { frequencyHz: rate.frequency } : { period: rate.period }),
    callGraph: callGraphToMessage(spec.callGraph),
    mmapPages: spec.mmapPages ?? 0,
    detail: detailToMessage(spec.detail),
    keepRaw: spec.keepRaw,
  };
}

function recordFromMessage(message: Props<'RecordSpec'>, target: Target, duration: number): RecordSpec {
  const { frequencyHz, period, mmapPages } = message;
  return {
    kind: 'record',
    target,
    duration,
    events: (message.events ?? []).map(eventFromMessage),
    ...(frequencyHz ? { rate: { frequency: frequencyHz } } : period ? { rate: { period } } : {}),
    callGraph: callGraphFromMessage(message.callGraph),
    ...(mmapPages ? { mmapPages } : {}),
    detail: detailFromMessage(message.detail),
    keepRaw: message.keepRaw ?? false,
  };
}

function callGraphToMessage(callGraph: CallGraph): Props<'CallGraph'> {
  switch (callGraph.mode) {
    case 'fp':
      return { fp: true };
    case 'dwarf':
      return { dwarfStackBytes: callGraph.stackBytes };
    case 'lbr':
      return { lbr: true };
    case 'none':
      return { none: true };
  }
}

function callGraphFromMessage(message: Props<'CallGraph'> | null | undefined): CallGraph {
  if (message?.dwarfStackBytes) return { mode: 'dwarf', stackBytes: message.dwarfStackBytes };
  if (message?.lbr) return { mode: 'lbr' };
  if (message?.none) return { mode: 'none' };
  if (message?.fp) return { mode: 'fp' };
  throw fail('bad-request', 'the record spec names no call graph mode that this version knows');
}

function eventToMessage(event: EventSpec): Props<'EventSpec'> {
  return { name: event.name, filter: event.filter ?? '' };
}

function eventFromMessage(message: Props<'EventSpec'>): EventSpec {
  return message.filter ? { name: message.name ?? '', filter: message.filter } : { name: message.name ?? '' };
}

const SPLIT = { comm: Split.BY_COMM, pid: Split.BY_PID, tid: Split.BY_TID };

function detailToMessage(detail: Detail): Props<'Detail'> {
  return { split: SPLIT[detail.split], keepTimestamps: detail.keepTimestamps, lines: detail.lines };
}

function detailFromMessage(message: Props<'Detail'> | null | undefined): Detail {
  const split = message?.split === Split.BY_TID ? 'tid' : message?.split === Split.BY_PID ? 'pid' : 'comm';
  return { split, keepTimestamps: message?.keepTimestamps ?? false, lines: message?.lines ?? false };
}

const FORMAT = {
  detect: FileFormat.DETECT,
  'perf-data': FileFormat.PERF_DATA,
  'perf-script': FileFormat.PERF_SCRIPT,
  'stap-text': FileFormat.STAP_TEXT,
};

function formatFromMessage(format: perftrawl.v1.FileFormat | null | undefined): FileSpec['format'] {
  if (format === FileFormat.PERF_DATA) return 'perf-data';
  if (format === FileFormat.STAP_TEXT) return 'stap-text';
  return format === FileFormat.PERF_SCRIPT ? 'perf-script' : 'detect';
}

function targetToMessage(target: Target): Props<'Target'> {
  switch (target.kind) {
    case 'system':
      return { system: {}, cpus: target.cpus ?? '' };
    case 'pids':
      return { pids: { ids: [...target.pids] } };
    case 'tids':
      return { tids: { ids: [...target.tids] } };
    case 'cgroup':
      return { cgroup: target.path };
    case 'processes':
      return { processes: selectorToMessage(target.selector) };
  }
}

function targetFromMessage(message: Props<'Target'> | null | undefined): Target {
  if (message?.pids) return { kind: 'pids', pids: message.pids.ids ?? [] };
  if (message?.tids) return { kind: 'tids', tids: message.tids.ids ?? [] };
  if (message?.cgroup) return { kind: 'cgroup', path: message.cgroup };
  if (message?.processes) return { kind: 'processes', selector: selectorFromMessage(message.processes) };
  if (message?.system) return message.cpus ? { kind: 'system', cpus: message.cpus } : { kind: 'system' };
  throw fail('bad-request', 'the capture spec names no target that this version knows');
}

export function selectorToMessage(selector: ProcessSelector): Props<'ProcessSelector'> {
  return {
    comms: [...(selector.comms ?? [])],
    cmdline: selector.cmdline ?? '',
    unit: selector.unit ?? '',
    container: selector.container ?? '',
  };
}

export function selectorFromMessage(message: Props<'ProcessSelector'> | null | undefined): ProcessSelector {
  const { comms, cmdline, unit, container } = message ?? {};
  return {
    ...(comms && comms.length > 0 ? { comms } : {}),
    ...(cmdline ? { cmdline } : {}),
    ...(unit ? { unit } : {}),
    ...(container ? { container } : {}),
  };
}
