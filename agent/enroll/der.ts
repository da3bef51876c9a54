// The little of ASN.1's DER encoding that a request for a certificate needs (ITU-T X.690). Values in, bytes out.

/** Tag, length in as few bytes as can be, contents. */
export function element(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(contents);
  return Buffer.concat([Buffer.from([tag, ...lengthBytes(body.length)]), body]);
}

export function sequence(...elements: readonly Uint8Array[]): Buffer {
  return element(0x30, ...elements);
}

export function setOf(only: Uint8Array): Buffer {
  return element(0x31, only);
}

/** `[number]`, constructed, in place of the set that is meant. */
export function tagged(number: number, ...contents: readonly Uint8Array[]): Buffer {
  return element(0xa0 | number, ...contents);
}

/** @param value from 0 to 127 */
export function smallInteger(value: number): Buffer {
  return element(0x02, Uint8Array.of(value));
}

export function utf8String(text: string): Buffer {
  return element(0x0c, Buffer.from(text, 'utf8'));
}

/** Of whole bytes. */
export function bitString(bytes: Uint8Array): Buffer {
  return element(0x03, Uint8Array.of(0), bytes);
}

/** @param text dotted decimal, such as `2.5.4.3`; at least two numbers, the first below 3, the second below 40 */
export function objectIdentifier(text: string): Buffer {
  const [first, second, ...rest] = text.split('.').map(Number);
  return element(0x06, Uint8Array.from([40 * first + second, ...rest.flatMap(base128)]));
}

function base128(value: number): readonly number[] {
  const digits = [value % 128];
  for (let left = Math.floor(value / 128); left > 0; left = Math.floor(left / 128)) digits.unshift((left % 128) | 128);
  return digits;
}

function lengthBytes(length: number): readonly number[] {
  if (length < 128) return [length];
  const bytes = [length % 256];
  for (let left = Math.floor(length / 256); left > 0; left = Math.floor(left / 256)) bytes.unshift(left % 256);
  return [0x80 | bytes.length, ...bytes];
}
