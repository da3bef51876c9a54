// The agent's service as TypeScript sees it, on both sides of the wire. Servers implement it; clients offer it.
import type { AgentAuditPart, AgentAuditQuery, RequestOrigin } from './agent-audit.js';
import type {
  ArtifactPart,
  CaptureEvent,
  CaptureInfo,
  CaptureSpec,
  CaptureState,
  Firing,
  HostDescription,
  ModulePart,
  ModuleRequest,
  ModuleUpload,
  PreflightResult,
  ProcessInfo,
  ProcessSelector,
  ScriptInfo,
} from './capture.js';
import type { HealthReading } from './host-health.js';

/** Each call may throw a FailureError; streams may throw one while being read. Aborting `signal` ends the call. */
export interface AgentApi {
  describe(signal: AbortSignal): Promise<HostDescription>;
  listProcesses(selector: ProcessSelector, signal: AbortSignal): Promise<readonly ProcessInfo[]>;
  preflight(spec: CaptureSpec, signal: AbortSignal): Promise<PreflightResult>;
  /** Idempotent by `captureId`; resolves once the capture is registered (its spool exists), before perf runs. */
  startCapture(request: StartCapture, signal: AbortSignal): Promise<{ readonly isNew: boolean }>;
  /** Events from number `fromSequence` (1-based) on, those spooled and those to come; ends after the `done` event. */
  followCapture(captureId: string, fromSequence: number, signal: AbortSignal): AsyncIterable<CaptureEvent>;
  fetchArtifact(captureId: string, name: string, offset: number, signal: AbortSignal): AsyncIterable<ArtifactPart>;
  stopCapture(captureId: string, discard: boolean, signal: AbortSignal): Promise<CaptureState>;
  /** Have a watch capture now. @throws FailureError `refused` while it may not fire, and why */
  triggerCapture(request: TriggerCapture, signal: AbortSignal): Promise<Firing>;
  listCaptures(signal: AbortSignal): Promise<readonly CaptureInfo[]>;
  /** Whether there was something to release. */
  releaseCapture(captureId: string, signal: AbortSignal): Promise<boolean>;
  /** The catalogue of SystemTap scripts. */
  listScripts(signal: AbortSignal): Promise<readonly ScriptInfo[]>;
  /** Compile a script here for another host's kernel (`stap -p4`); the .ko in parts. */
  buildModule(request: ModuleRequest, signal: AbortSignal): AsyncIterable<ModulePart>;
  /** Bytes of that module that are here after this part; `size` once it is complete and its SHA-256 is right. Resumable. */
  putModule(upload: ModuleUpload, signal: AbortSignal): Promise<number>;
  /** What time it is there and how the host is doing; cheap. */
  readHealth(signal: AbortSignal): Promise<HealthReading>;
  /** The agent's audit log, to its end as it is now; one part at least. @throws FailureError 'not-found' when it keeps none */
  readAudit(query: AgentAuditQuery, signal: AbortSignal): AsyncIterable<AgentAuditPart>;
}

export interface StartCapture {
  readonly captureId: string;
  readonly spec: CaptureSpec;
  readonly requester: string;
  /** Absent: a controller that does not tell. */
  readonly origin?: RequestOrigin;
  /** Begin to observe at this moment of the agent's clock, milliseconds since 1970 UTC; absent: at once. */
  readonly startAt?: number;
}

export interface TriggerCapture {
  readonly captureId: string;
  readonly who: string;
  readonly reason: string;
  /** Of whoever asks: asking twice fires once. Letters and digits, at most 64. */
  readonly requestId: string;
}
