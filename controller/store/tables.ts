// The columns of the database as kysely sees them. Migrations make them; JSON columns hold the types named here.
import type { Generated } from 'kysely';

export interface Tables {
  jobs: JobTable;
  host_runs: HostRunTable;
  profile_chunks: ProfileChunkTable;
  counter_series: BlobTable;
  histogram_series: BlobTable;
  text_lines: BlobTable;
  capture_totals: CaptureTotalsTable;
  total_names: TotalNameTable;
  users: UserTable;
  approval_decisions: ApprovalDecisionTable;
  pending_releases: PendingReleaseTable;
  certificates: CertificateTable;
  enroll_tokens: EnrollTokenTable;
  enrolled_hosts: EnrolledHostTable;
  audit: AuditTable;
  audit_head: AuditHeadTable;
  job_terms: JobTermTable;
  teams: TeamTable;
  queue_turn: QueueTurnTable;
  schedules: ScheduleTable;
  schedule_ticks: ScheduleTickTable;
  leases: LeaseTable;
}

export interface JobTable {
  id: string;
  /** JSON of JobRequest. */
  request: string;
  /** As in the request: for the audit log, which asks for it at the end of each host run. */
  requester: string;
  state: string;
  created: number;
  /** 0 before it runs. */
  started: number;
  ended: number;
  owner: string;
  /** By the database's own clock, milliseconds since 1970 UTC. */
  owner_seen: number;
  cancel_requested: number;
  stop_requested: Generated<number>;
  team: string;
  /** Index in PRIORITIES. */
  priority: number;
  not_before: number;
  /** On which it captures at a time, at most. */
  hosts: number;
  /** Jobs with the same one run one after the other; '' for none. */
  serial: string;
  /** Name of the schedule that asked for it; '' for none. */
  schedule: string;
  /** 1 when its terms are in job_terms. */
  is_indexed: number;
}

export interface HostRunTable {
  job_id: string;
  host: string;
  /** Index of the host in the job's request. */
  position: number;
  state: string;
  /** JSON of HostRun. */
  run: string;
}

/** A host of '' is the merged result. */
export interface ProfileChunkTable {
  job_id: string;
  host: string;
  position: number;
  name: string;
  is_last: number;
  encoding: string;
  crc32: number;
  raw_length: number;
  data: Uint8Array;
}

/** One result of its kind per job and host. */
export interface BlobTable {
  id: Generated<number>;
  job_id: string;
  host: string;
  /** Brotli of the JSON that series-columns.ts, histogram-columns.ts and text-columns.ts make. */
  data: Uint8Array;
}

/** What a profile says about each function, process or object file; none for profiles that have to be read themselves. */
export interface CaptureTotalsTable {
  job_id: string;
  host: string;
  /** `functions`, `comms` or `objects`. */
  rows_of: string;
  /** As capture-totals.ts makes it. */
  data: Uint8Array;
  /** Milliseconds since 1970 UTC, by the database's clock. */
  stored: number;
}

/** What the numbers in totals stand for. */
export interface TotalNameTable {
  id: Generated<number>;
  /** SHA-256 of both, which is how they are found. */
  digest: Uint8Array;
  name: string;
  object: string;
  /** Milliseconds since 1970 UTC, by the database's clock, some hours less than it was. */
  last_used: number;
}

/** Users of the server; times are milliseconds since 1970 UTC, 0: never. */
export interface UserTable {
  name: string;
  role: string;
  team: string;
  created: number;
  expires: number;
  revoked: number;
  token_id: string;
  secret_hash: string;
}

/** At most one per job, never changed. */
export interface ApprovalDecisionTable {
  job_id: string;
  /** `approved`, `rejected` or `expired`. */
  decision: string;
  who: string;
  reason: string;
  request_sha256: string;
  decided: number;
}

/** Only ever added to. */
export interface AuditTable {
  sequence: number;
  /** As proto/audit-chain.ts makes it. */
  line: string;
}

/** One row: where the chain ends. */
export interface AuditHeadTable {
  sequence: number;
  hash: string;
}

/** Captures that agents may delete and were not told to. */
export interface PendingReleaseTable {
  capture_id: string;
  job_id: string;
  host: string;
  /** JSON of Address, its keys in order. */
  address: string;
  /** Milliseconds since 1970 UTC. */
  noted: number;
}

/** Signed for hosts, or revoked. Times are milliseconds since 1970 UTC, 0: never; here and below. */
export interface CertificateTable {
  fingerprint: string;
  serial: string;
  name: string;
  role: string;
  issued: number;
  not_after: number;
  revoked: number;
}

export interface EnrollTokenTable {
  id: string;
  secret_hash: string;
  /** JSON of an object of strings. */
  labels: string;
  name_pattern: string;
  uses: number;
  used: number;
  /** Milliseconds. */
  certificate_life: number;
  may_replace: number;
  created: number;
  expires: number;
  revoked: number;
}

export interface EnrolledHostTable {
  name: string;
  /** JSON of an object of strings. */
  labels: string;
  fingerprint: string;
  serial: string;
  key_sha256: string;
  token_id: string;
  /** Milliseconds. */
  certificate_life: number;
  enrolled: number;
  renewed: number;
  last_seen: number;
  address: string;
}

/** As job-terms.ts makes them. */
export interface JobTermTable {
  term: string;
  job_id: string;
}

/** Quotas, 0: no bound; and how much of its share a team has had. */
export interface TeamTable {
  name: string;
  weight: number;
  most_jobs: number;
  most_hosts: number;
  pass: number;
}

/** One row: whoever writes it is the one who chooses. */
export interface QueueTurnTable {
  /** Jobs that were taken so far. */
  taken: number;
  virtual: number;
}

export interface ScheduleTable {
  name: string;
  /** JSON of ScheduleDefinition. */
  definition: string;
  requester: string;
  /** `active`, `paused` or `ended`. */
  state: string;
  created: number;
  /** Milliseconds since 1970 UTC; 0: never, or at an alert. */
  next_due: number;
}

/** What became of a tick, written once. */
export interface ScheduleTickTable {
  schedule: string;
  due: number;
  state: string;
  reason: string;
  job_id: string;
  count: number;
  last: number;
  decided: number;
}

/** Who alone does something, and until when. */
export interface LeaseTable {
  what: string;
  owner: string;
  until: number;
}
