// Profiles to bounded, self-checking chunks and back. The format is described in profile.proto.
import type { Profile } from '../profile/profile.js';

/** One part of an encoded profile, as it travels and is stored. */
export interface ProfileChunk {
  /** Which profile of the capture: '' for its main one. */
  readonly name: string;
  readonly index: number;
  readonly isLast: boolean;
  readonly encoding: 'identity' | 'brotli';
  /** CRC-32 (IEEE) of `data`. */
  readonly crc32: number;
  /** Bytes of the decoded data. */
  readonly rawLength: number;
  readonly data: Uint8Array;
}

/** Cut a profile into chunks of at most about 512 KiB before compression. */
export function* encodeProfile(_profile: Profile, _name = ''): Generator<ProfileChunk> {}
