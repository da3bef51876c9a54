// An agent's audit log as it is asked for and told; see agent/audit/ for how it is written.
import type { ChainEnd } from './audit-chain.js';

export interface AgentAuditQuery {
  /** First entry wanted, from 1; 0: the first that is left. */
  readonly fromSequence: number;
  /** Milliseconds since 1970 UTC: lines before the first entry of this time or later are left out. 0: none. */
  readonly since: number;
}

export interface AgentAuditPart {
  /** In order, without line feeds; what is no entry too. */
  readonly lines: readonly string[];
  /** In the first part: where the log ends by the agent's own account; undefined when nothing was written. */
  readonly head?: ChainEnd;
}

/** On behalf of whom and what a capture is started, for the agent's audit log. */
export interface RequestOrigin {
  readonly jobId: string;
  /** `perftrawl@workstation` */
  readonly controller: string;
  /** Who read and approved the request; empty when nobody had to. */
  readonly approvers: readonly string[];
}
