// Which captures nobody will fetch any more: the old ones, and of the others the oldest when the spool is short of room.
import type { CaptureState, Milliseconds } from '../../proto/capture.js';

export interface Aged {
  readonly captureId: string;
  readonly state: CaptureState;
  readonly spooledBytes: number;
  /** Since its last event. */
  readonly age: Milliseconds;
}

export interface ExpiryRule {
  /** A capture that has been done for longer goes. */
  readonly maxAge: Milliseconds;
  /** All captures together shall not hold more bytes, as far as that can be had. */
  readonly maxBytes: number;
}

/** Room is made only of captures that a controller which is there would have fetched by now. */
export const SAFE_AGE: Milliseconds = 60 * 60_000;

/** The oldest first, each with the reason for a person to read. Never one that is not done. */
export function expired(captures: readonly Aged[], rule: ExpiryRule): { captureId: string; why: string }[] {
  let bytes = captures.reduce((sum, { spooledBytes }) => sum + spooledBytes, 0);
  const gone: { captureId: string; why: string }[] = [];
  const done = captures.filter(({ state }) => state === 'done').sort((a, b) => b.age - a.age);
  for (const { captureId, age, spooledBytes } of done) {
    const isOld = age > rule.maxAge;
    const isInTheWay = bytes > rule.maxBytes && age > SAFE_AGE;
    if (!isOld && !isInTheWay) continue;
    bytes -= spooledBytes;
    const hours = Math.floor(age / 3_600_000);
    const why = isOld ? 'it is older than captures are kept' : 'the spool is nearly full';
    gone.push({ captureId, why: `nobody fetched it for ${hours} hours, and ${why} (${spooledBytes} bytes)` });
  }
  return gone;
}

/**
 * Since the last event. The wall clock may have been set meanwhile: a capture of this boot is no older than the process that made it.
 * @param written when its log was written last, milliseconds since 1970 UTC
 * @param ownerAge since its owner started, by a clock that nobody sets; undefined when that was in another boot
 */
export function ageOf(written: number, now: number, ownerAge: Milliseconds | undefined): Milliseconds {
  return Math.max(0, Math.min(now - written, ownerAge ?? Number.POSITIVE_INFINITY));
}
