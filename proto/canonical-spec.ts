// A capture spec as text: equal specs give equal texts.
import type { CaptureSpec } from './capture.js';

/** JSON with sorted keys. */
export function canonicalSpec(spec: CaptureSpec): string {
  return JSON.stringify(spec, (_key, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}
