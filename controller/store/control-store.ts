// What the controller must not forget while it works: jobs and host runs. Results are in the SampleStore.
import type { Milliseconds } from '../../proto/capture.js';
import type { HostRun, JobFilter, JobRequest, JobState, RepeatableRequest } from '../api.js';

/** A job as stored. Whether a running one is `interrupted` depends on its owner, which the store cannot know. */
export type StoredJobState = Exclude<JobState, 'interrupted'>;

/** States that a job keeps. */
export type EndedJobState = Exclude<StoredJobState, 'running' | 'queued' | 'awaiting-approval'>;

/** What may become of a job; every change of the store keeps to it. */
export const NEXT_STATES: Readonly<Record<StoredJobState, readonly StoredJobState[]>> = {
  'awaiting-approval': ['queued'],
  queued: ['running'],
  running: ['succeeded', 'partial', 'failed', 'cancelled'],
  succeeded: [],
  partial: [],
  failed: [],
  cancelled: [],
};

export interface StoredJob {
  readonly id: string;
  readonly request: JobRequest;
  readonly state: StoredJobState;
  readonly created: number;
  /** 0 before it runs. */
  readonly started: number;
  readonly ended: number;
  /** Who runs it (see jobs/owner.ts); '' when nobody does. */
  readonly owner: string;
  /** For how long the owner has not said that it lives, by the database's clock when the job was read: clocks of controllers differ. */
  readonly ownerSilence: Milliseconds;
  readonly isCancelRequested: boolean;
}

/** As JobFilter, of stored states. */
export interface JobQuery extends Omit<JobFilter, 'state' | 'before'> {
  readonly states?: readonly StoredJobState[];
  /** Those that come after this one in the list: how a long list is read in parts. */
  readonly after?: Pick<StoredJob, 'id' | 'created'>;
}

/** What the owner of a job learns each time it says that it lives. */
export interface Renewal {
  /** False: another controller has taken the job over, or it has ended. */
  readonly isOwner: boolean;
  readonly isCancelRequested: boolean;
  /** End it early and keep what there is. */
  readonly isStopRequested: boolean;
}

/** Who runs a running job. */
export type Ownership = Pick<StoredJob, 'id' | 'owner' | 'ownerSilence'>;

/**
 * Methods reject with a FailureError: 'bad-data' (corrupt), 'exhausted' (full or locked), 'permission', 'conflict', StoreAway. Those that a
 * running job needs may be called again with the same arguments when nobody knows whether they were done: the answer is the same.
 */
export interface ControlStore {
  /** A new job with its host runs. @throws FailureError 'conflict' when the id is taken */
  createJob(job: StoredJob, runs: readonly HostRun[]): Promise<void>;
  /**
   * A new job, unless the request has made one within a day that was not deleted: then nothing is written.
   * @returns the id of the one job of that request
   * @throws FailureError 'conflict' when the id is taken, or the key was used for another request
   */
  createJobOnce(job: StoredJob, runs: readonly HostRun[], request: RepeatableRequest): Promise<string>;
  /** Write down that a request is about a job, for a day. @returns the id of the job that it was about at first @throws as createJobOnce */
  noteRequest(request: RepeatableRequest, jobId: string): Promise<string>;
  /** The job that a request has made or was about. @throws FailureError 'conflict' when the key was used for another request */
  jobOfRequest(request: RepeatableRequest): Promise<string | undefined>;
  job(id: string): Promise<StoredJob | undefined>;
  /** The newest first. */
  jobs(query: JobQuery): Promise<readonly StoredJob[]>;
  /** Ids that begin with `prefix`, at most `limit`, in order. */
  idsWithPrefix(prefix: string, limit: number): Promise<readonly string[]>;
  /** Make `owner` the owner of a running or queued job, which runs then, if `from` still is; false when somebody was faster, or it has ended. */
  claimJob(id: string, from: string, owner: string, now: number): Promise<boolean>;
  /** A job that waits for approval goes on as a queued, cancelled one; nothing is changed when it does not wait. */
  cancelAwaiting(id: string): Promise<void>;
  /** Of all running jobs, the oldest first. */
  ownerships(limit: number): Promise<readonly Ownership[]>;
  renewJob(id: string, owner: string): Promise<Renewal>;
  /** Of a running or a queued job. */
  requestCancel(id: string): Promise<void>;
  /** The owner ends the job early and keeps what there is; nothing is changed when it does not run. */
  requestStop(id: string): Promise<void>;
  /** Ends a running job if `owner` owns it; false when it does not. */
  finishJob(id: string, owner: string, state: EndedJobState, now: number): Promise<boolean>;
  /** In the order of the job's hosts. */
  hostRuns(jobId: string): Promise<readonly HostRun[]>;
  /**
   * Replace a host run that has not ended yet; false, and nothing is changed, when it has: there is one result per host run.
   * @param owner of the job; absent: whoever it is
   * @throws FailureError 'conflict' when somebody else owns the job now
   */
  updateHostRun(run: HostRun, owner?: string): Promise<boolean>;
  deleteJob(id: string): Promise<void>;
}
