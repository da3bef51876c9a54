// How a capture's log lies on disk: a magic number, then frames.
//
//   frame = length of body (u32) | CRC-32 of body (u32) | body          little-endian
//   body  = tag (u8) | CaptureEvent message
//
// Frame n holds event n. The tag lets a reader find the state without decoding the events.
import type { CaptureEvent, CaptureState } from '../../proto/capture.js';
import { crc32 } from '../../proto/crc32.js';
import { encodeEvent } from '../../proto/event-codec.js';

export const LOG_MAGIC = Buffer.from('PTLOG\x01\r\n', 'latin1');
export const FRAME_HEADER_BYTES = 8;
/** A profile chunk is at most about 512 KiB; anything near this is damage. */
export const MAX_BODY_BYTES = 16 * 1024 * 1024;

const TAG: Record<CaptureState, number> = { resolving: 1, running: 2, symbolizing: 3, done: 4, compiling: 5, armed: 6 };
const OTHER = 0;

/** The state that a frame with this tag leads to, if it changes it. */
export function stateOfTag(tag: number): CaptureState | undefined {
  if (tag === TAG.resolving) return 'resolving';
  if (tag === TAG.running) return 'running';
  if (tag === TAG.symbolizing) return 'symbolizing';
  if (tag === TAG.compiling) return 'compiling';
  if (tag === TAG.armed) return 'armed';
  return tag === TAG.done ? 'done' : undefined;
}

export function encodeFrame(event: CaptureEvent): Buffer {
  const message = encodeEvent(event);
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + 1 + message.length);
  frame.writeUInt8(tagOf(event), FRAME_HEADER_BYTES);
  frame.set(message, FRAME_HEADER_BYTES + 1);
  frame.writeUInt32LE(1 + message.length, 0);
  frame.writeUInt32LE(crc32(frame.subarray(FRAME_HEADER_BYTES)), 4);
  return frame;
}

/** The done event itself, not the state event before it, ends a log. */
function tagOf({ body }: CaptureEvent): number {
  if (body.kind === 'done') return TAG.done;
  return body.kind === 'state' && body.state !== 'done' ? TAG[body.state] : OTHER;
}
