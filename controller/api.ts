// What the controller offers to whoever shows it: the CLI today, the HTTP API next. app.ts makes the one implementation.
import type { CounterSeries } from '../profile/counter-series.js';
import type { HistogramSeries } from '../profile/histogram-series.js';
import type { Loss } from '../profile/loss.js';
import type { Profile } from '../profile/profile.js';
import type { TextLine } from '../profile/text-line.js';
import type { ChainedLine, ChainReport } from '../proto/audit-chain.js';
import type {
  Artifact,
  ArtifactPart,
  CaptureEventBody,
  CaptureSpec,
  CaptureStart,
  CaptureState,
  Cost,
  Firing,
  HostDescription,
  KitPart,
  Milliseconds,
  ModuleRef,
  Outcome,
  PreflightResult,
  ProcessInfo,
  ProcessSelector,
  ScriptInfo,
} from '../proto/capture.js';
import type { Failure } from '../proto/failure.js';
import type { HostHealth } from '../proto/host-health.js';
import type { Approvals } from './approval/approval.js';
import type { WrittenEntry } from './audit/audit-entry.js';
import type { Identities } from './enroll/identities.js';
import type { Host, JobRequest, RepeatableRequest } from './job-request.js';
import type { Questions } from './questions/top-question.js';
import type { Schedules } from './schedule/schedule.js';
import type { Teams } from './users/team.js';
import type { Users } from './users/users.js';

export type {
  Address,
  HealthLimit,
  Host,
  JobRequest,
  Priority,
  RepeatableRequest,
  Rollout,
  Sample,
  ScheduleRef,
  Share,
  SyncStart,
} from './job-request.js';
export { PRIORITIES } from './job-request.js';

/**
 * `awaiting-approval`: a second person has to approve it first. `queued`: a server starts it when its turn has come. `interrupted`: the
 * controller went away; `jobs resume` takes it up. `partial`: some hosts failed.
 */
export type JobState =
  | 'awaiting-approval'
  | 'queued'
  | 'running'
  | 'interrupted'
  | 'succeeded'
  | 'partial'
  | 'failed'
  | 'cancelled';

export interface Job {
  /** Short, sortable, safe in file names. */
  readonly id: string;
  readonly request: JobRequest;
  readonly state: JobState;
  /** Milliseconds since 1970 UTC. */
  readonly created: number;
  /** 0 before it runs. */
  readonly started: number;
  /** 0 while it runs. */
  readonly ended: number;
  /** Of a queued one. */
  readonly queue?: QueuePlace;
}

/** Where a job is in the queue. */
export interface QueuePlace {
  /** From 1, in the order in which they would start if nothing else came. */
  readonly position: number;
  readonly of: number;
  /** What it waits for, for a person to read. */
  readonly waitsFor: string;
}

/** One host's part of a job. `lost`: the agent or its capture went away before the end. `skipped`: the rollout stopped before its turn. */
export type HostRunState =
  | 'waiting'
  | 'connecting'
  | 'running'
  | 'fetching'
  | 'succeeded'
  | 'failed'
  | 'lost'
  | 'cancelled'
  | 'skipped';

/** The agent on its way to a host that lacks it. Bytes as they are sent: compressed. */
export type AgentDelivery =
  | { readonly state: 'making' }
  | { readonly state: 'sending'; readonly sentBytes: number; readonly totalBytes: number };

export interface HostRun {
  readonly jobId: string;
  readonly host: string;
  readonly captureId: string;
  readonly state: HostRunState;
  readonly captureState: CaptureState | undefined;
  /** While the agent is made for the host and sent there; never stored. */
  readonly delivery?: AgentDelivery;
  /** While it cannot begin yet: why, for a person to read. */
  readonly waitsFor?: string;
  /** Last event taken from the agent's log. */
  readonly sequence: number;
  readonly started: number;
  readonly ended: number;
  /** Set if and only if the state is `failed`, `lost`, `cancelled` or `skipped`. */
  readonly failure: Failure | undefined;
  readonly progress: {
    readonly elapsed: Milliseconds;
    readonly samples: number;
    readonly bytes: number;
    readonly lost: number;
  };
  readonly losses: readonly Loss[];
  readonly cost: Cost | undefined;
  readonly artifacts: readonly Artifact[];
  readonly commandLines: readonly string[];
  /** Parts of a kit that have ended. */
  readonly parts: readonly PartOutcome[];
  /** The SystemTap module that was sent there; undefined when the host compiles by itself, or needs none. */
  readonly module: ModuleRef | undefined;
  /** Of the host, when the capture had been registered and when it was done; absent when it could not be asked. */
  readonly checks?: { readonly before?: HostCheck; readonly after?: HostCheck };
  /** Of a job whose hosts begin together. */
  readonly start?: HostStart;
  /** Of a watch that has fired, in order. */
  readonly firings?: readonly TakenFiring[];
  /** What it ran on and with, asked when the capture was done; absent for files, and when the host could not be asked. */
  readonly machine?: HostMachine;
}

/** Kernel and tools of a host, as its agent describes it. */
export type HostMachine = Pick<
  HostDescription,
  | 'hostname'
  | 'kernelRelease'
  | 'kernelBuildId'
  | 'architecture'
  | 'osName'
  | 'cpuCount'
  | 'memoryBytes'
  | 'agentVersion'
  | 'tools'
>;

/** A firing of a watch, and the job that has what it recorded. */
export interface TakenFiring extends Firing {
  /** Absent where the host did not let it record. */
  readonly jobId?: string;
  /** What was kept of the time before; absent: nothing was. */
  readonly lookBackJobId?: string;
}

/** Who has a watch fire, and why. */
export interface TriggerCause {
  readonly who: string;
  readonly reason: string;
  /** Asked again with the same one, a watch fires once; absent: each time it is asked. */
  readonly request?: RepeatableRequest;
}

/** When a host was to begin together with others, and when it did. */
export type HostStart =
  | {
      readonly kind: 'agreed';
      /** Of the controller's clock, milliseconds since 1970 UTC. */
      readonly moment: number;
      /** The host's clock less ours, by which it was told the moment. */
      readonly clockOffset: Milliseconds;
      readonly clockUncertainty: Milliseconds;
      /** By the host's clock; absent before it began, and from agents that do not wait. */
      readonly told?: CaptureStart;
    }
  /** It began as soon as it could. */
  | { readonly kind: 'alone'; readonly why: string };

/** What time it was on a host against the controller's clock, and how the host was doing. */
export interface HostCheck {
  /** The host's clock less ours. */
  readonly clockOffset: Milliseconds;
  /** The offset is right to so much. */
  readonly clockUncertainty: Milliseconds;
  readonly health: HostHealth;
}

/** How one part of a kit ended on a host. */
export interface PartOutcome {
  readonly part: KitPart['kind'];
  readonly outcome: Outcome;
  /** Set if and only if the outcome is `failed`. */
  readonly failure?: Failure;
}

/** Told while a job runs, in order per host. */
export type JobEvent =
  | { readonly kind: 'host-run'; readonly run: HostRun }
  | {
      readonly kind: 'capture';
      readonly host: string;
      readonly body: Exclude<CaptureEventBody, { kind: 'profile-chunk' }>;
    }
  /** Counted from 1. */
  | { readonly kind: 'wave'; readonly wave: number; readonly of: number; readonly hosts: number }
  | { readonly kind: 'job'; readonly job: Job };

export interface RunOptions {
  /** Aborting asks the agents to stop and keep what there is, then finishes the job with that; see `cancel` to discard. */
  readonly signal: AbortSignal;
  readonly onEvent: (event: JobEvent) => void;
  /** Aborting leaves the job as it is, with its captures, for whoever resumes it; `run` rejects with the reason. */
  readonly abandon?: AbortSignal;
}

/** Jobs to which all that is given applies, the newest first. */
export interface JobFilter {
  readonly limit: number;
  readonly state?: JobState;
  /** Created at or after, and before; milliseconds since 1970 UTC. */
  readonly since?: number;
  readonly until?: number;
  /** Words of notes, labels, selectors, requesters, events and scripts; each of them, or the beginning of it, in any order. */
  readonly search?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly team?: string;
  readonly requester?: string;
  /** Name of a schedule. */
  readonly schedule?: string;
  /** Name of a host that the job is for. */
  readonly host?: string;
  /** Id of a job: only those that come after it in this order. */
  readonly before?: string;
}

/** What a host answered, or why it did not. */
export type Answer<T> =
  | { readonly host: Host; readonly ok: true; readonly value: T }
  | { readonly host: Host; readonly ok: false; readonly failure: Failure };

/** What `hosts clean` removed from a host. */
export interface RemovedFile {
  readonly path: string;
  readonly kibibytes: number;
}

export interface AuditQuery {
  /** Milliseconds since 1970 UTC; 0: from the beginning. */
  readonly since: number;
  /** A glob; '' for all. */
  readonly who: string;
  /** '' for all. */
  readonly jobId: string;
  /** '' for all. */
  readonly host: string;
  /** The newest so many. */
  readonly limit: number;
}

export interface HostAuditQuery {
  /** Milliseconds since 1970 UTC of each host's own clock; 0: from the beginning. */
  readonly since: number;
  /** '' for all. */
  readonly jobId: string;
  /** The newest so many of each host. */
  readonly limit: number;
}

/** Methods reject with a FailureError. */
export interface AuditLogs {
  /** The controller's own, in order. */
  entries(query: AuditQuery): Promise<readonly WrittenEntry[]>;
  /** Whether the controller's own was changed. */
  verify(): Promise<ChainReport>;
  /** Entries of the agents' logs, each host's in order. */
  ofHosts(
    hosts: readonly Host[],
    query: HostAuditQuery,
    signal: AbortSignal,
  ): Promise<readonly Answer<readonly ChainedLine[]>[]>;
  /** Whether the agents' logs were changed, also since they were verified before; where they end now is written down. */
  verifyHosts(hosts: readonly Host[], signal: AbortSignal): Promise<readonly Answer<ChainReport>[]>;
}

/** Methods reject with a FailureError. Host failures inside a job are values of its host runs, never rejections. */
export interface App {
  /**
   * Hosts of the inventory and those that have enrolled, as far as they match a selector (`role=db,region!=eu`, `name=web-*`, '' for
   * all). Where both have a name, the inventory's is it. `localhost` is always one when there is no inventory.
   */
  hosts(selectorText: string): readonly Host[];
  describe(hosts: readonly Host[], signal: AbortSignal): Promise<readonly Answer<HostDescription>[]>;
  listProcesses(
    hosts: readonly Host[],
    selector: ProcessSelector,
    signal: AbortSignal,
  ): Promise<readonly Answer<readonly ProcessInfo[]>[]>;
  preflight(
    hosts: readonly Host[],
    spec: CaptureSpec,
    signal: AbortSignal,
  ): Promise<readonly Answer<PreflightResult>[]>;
  /** The catalogue of SystemTap scripts that each host's agent has. */
  scripts(hosts: readonly Host[], signal: AbortSignal): Promise<readonly Answer<readonly ScriptInfo[]>[]>;
  /** Write the job down; `run` starts it. */
  submit(request: JobRequest): Promise<Job>;
  run(jobId: string, options: RunOptions): Promise<Job>;
  /** Take up a job whose controller went away; the same result as if it had not. */
  resume(jobId: string, options: RunOptions): Promise<Job>;
  /** Discard what runs of it, on all its hosts, also from another process than the one that runs it. */
  cancel(jobId: string, signal: AbortSignal): Promise<Job>;
  /**
   * Have the watch of a job fire now, whether its controller is there or not.
   * @param hosts names of hosts of the job; none: all of them
   * @returns of each of them the firing, or why it did not fire
   */
  trigger(
    jobId: string,
    hosts: readonly string[],
    cause: TriggerCause,
    signal: AbortSignal,
  ): Promise<readonly Answer<Firing>[]>;
  /** `id` may be a unique prefix, or `last`. */
  job(id: string): Promise<Job>;
  jobs(filter: JobFilter): Promise<readonly Job[]>;
  hostRuns(jobId: string): Promise<readonly HostRun[]>;
  deleteJob(jobId: string): Promise<void>;
  /** The merged profile (`host` undefined) or one host's; `undefined` when there is none. */
  profile(jobId: string, host?: string): Promise<Profile | undefined>;
  series(jobId: string, host?: string): Promise<CounterSeries | undefined>;
  histograms(jobId: string, host?: string): Promise<HistogramSeries | undefined>;
  /** What a host's script printed besides, in order; empty when it printed nothing. */
  text(jobId: string, host: string): Promise<readonly TextLine[]>;
  /** A raw file from the agent that made it, as long as it holds it. Verified against its SHA-256. */
  fetchArtifact(
    jobId: string,
    host: string,
    name: string,
    offset: number,
    signal: AbortSignal,
  ): AsyncIterable<ArtifactPart>;
  /** Remove what was sent to hosts that are reached by ssh. Refuses while captures there were not fetched, unless forced. */
  cleanHosts(
    hosts: readonly Host[],
    isForced: boolean,
    signal: AbortSignal,
  ): Promise<readonly Answer<readonly RemovedFile[]>[]>;
  /** Who may use the server, and who is asking. */
  readonly users: Users;
  /** When jobs are asked for by themselves. A server runs them. */
  readonly schedules: Schedules;
  /** What teams may have of a server. */
  readonly teams: Teams;
  /** Of jobs that wait for a second person. */
  readonly approvals: Approvals;
  /** Who may be a host, by which certificate. */
  readonly identities: Identities;
  /** Over many captures at once, answered where they are stored. */
  readonly questions: Questions;
  /** Who asked for what, and what came of it. */
  readonly auditLogs: AuditLogs;
  close(): Promise<void>;
}
