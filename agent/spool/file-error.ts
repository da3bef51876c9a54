// File system errors: told apart by code, and as failures.
import { type FailureError, fail } from '../../proto/failure.js';

export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && codes.includes(error.code);
}

/** What a failed write means for a capture. */
export function writeFailure(what: string, error: unknown): FailureError {
  const message = `${what}: ${error instanceof Error ? error.message : String(error)}`;
  if (hasCode(error, 'ENOSPC', 'EDQUOT', 'EFBIG')) {
    return fail('exhausted', message, 'free disk space, or move the state directory with --state', error);
  }
  if (hasCode(error, 'EACCES', 'EPERM', 'EROFS')) {
    return fail('permission', message, 'give the agent a directory it may write with --state', error);
  }
  return fail('internal', message, '', error);
}
