// Expected failures as values: a code to act on, a message to read, a remedy to try.
// One table maps them to and from gRPC status codes.
import { status } from '@grpc/grpc-js';

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

const STATUS_OF: Record<FailureCode, status> = {
  'bad-request': status.INVALID_ARGUMENT,
  'tool-missing': status.FAILED_PRECONDITION,
  permission: status.PERMISSION_DENIED,
  'not-found': status.NOT_FOUND,
  refused: status.FAILED_PRECONDITION,
  conflict: status.ALREADY_EXISTS,
  'tool-failed': status.FAILED_PRECONDITION,
  'bad-data': status.DATA_LOSS,
  lost: status.ABORTED,
  deadline: status.DEADLINE_EXCEEDED,
  unreachable: status.UNAVAILABLE,
  untrusted: status.UNAUTHENTICATED,
  exhausted: status.RESOURCE_EXHAUSTED,
  cancelled: status.CANCELLED,
  internal: status.INTERNAL,
};

const CODE_OF_STATUS = new Map<status, FailureCode>([
  [status.CANCELLED, 'cancelled'],
  [status.INVALID_ARGUMENT, 'bad-request'],
  [status.DEADLINE_EXCEEDED, 'deadline'],
  [status.NOT_FOUND, 'not-found'],
  [status.ALREADY_EXISTS, 'conflict'],
  [status.PERMISSION_DENIED, 'permission'],
  [status.RESOURCE_EXHAUSTED, 'exhausted'],
  [status.FAILED_PRECONDITION, 'refused'],
  [status.ABORTED, 'lost'],
  [status.UNAVAILABLE, 'unreachable'],
  [status.DATA_LOSS, 'bad-data'],
  [status.UNAUTHENTICATED, 'untrusted'],
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
