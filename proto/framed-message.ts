// Messages on a byte stream before gRPC has it: four bytes of length, big-endian, then the message.
import type { Duplex } from 'node:stream';
import { fail } from './failure.js';

const HEAD_BYTES = 4;

export function framed(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(HEAD_BYTES + message.length);
  frame.writeUInt32BE(message.length);
  frame.set(message, HEAD_BYTES);
  return frame;
}

/**
 * The next message. What follows it stays in the stream, so that another protocol can go on from there. A length above `most` is
 * refused before anything of the message is kept. The deadline is the signal's.
 * @throws FailureError 'bad-data' for a message that is too long, 'unreachable' when the stream ends before one is whole; the stream's
 *   error; the signal's reason
 */
export async function readFramed(stream: Duplex, most: number, signal: AbortSignal): Promise<Buffer> {
  const head = await readBytes(stream, HEAD_BYTES, signal);
  const length = head.readUInt32BE();
  if (length > most) throw fail('bad-data', `a message of ${length} bytes was announced; at most ${most} are taken`);
  return length === 0 ? Buffer.alloc(0) : readBytes(stream, length, signal);
}

function readBytes(stream: Duplex, count: number, signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => {
      stream.off('readable', tryRead);
      stream.off('error', onError);
      stream.off('end', onEnd);
      stream.off('close', onEnd);
      signal.removeEventListener('abort', onAbort);
      act();
    };
    const tryRead = () => {
      // At its end a stream gives what is left, however little.
      const bytes: unknown = stream.read(count);
      if (!(bytes instanceof Buffer)) return;
      if (bytes.length === count) settle(() => resolve(bytes));
      else onEnd();
    };
    const onEnd = () => settle(() => reject(fail('unreachable', 'the other side hung up in the middle')));
    const onError = (error: Error) => settle(() => reject(error));
    const onAbort = () => settle(() => reject(signal.reason));
    if (signal.aborted) return reject(signal.reason);
    if (stream.destroyed || stream.readableEnded) return onEnd();
    stream.on('readable', tryRead);
    stream.on('error', onError);
    stream.on('end', onEnd);
    stream.on('close', onEnd);
    signal.addEventListener('abort', onAbort, { once: true });
    tryRead();
  });
}
