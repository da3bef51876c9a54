// Expected failures as values: a code to act on, a message to read, a remedy to try.
// One table maps them to and from gRPC status codes.
import type { status } from '@grpc/grpc-js';

export type FailureCode =
  /** The request itself is wrong. */
  | 'bad-request'
  /** A tool (perf, addr2line, …) is not on the host. */
  | 'tool-missing'
  /** The agent may not do it (perf_event_paranoid, not root, …). */
  | 'permission'
  /** No process, cgroup, file or capture of that name. */
  | 'not-found'
  /** The host's policy or admission says no. */
  | 'refused'
  /** The host runs as many captures as it may at a time: this one may have its turn when they have ended. */
  | 'busy'
  /** The same id with another spec. */
  | 'conflict'
  /** perf or another tool ended with an error. */
  | 'tool-failed'
  /** Input that cannot be read. */
  | 'bad-data'
  /** The capture's process or agent went away before the end. */
  | 'lost'
  /** A deadline passed. */
  | 'deadline'
  /** The host cannot be reached. */
  | 'unreachable'
  /** The other side cannot prove who it is, or does not accept who we are. Never retried. */
  | 'untrusted'
  /** Memory, disk or size limits. */
  | 'exhausted'
  | 'cancelled'
  /** A defect of perftrawl. */
  | 'internal';

export interface Failure {
  readonly code: FailureCode;
  /** What was being done, to what, what was found. */
  readonly message: string;
  /** What to try; '' when there is nothing sensible. */
  readonly remedy: string;
}

/** A failure on its way up the stack. */
export class FailureError extends Error {
  override readonly name = 'FailureError';
  readonly failure: Failure;
  constructor(failure: Failure, options?: ErrorOptions) {
    super(failure.remedy === '' ? failure.message : `${failure.message} (${failure.remedy})`, options);
    this.failure = failure;
  }
}

export function fail(code: FailureCode, message: string, remedy = '', cause?: unknown): FailureError {
  return new FailureError({ code, message, remedy }, cause === undefined ? undefined : { cause });
}

/** gRPC's status codes as its protocol fixes them: spelled out so that commands without gRPC need not load it. */
const STATUS = {
  CANCELLED: 1,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

const STATUS_OF: Record<FailureCode, status> = {
  'bad-request': STATUS.INVALID_ARGUMENT,
  'tool-missing': STATUS.FAILED_PRECONDITION,
  permission: STATUS.PERMISSION_DENIED,
  'not-found': STATUS.NOT_FOUND,
  refused: STATUS.FAILED_PRECONDITION,
  busy: STATUS.RESOURCE_EXHAUSTED,
  conflict: STATUS.ALREADY_EXISTS,
  'tool-failed': STATUS.FAILED_PRECONDITION,
  'bad-data': STATUS.DATA_LOSS,
  lost: STATUS.ABORTED,
  deadline: STATUS.DEADLINE_EXCEEDED,
  unreachable: STATUS.UNAVAILABLE,
  untrusted: STATUS.UNAUTHENTICATED,
  exhausted: STATUS.RESOURCE_EXHAUSTED,
  cancelled: STATUS.CANCELLED,
  internal: STATUS.INTERNAL,
};

const CODE_OF_STATUS = new Map<status, FailureCode>([
  [STATUS.CANCELLED, 'cancelled'],
  [STATUS.INVALID_ARGUMENT, 'bad-request'],
  [STATUS.DEADLINE_EXCEEDED, 'deadline'],
  [STATUS.NOT_FOUND, 'not-found'],
  [STATUS.ALREADY_EXISTS, 'conflict'],
  [STATUS.PERMISSION_DENIED, 'permission'],
  [STATUS.RESOURCE_EXHAUSTED, 'exhausted'],
  [STATUS.FAILED_PRECONDITION, 'refused'],
  [STATUS.ABORTED, 'lost'],
  [STATUS.UNAVAILABLE, 'unreachable'],
  [STATUS.DATA_LOSS, 'bad-data'],
  [STATUS.UNAUTHENTICATED, 'untrusted'],
]);

export function isFailureCode(text: string): text is FailureCode {
  return Object.hasOwn(STATUS_OF, text);
}

export function statusOf(code: FailureCode): status {
  return STATUS_OF[code];
}

export function codeOfStatus(code: status): FailureCode {
  return CODE_OF_STATUS.get(code) ?? 'internal';
}

/** Any thrown thing as a failure; what is not one of ours is a defect and says so. */
export function toFailure(error: unknown): Failure {
  if (error instanceof FailureError) return error.failure;
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'internal', message, remedy: 'this is a defect of perftrawl: please report it with the log' };
}
