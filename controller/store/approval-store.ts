// What second persons have decided about jobs, as it is kept: once per job, never changed.
import type { Decision } from '../approval/approval.js';

/** Methods reject with the failures of a ControlStore. */
export interface ApprovalStore {
  decision(jobId: string): Promise<Decision | undefined>;
  /**
   * Write a decision down, and let the job that waits for it go on as a queued one, cancelled unless it was approved: both
   * or neither. False when the job waits no longer.
   */
  decide(jobId: string, decision: Decision): Promise<boolean>;
}
