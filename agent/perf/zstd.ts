// The decoder of `perf record -z` streams, as the reader needs it; Node 20 has none of its own.

/** Decodes one endless zstd stream that arrives in pieces. */
export interface StreamDecoder {
  /** The bytes that this piece completes. @throws Error when the piece is not zstd */
  decode(piece: Uint8Array): Uint8Array;
}
