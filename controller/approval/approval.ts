// Two-person approval: what a server wants a second person to have read before it runs, and what that person decides.
import type { CaptureSpec, StapSpec } from '../../proto/capture.js';

/**
 * Which jobs wait for a second person: none; those with a script of the request, or a command that is to be started for a script; only
 * those with a guru script; all that run SystemTap.
 */
export const APPROVAL_RULES = ['none', 'stap-own', 'stap-guru', 'stap'] as const;
export type ApprovalRule = (typeof APPROVAL_RULES)[number];

/** What becomes of a job that waits. `expired`: nobody decided in time. */
export interface Decision {
  readonly kind: 'approved' | 'rejected' | 'expired';
  /** `bob@server`; '' when it expired. */
  readonly who: string;
  readonly reason: string;
  /** Lower-case hex: the request that the decision is about. */
  readonly requestSha256: string;
  /** Milliseconds since 1970 UTC. */
  readonly decided: number;
}

/** What an approver has to read. */
export interface Approval {
  readonly jobId: string;
  readonly requester: string;
  /** Of the whole request, hosts and times and all, in canonical JSON; lower-case hex. An approval is for exactly that. */
  readonly requestSha256: string;
  readonly scripts: readonly ScriptToRead[];
  readonly hosts: readonly string[];
  /** Milliseconds since 1970 UTC. */
  readonly expires: number;
  readonly decision: Decision | undefined;
}

export interface ScriptToRead {
  readonly name: string;
  /** '' for a script of the catalogue, which each agent has its own text of. */
  readonly text: string;
  /** Of the text, lower-case hex; '' where there is none. */
  readonly sha256: string;
  /** Of a script of the catalogue its parameters, as `name=value`. */
  readonly arguments: readonly string[];
  readonly isGuru: boolean;
  /** What is started for it on each host; empty: nothing. */
  readonly command: readonly string[];
}

/** Methods reject with a FailureError; 'not-found' when there is no such job. */
export interface Approvals {
  /** @throws FailureError 'conflict' for a job that never had to wait */
  get(jobId: string): Promise<Approval>;
  /**
   * Let a waiting job run; it is not started by this.
   * @throws FailureError 'permission' for who asked for the job, 'conflict' for another request or a job that was decided on,
   * 'deadline' when it is too late
   */
  approve(jobId: string, who: string, requestSha256: string): Promise<void>;
  /** The job ends as cancelled. @throws FailureError 'conflict' when it was decided on */
  reject(jobId: string, who: string, reason: string): Promise<void>;
}

/** The scripts that make a job wait; none: it need not. */
export function scriptsToRead(spec: CaptureSpec, rule: ApprovalRule): readonly StapSpec[] {
  switch (spec.kind) {
    case 'record':
    case 'stat':
    case 'file':
    case 'watch':
      return [];
    case 'kit':
      return spec.parts.flatMap((part) => scriptsToRead(part, rule));
    case 'stap':
      return isToRead(spec, rule) ? [spec] : [];
  }
}

function isToRead({ script, command }: StapSpec, rule: ApprovalRule): boolean {
  switch (rule) {
    case 'none':
      return false;
    case 'stap-own':
      return script.from === 'request' || command !== undefined;
    case 'stap-guru':
      return script.from === 'request' && script.isGuru;
    case 'stap':
      return true;
  }
}
