// Failures as HTTP statuses. The body has the failure itself: a status is for programs that look no further.
import type { FailureCode } from '../../proto/failure.js';

export const STATUS_OF: Record<FailureCode, number> = {
  'bad-request': 400,
  untrusted: 401,
  permission: 403,
  refused: 403,
  'not-found': 404,
  conflict: 409,
  cancelled: 409,
  busy: 429,
  exhausted: 429,
  internal: 500,
  'tool-missing': 502,
  'tool-failed': 502,
  'bad-data': 502,
  lost: 502,
  unreachable: 502,
  deadline: 504,
};
