// A line of the controller's audit log as an entry again. What is not as it should be is left out: `verify` tells of changes.
import { parseLine } from '../../proto/audit-chain.js';
import { type Failure, isFailureCode } from '../../proto/failure.js';
import { AUDITED_ACTS, type WrittenEntry } from './audit-entry.js';

/** Undefined for a text that is no entry, or of an act that this program does not know. */
export function readEntry(line: string): WrittenEntry | undefined {
  const parsed = parseLine(line);
  const what = AUDITED_ACTS.find((act) => act === parsed?.event);
  if (parsed === undefined || what === undefined) return undefined;
  const { who, by, from, jobId, hosts, subject, detail, failure } = parsed.fields;
  const why = toFailure(failure);
  return {
    ...{ sequence: parsed.sequence, time: parsed.time, who: typeof who === 'string' ? who : '', what },
    ...(by === 'token' || by === 'certificate' ? { by } : {}),
    ...(typeof from === 'string' ? { from } : {}),
    ...(typeof jobId === 'string' ? { jobId } : {}),
    ...(Array.isArray(hosts) ? { hosts: hosts.filter((host) => typeof host === 'string') } : {}),
    ...(typeof subject === 'string' ? { subject } : {}),
    ...(typeof detail === 'object' && detail !== null ? { detail: Object.fromEntries(Object.entries(detail)) } : {}),
    ...(why === undefined ? {} : { failure: why }),
  };
}

function toFailure(value: unknown): Failure | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (!('code' in value && 'message' in value && 'remedy' in value)) return undefined;
  const { code, message, remedy } = value;
  if (typeof code !== 'string' || typeof message !== 'string' || typeof remedy !== 'string') return undefined;
  return isFailureCode(code) ? { code, message, remedy } : undefined;
}
