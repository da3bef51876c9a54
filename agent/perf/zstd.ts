// The decoder of `perf record -z` streams; Node 20 has none of its own.
import { Decompress } from 'fzstd';
import { fail } from '../../proto/failure.js';

/** Decodes one endless zstd stream that arrives in pieces. */
export interface StreamDecoder {
  /**
   * The bytes that this piece completes; valid until the next call.
   * @throws FailureError `bad-data` when the piece is not zstd, or grows or looks back further than perf's streams do
   */
  decode(piece: Uint8Array): Uint8Array;
}

/** Compression level 19, the last without --ultra, looks back 8 MiB. */
const MOST_WINDOW = 1 << 25;
/** A piece is a record of at most 64 KiB; perf fills it from one ring buffer. */
const MOST_PLAIN = 1 << 27;
const MAGIC = 0xfd2fb528;

export function zstdDecoder(): StreamDecoder {
  let parts: Uint8Array[] = [];
  let length = 0;
  const stream = new Decompress((part) => {
    parts.push(part);
    length += part.length;
    if (length > MOST_PLAIN) throw new Error(`64 KiB became more than ${MOST_PLAIN} bytes`);
  });
  return {
    decode: (piece) => {
      parts = [];
      length = 0;
      try {
        refuseWideWindow(piece);
        // A copy: the stream keeps what it cannot use yet, and the piece lies in a buffer that is used again.
        stream.push(piece.slice());
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : String(cause);
        throw fail(
          'bad-data',
          `compressed records (perf record -z) cannot be read: ${reason}`,
          'record without -z',
          cause,
        );
      }
      return parts.length === 1 ? parts[0] : Buffer.concat(parts);
    },
  };
}

/** RFC 8878, 3.1.1.1: the window descriptor follows the frame header descriptor unless the frame is a single segment. */
function refuseWideWindow(piece: Uint8Array): void {
  if (piece.length < 6 || new DataView(piece.buffer, piece.byteOffset, 4).getUint32(0, true) !== MAGIC) return;
  const isSingleSegment = (piece[4] & 0x20) !== 0;
  const window = isSingleSegment ? 0 : 2 ** (10 + (piece[5] >> 3)) * (1 + (piece[5] & 7) / 8);
  if (window > MOST_WINDOW) throw new Error(`its window of ${window} bytes is larger than ${MOST_WINDOW}`);
}
