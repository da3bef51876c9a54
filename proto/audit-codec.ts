// Parts of an agent's audit log, and the origin of a request: plain values to messages and back.
import type { AgentAuditPart, AgentAuditQuery, RequestOrigin } from './agent-audit.js';
import type { perftrawl } from './generated/perftrawl.js';

/** Of an origin that a controller tells: texts in characters, and how many approvers. */
const mostText = 256;
const mostApprovers = 16;

export function auditQueryFromMessage(message: perftrawl.v1.ReadAuditRequest.$Properties): AgentAuditQuery {
  return { fromSequence: message.fromSequence ?? 0, since: message.sinceMs ?? 0 };
}

export function auditQueryToMessage({ fromSequence, since }: AgentAuditQuery) {
  return { fromSequence, sinceMs: since };
}

export function auditPartToMessage({ lines, head }: AgentAuditPart): perftrawl.v1.AuditLines.$Properties {
  return { lines: [...lines], ...(head && { head: { sequence: head.sequence, hash: head.hash } }) };
}

export function auditPartFromMessage({ lines, head }: perftrawl.v1.AuditLines.$Properties): AgentAuditPart {
  return { lines: lines ?? [], ...(head ? { head: { sequence: head.sequence ?? 0, hash: head.hash ?? '' } } : {}) };
}

export function originToMessage({ jobId, controller, approvers }: RequestOrigin): perftrawl.v1.Origin.$Properties {
  return { jobId, controller, approvers: [...approvers] };
}

/** Texts of a stranger: cut to what fits into a log. */
export function originFromMessage(message: perftrawl.v1.Origin.$Properties): RequestOrigin {
  return {
    jobId: (message.jobId ?? '').slice(0, mostText),
    controller: (message.controller ?? '').slice(0, mostText),
    approvers: (message.approvers ?? []).slice(0, mostApprovers).map((who) => who.slice(0, mostText)),
  };
}
