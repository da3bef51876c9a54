// One record inside a buffer: as 32-bit words and as bytes. Valid only until the call that it was given to returns.

export interface RecordView {
  readonly words: Uint32Array;
  readonly bytes: Uint8Array;
  /** Word index of the record's header. */
  readonly at: number;
  /** Bytes of the record, header included. */
  readonly size: number;
}

const utf8 = new TextDecoder();

/** A 64-bit number at word `index`; exact below 2^53. */
export function word64(words: Uint32Array, index: number): number {
  return words[index] + words[index + 1] * 2 ** 32;
}

/** Text up to the first NUL byte, or to `end`. */
export function textAt(bytes: Uint8Array, start: number, end: number): string {
  const zero = bytes.subarray(0, end).indexOf(0, start);
  return start >= end ? '' : utf8.decode(bytes.subarray(start, zero < 0 ? end : zero));
}

export function hexOf(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
}
