// What second persons have decided about jobs, as it is kept: once per job, never changed.
import type { Decision } from '../approval/approval.js';

/** Methods reject with the failures of a ControlStore. */
export interface ApprovalStore {
  decision(jobId: string): Promise<Decision | undefined>;
  /** Write a decision down unless there is one; the one that is there then. */
  decide(jobId: string, decision: Decision): Promise<Decision>;
}
