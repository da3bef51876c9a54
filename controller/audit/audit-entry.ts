// What the controller writes down of one act: who asked for what, about which job, hosts or names, and what came of it.
import type { Failure } from '../../proto/failure.js';

/**
 * Verbs are what somebody asked for, written down before it is done; when it then fails, a second entry of the same kind holds the
 * failure. The others are what came of it.
 */
export const AUDITED_ACTS = [
  'submit-job',
  'resume-job',
  'stop-job',
  'cancel-job',
  'trigger-job',
  'delete-job',
  'approve-job',
  'reject-job',
  'host-run-ended',
  'job-ended',
  /** Results of older jobs of a schedule became one. */
  'merge-jobs',
  'clean-hosts',
  'hosts-cleaned',
  /** Whose logs were found in order, and where they ended. */
  'verify-hosts',
  'add-schedule',
  'remove-schedule',
  'pause-schedule',
  'resume-schedule',
  'run-schedule',
  'receive-alerts',
  'set-team',
  'reset-team',
  'add-user',
  'revoke-user',
  'revoke-certificate',
  'make-enroll-token',
  'revoke-enroll-token',
  'enroll-host',
  'forget-host',
  'renew-certificate',
  /** All that a store has was brought from a backup, or from a store of the other engine; in the same transaction as that. */
  'restore-store',
  'migrate-store',
  /** Somebody was not let in, or may not do what he asked for. */
  'refused',
] as const;
export type AuditedAct = (typeof AUDITED_ACTS)[number];

export interface AuditEntry {
  /** `alice`, `bob@workstation`; of a host its name; '' when it is not known. */
  readonly who: string;
  readonly what: AuditedAct;
  /** How that is known; absent: by access to the files of this machine. */
  readonly by?: 'token' | 'certificate';
  /** Where the request came from, as `address:port`; absent: from this machine. */
  readonly from?: string;
  readonly jobId?: string;
  /** Names. */
  readonly hosts?: readonly string[];
  /** The user, certificate or token that it is about. */
  readonly subject?: string;
  /** What else there is to know, as JSON; never a secret, and scripts by their SHA-256. */
  readonly detail?: Readonly<Record<string, unknown>>;
  readonly failure?: Failure;
}

/** An entry as it is read again. */
export interface WrittenEntry extends AuditEntry {
  /** From 1, without a gap. */
  readonly sequence: number;
  /** Milliseconds since 1970 UTC. */
  readonly time: number;
}
