// What of a capture goes into the audit log, and what follows when it cannot be written.
import type { RequestOrigin } from '../../proto/agent-audit.js';
import type { AgentAuditEvent } from '../../proto/audit-event.js';
import { auditedSpec } from '../../proto/audited-spec.js';
import type { CaptureSpec } from '../../proto/capture.js';
import { toFailure } from '../../proto/failure.js';
import type { CaptureEnd } from '../capture-run.js';
import type { Policy } from '../policy/policy.js';
import type { AuditLog } from './audit-log.js';

/** Texts of a request in an entry, in characters. */
const MOST_TEXT = 2048;

export interface Asked {
  readonly captureId: string;
  readonly requester: string;
  readonly origin?: RequestOrigin | undefined;
  readonly spec: CaptureSpec;
  /** undefined when it could not be read. */
  readonly policy: Policy | undefined;
}

export interface Auditor {
  /** @throws FailureError when it cannot be written down: then nothing may run */
  started(asked: Asked): Promise<void>;
  /** Never throws: what could not be written is told by `onDefect`, and the refusal stands. */
  refused(asked: Asked, error: unknown): Promise<void>;
  ended(captureId: string, end: CaptureEnd): Promise<void>;
  stopAsked(captureId: string, discard: boolean): Promise<void>;
  /** @throws FailureError when it cannot be written down: then the watch does not fire */
  triggerAsked(captureId: string, who: string, reason: string): Promise<void>;
}

export function auditorOf(log: AuditLog, onDefect: (captureId: string, error: unknown) => void): Auditor {
  const told = async (captureId: string, event: AgentAuditEvent): Promise<void> => {
    try {
      await log.append(event);
    } catch (error) {
      onDefect(captureId, error);
    }
  };
  return {
    started: (asked) => log.append(askedEvent(asked, 'started')),
    refused: (asked, error) => {
      const { code, message, remedy } = toFailure(error);
      const failure = { code, message: message.slice(0, MOST_TEXT), remedy: remedy.slice(0, MOST_TEXT) };
      return told(asked.captureId, { ...askedEvent(asked, 'refused'), failure });
    },
    ended: (captureId, { commandLines, ...end }) => {
      const short = commandLines.slice(0, 32).map((line) => line.slice(0, MOST_TEXT));
      return told(captureId, { event: 'ended', captureId, ...end, commandLines: short });
    },
    stopAsked: (captureId, discard) => told(captureId, { event: 'stop-asked', captureId, discard }),
    triggerAsked: (captureId, who, reason) => {
      const texts = { who: who.slice(0, 256), reason: reason.slice(0, MOST_TEXT) };
      return log.append({ event: 'trigger-asked', captureId, ...texts });
    },
  };
}

function askedEvent({ captureId, requester, origin, spec, policy }: Asked, decision: 'started' | 'refused') {
  return {
    event: 'asked' as const,
    captureId: captureId.slice(0, 140),
    requester: requester.slice(0, 256),
    ...(origin === undefined ? {} : originFields(origin)),
    decision,
    spec: auditedSpec(spec),
    policy: policy?.origin ?? 'a policy that cannot be used',
    ...(policy?.sha256 === undefined ? {} : { policySha256: policy.sha256 }),
  };
}

function originFields({ jobId, controller, approvers }: RequestOrigin) {
  return { jobId, controller, ...(approvers.length === 0 ? {} : { approvers }) };
}
