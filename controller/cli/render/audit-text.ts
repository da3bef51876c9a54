// Entries of audit logs as rows of a table.
import type { ChainedLine } from '../../../proto/audit-chain.js';
import type { WrittenEntry } from '../../audit/audit-entry.js';
import { withCommas } from '../../views/number-text.js';
import { printable } from '../../views/printable.js';
import { durationText, momentText } from './time-text.js';

export const ENTRY_COLUMNS = [
  ...[{ heading: 'TIME (UTC)' }, { heading: 'WHO' }, { heading: 'WHAT' }, { heading: 'JOB' }, { heading: 'HOSTS' }],
  { heading: 'MORE', isFlexible: true as const },
];

/** Of the controller's log. */
export function auditEntryRow(entry: WrittenEntry): string[] {
  const { time, who, by, from, what, jobId = '-', hosts = [], subject, detail, failure } = entry;
  const more = [
    ...(subject === undefined ? [] : [subject]),
    ...(failure === undefined ? [] : [`${failure.code}: ${failure.message}`]),
    ...(failure === undefined && detail !== undefined ? detailWords(detail) : []),
    ...(by === undefined ? [] : [`known by ${by}`]),
    ...(from === undefined ? [] : [`from ${from}`]),
  ];
  return [momentText(time), who || '-', what, jobId, hostsText(hosts), more.join(', ')].map(printable);
}

/** Of an agent's log: what it was asked, and what came of it. */
export function agentEntryRow(host: string, { time, event, fields }: ChainedLine): string[] {
  const { requester, decision, captureId, jobId, outcome, failure, approvers } = fields;
  const what = [event, decision, outcome].filter((word) => typeof word === 'string').join(' ');
  const more = [
    ...(isObject(failure) ? [`${text(failure.code)}: ${text(failure.message)}`] : []),
    ...(Array.isArray(approvers)
      ? [`approved by ${approvers.filter((one) => typeof one === 'string').join(', ')}`]
      : []),
    ...detailWords(fields),
  ];
  const job = text(jobId) || text(captureId).split('.')[0] || '-';
  return [momentText(time), text(requester) || '-', what, job, host, more.join(', ')].map(printable);
}

function detailWords(detail: Readonly<Record<string, unknown>>): string[] {
  const { state, spec, cost, commandLines, role, upTo, rows, replaced } = detail;
  const [command] = Array.isArray(commandLines) ? commandLines : [];
  return [
    ...(typeof state === 'string' ? [state] : []),
    ...(typeof role === 'string' ? [`as ${role}`] : []),
    ...(isObject(spec) && typeof spec.kind === 'string' ? [spec.kind] : []),
    ...(typeof rows === 'number' ? [`${withCommas(rows)} rows`] : []),
    ...(isObject(replaced) ? [`in place of a log of ${Number(replaced.sequence)} entries`] : []),
    ...(typeof upTo === 'number' ? [`up to entry ${upTo}`] : []),
    ...(isObject(cost) ? [costText(cost)] : []),
    ...(typeof command === 'string' ? [command] : []),
  ];
}

function costText({ toolCpu, agentCpu, spooledBytes }: Readonly<Record<string, unknown>>): string {
  const cpu = (typeof toolCpu === 'number' ? toolCpu : 0) + (typeof agentCpu === 'number' ? agentCpu : 0);
  return `${durationText(cpu)} CPU, ${withCommas(typeof spooledBytes === 'number' ? spooledBytes : 0)} bytes`;
}

function hostsText(hosts: readonly string[]): string {
  if (hosts.length === 0) return '-';
  return hosts.length <= 3 ? hosts.join(' ') : `${hosts.slice(0, 2).join(' ')} and ${hosts.length - 2} more`;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
