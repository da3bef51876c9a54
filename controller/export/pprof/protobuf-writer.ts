// Writes protobuf's wire format: just what profile.proto of pprof needs, without an object per message.

/** Grows as needed; `finish` gives the bytes. Numbers are exact below 2^53, and all 64 bits as bigint or as two halves. */
export class ProtobufWriter {
  #bytes = new Uint8Array(1024);
  #length = 0;
  /** Takes one nested field at a time; kept, so that a million small messages do not make a million buffers. */
  #inner: ProtobufWriter | undefined;

  /** A varint field; 0 is left out, as proto3 does. */
  number(field: number, value: number | bigint): void {
    if (value === 0 || value === 0n) return;
    this.#tag(field, 0);
    this.#varint(value);
  }

  /** A varint field of 64 bits in two halves. */
  halves(field: number, low: number, high: number): void {
    if (high < 0x200000) this.number(field, high * 0x1_0000_0000 + low);
    else this.number(field, (BigInt(high) << 32n) | BigInt(low));
  }

  boolean(field: number, value: boolean): void {
    this.number(field, value ? 1 : 0);
  }

  /** A packed repeated varint field; an empty one is left out. */
  packed(field: number, values: Iterable<number>): void {
    const inner = this.#nested();
    for (const value of values) inner.#varint(value);
    if (inner.#length > 0) this.bytes(field, inner.finish());
  }

  /** A text; empty ones are written too, since elements of a repeated field count. */
  text(field: number, value: string): void {
    this.bytes(field, new TextEncoder().encode(value));
  }

  message(field: number, write: (writer: ProtobufWriter) => void): void {
    const inner = this.#nested();
    write(inner);
    this.bytes(field, inner.finish());
  }

  bytes(field: number, value: Uint8Array): void {
    this.#tag(field, 2);
    this.#varint(value.length);
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
  }

  /** A view of the bytes written so far. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  #nested(): ProtobufWriter {
    this.#inner ??= new ProtobufWriter();
    this.#inner.#length = 0;
    return this.#inner;
  }

  #tag(field: number, wireType: number): void {
    this.#varint(field * 8 + wireType);
  }

  /** Seven bits a byte, least first; the high bit says that more follow. */
  #varint(value: number | bigint): void {
    this.#reserve(10);
    let rest = value;
    if (typeof rest === 'bigint') {
      for (rest = BigInt.asUintN(64, rest); rest > 0x7fn; rest >>= 7n)
        this.#bytes[this.#length++] = Number(rest & 0x7fn) | 0x80;
      this.#bytes[this.#length++] = Number(rest);
      return;
    }
    while (rest > 0x7f) {
      this.#bytes[this.#length++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#length++] = rest;
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + count));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}
