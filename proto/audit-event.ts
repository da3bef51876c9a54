// What an agent writes into its audit log: who asked what, what was decided, what ran, how it ended and what it cost.
import type { Cost, Outcome } from './capture.js';
import type { Failure } from './failure.js';

export type AgentAuditEvent =
  /** A capture was asked for. `failure`: of a refusal, with the rule that refused. */
  | {
      readonly event: 'asked';
      readonly captureId: string;
      readonly requester: string;
      /** As the controller tells; absent from old ones. */
      readonly jobId?: string;
      readonly controller?: string;
      /** Who approved the request; absent when nobody had to. */
      readonly approvers?: readonly string[];
      readonly decision: 'started' | 'refused';
      readonly failure?: Failure;
      /** The spec; scripts by their SHA-256. */
      readonly spec: unknown;
      /** File or default that was applied, and the SHA-256 of the file. */
      readonly policy: string;
      readonly policySha256?: string;
    }
  | {
      readonly event: 'ended';
      readonly captureId: string;
      readonly outcome: Outcome;
      readonly failure?: Failure;
      readonly commandLines: readonly string[];
      readonly cost: Cost;
    }
  | { readonly event: 'stop-asked'; readonly captureId: string; readonly discard: boolean }
  /** Somebody asked a watch to fire. */
  | { readonly event: 'trigger-asked'; readonly captureId: string; readonly who: string; readonly reason: string }
  /** What a killed agent left of a line. */
  | { readonly event: 'torn'; readonly bytes: number; readonly sha256: string }
  /** Entries up to `upTo` were deleted after their time. */
  | { readonly event: 'expired'; readonly upTo: number };
