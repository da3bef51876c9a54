// A profile as a body of HTTP: its chunks as the capture events that they travel in from an agent, each after its length in 4 bytes.
import { decodeEvent, encodeEvent } from '../../proto/event-codec.js';
import { type FailureError, fail } from '../../proto/failure.js';
import type { ProfileChunk } from '../../proto/profile-codec.js';

export const PROFILE_TYPE = 'application/vnd.perftrawl.profile';

const lengthBytes = 4;
/** A chunk is half a MiB before compression. */
const mostBytes = 8 * 1024 ** 2;

/** @param position of the chunk, from 1 on */
export function frameOf(chunk: ProfileChunk, position: number): Uint8Array {
  const event = encodeEvent({ sequence: position, time: 0, body: { kind: 'profile-chunk', chunk } });
  const length = Buffer.alloc(lengthBytes);
  length.writeUInt32BE(event.length);
  return Buffer.concat([length, event]);
}

/** Any cutting of the body gives the same chunks. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);

  /** @throws FailureError 'bad-data' */
  *push(data: Uint8Array): Generator<ProfileChunk> {
    this.#rest = this.#rest.length === 0 ? Buffer.from(data) : Buffer.concat([this.#rest, data]);
    while (this.#rest.length >= lengthBytes) {
      const length = this.#rest.readUInt32BE();
      if (length > mostBytes) throw bad(`a chunk of ${length} bytes`);
      if (this.#rest.length < lengthBytes + length) return;
      const { body } = decodeEvent(this.#rest.subarray(lengthBytes, lengthBytes + length));
      this.#rest = this.#rest.subarray(lengthBytes + length);
      if (body.kind !== 'profile-chunk') throw bad(`an event '${body.kind}'`);
      yield body.chunk;
    }
  }

  /** @throws FailureError 'bad-data' when the body ended within a chunk */
  finish(): void {
    if (this.#rest.length > 0) throw bad('an end in the middle of a chunk');
  }
}

function bad(what: string): FailureError {
  return fail('bad-data', `the server sends a profile with ${what}`, 'use the same version of perftrawl on both sides');
}
