// A capture spec as audit logs hold it: all that was asked, but scripts by their SHA-256.
import { createHash } from 'node:crypto';
import { canonicalSpec } from './canonical-spec.js';
import type { CaptureSpec } from './capture.js';

/** Entries stay short, whatever a request holds, in bytes. */
const MOST = 32 * 1024;

export function auditedSpec(spec: CaptureSpec): unknown {
  const short: unknown = JSON.parse(canonicalSpec(spec), (key, value: unknown) =>
    key === 'text' && typeof value === 'string' ? { sha256: sha256Of(value) } : value,
  );
  const text = JSON.stringify(short);
  return text.length <= MOST ? short : { kind: spec.kind, sha256: sha256Of(text), bytes: text.length };
}

function sha256Of(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
