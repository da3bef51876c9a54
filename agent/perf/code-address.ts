// The one place where addresses change their meaning: from where the processor was to where in an object file that is.
//
//   process-absolute, 64 bits           one number, exact for every canonical address
//   {lo, hi} words of the stream  ───▶  user 0 … 2^47, kernel -2^47 … -1          signedAddress
//                                            │
//                                            │ in map m of object o               objectAddress
//                                            ▼
//   location of the profile       ◀───  elf                    address - m.start + m.fileOffset
//   {lo, hi} words                      kernel, module, bpf    address - m.start
//                       wordsOf         vdso                   address - m.start
//                                       jit, heap, stack       address
//                                       no map                 address
import type { ObjectKind, Word64 } from '../symbolize/object-context.js';

/** 2^53 - 1 and -2^53 + 1 bound what a number holds exactly; no processor has addresses beyond them. */
const HIGH_WORD_LIMIT = 2 ** 21;

/** A 64-bit address read as two's complement, so that kernel addresses are small negative numbers. NaN when no code can be there. */
export function signedAddress(lo: number, hi: number): number {
  const high = hi | 0;
  return high < HIGH_WORD_LIMIT && high >= -HIGH_WORD_LIMIT ? high * 2 ** 32 + (lo >>> 0) : Number.NaN;
}

export function wordsOf(address: number): Word64 {
  return { lo: address >>> 0, hi: Math.floor(address / 2 ** 32) >>> 0 };
}

export interface MappedRange {
  readonly start: number;
  readonly fileOffset: number;
}

/** What a location of the profile says for code at `address` inside of `range`. */
export function objectAddress(kind: ObjectKind, isAnonymous: boolean, range: MappedRange, address: number): number {
  if (isAnonymous) return address;
  switch (kind) {
    case 'kernel':
    case 'module':
    case 'bpf':
    case 'vdso':
      return address - range.start;
    case 'elf':
    case 'unnamed':
      return address - range.start + range.fileOffset;
    case 'jit':
      return address;
  }
}
