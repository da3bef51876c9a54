// A connection counts as open when the agent has said something: only then is a TLS 1.3 client certificate accepted for sure, and
// a child process known to run. An HTTP/2 server speaks first (its SETTINGS frame), so nothing has to be asked for it.
import type { Duplex } from 'node:stream';

/**
 * Resolves when bytes can be read; they stay in the stream. Rejects with the stream's error, or with `onEnd()` when it ended
 * without a byte, or with the signal's reason.
 */
export function firstBytes(stream: Duplex, onEnd: () => Error, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => {
      stream.off('readable', onReadable);
      stream.off('error', onError);
      stream.off('end', onEnded);
      stream.off('close', onEnded);
      signal.removeEventListener('abort', onAbort);
      act();
    };
    const onReadable = () => {
      // At its end a stream is 'readable' too, with nothing in it; asking for nothing then makes it say 'end'.
      if (stream.readableLength > 0) settle(resolve);
      else stream.read(0);
    };
    const onError = (error: Error) => settle(() => reject(error));
    const onEnded = () => settle(() => reject(onEnd()));
    const onAbort = () => settle(() => reject(signal.reason));
    stream.on('readable', onReadable);
    stream.on('error', onError);
    stream.on('end', onEnded);
    stream.on('close', onEnded);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}
