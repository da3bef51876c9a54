// The output of a child process over a socket that is read into one buffer. Node's own pipes take a new buffer for every 64 KiB, which
// costs more to tidy up than the reading itself.
import { once } from 'node:events';
import { type FileHandle, open } from 'node:fs/promises';
import net from 'node:net';

/** As much as a socket holds, and small enough to stay in the cache until it is parsed. */
const BUFFER_BYTES = 256 * 1024;

/** Given each piece, which is overwritten afterwards: at once, or when the promise that it returns resolves. */
export type TakePiece = (piece: Uint8Array) => Promise<void> | undefined;

/** Both ends of a socket. */
export interface ToolOutput {
  /** For the tool; to be destroyed here once it was started. */
  readonly far: net.Socket;
  readonly near: net.Socket;
  /** Resolves at the end of the output, or when `near` is destroyed; rejects with what `take` threw. Await it once the tool runs. */
  readonly taken: Promise<void>;
}

/** @param directory where a socket lies for a moment; nobody else may enter it */
export async function openToolOutput(directory: string, take: TakePiece): Promise<ToolOutput> {
  // Named through its descriptor, because the path of a socket has at most 107 bytes.
  const place = await open(directory, 'r');
  try {
    return await connectedPair(place, take);
  } finally {
    await place.close();
  }
}

async function connectedPair(place: FileHandle, take: TakePiece): Promise<ToolOutput> {
  const path = `/proc/self/fd/${place.fd}/output`;
  const server = net.createServer({ pauseOnConnect: true });
  try {
    server.listen(path);
    await once(server, 'listening');
    const near = connect(path, take);
    const taken = new Promise<void>((resolve, reject) => {
      near.once('error', reject);
      near.once('close', () => resolve());
    });
    // Told to whoever awaits it, which may be later.
    taken.catch(() => undefined);
    const [far] = await Promise.race([accepted(server), taken.then(() => [])]);
    if (far === undefined) throw new Error(`no connection to ${path}`);
    return { far, near, taken };
  } finally {
    server.close();
  }
}

async function accepted(server: net.Server): Promise<net.Socket[]> {
  return once(server, 'connection');
}

function connect(path: string, take: TakePiece): net.Socket {
  const buffer = new Uint8Array(BUFFER_BYTES);
  /** Whether to go on reading. */
  const callback = (length: number): boolean => {
    try {
      const isBusy = take(buffer.subarray(0, length));
      if (isBusy === undefined) return true;
      isBusy.then(() => near.resume(), stop);
    } catch (error) {
      stop(error);
    }
    return false;
  };
  const near = net.connect({ path, onread: { buffer, callback } });
  const stop = (error: unknown) => {
    near.destroy(error instanceof Error ? error : new Error(String(error)));
  };
  return near;
}
