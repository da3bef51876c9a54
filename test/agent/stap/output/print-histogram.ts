// stap's own way to count and print a histogram, written again from systemtap's runtime/stat-common.c and stat.h, with 64-bit integers as
// in C. It shares nothing with the parser: the tests print with it what the parser has to read.

export type Kind =
  | { readonly kind: 'log2' }
  | { readonly kind: 'linear'; readonly start: bigint; readonly stop: bigint; readonly interval: bigint };

export interface PrintOptions {
  /** -DHIST_WIDTH. */
  readonly width?: number;
  /** -DHIST_ELISION. */
  readonly elision?: number;
}

const LOG_BUCKETS = 128;
const BUCKET0 = 64;

/** _stp_stat_calc_buckets, __stp_stat_add: how often each bucket was met. */
export function countValues(kind: Kind, values: readonly bigint[]): bigint[] {
  const length = kind.kind === 'log2' ? LOG_BUCKETS : Number((kind.stop - kind.start) / kind.interval) + 3;
  const buckets = new Array<bigint>(length).fill(0n);
  for (const value of values) {
    if (kind.kind === 'log2') {
      buckets[Math.min(valueToBucket(value), length - 1)]++;
      continue;
    }
    const above = value - kind.start;
    const index = above < 0n ? 0n : above / kind.interval + 1n;
    buckets[index >= BigInt(length - 1) ? length - 1 : Number(index)]++;
  }
  return buckets;
}

/** _stp_stat_print_histogram_buf, the empty line included. */
export function printHistogram(kind: Kind, buckets: readonly bigint[], options: PrintOptions = {}): string {
  const width = options.width ?? 50;
  const elision = options.elision ?? 2;
  let low = -1;
  let high = 0;
  let greatest = 0n;
  for (let i = 0; i < buckets.length; i++) {
    if (buckets[i] > 0n && low === -1) low = i;
    if (buckets[i] > 0n) high = i;
    if (buckets[i] > greatest) greatest = buckets[i];
  }
  for (let i = 0; i < 2; i++) {
    if (kind.kind === 'log2') {
      if (low !== BUCKET0 && low > 0) low--;
    } else if (low > 0) low--;
    if (high < buckets.length - 1) high++;
  }
  let under = 0;
  let over = 0;
  if (kind.kind === 'linear') {
    if (low === 0 && buckets[0] === 0n) low++;
    if (high === buckets.length - 1 && buckets[high] === 0n) high--;
    if (low === 0) under = 1;
    if (high === buckets.length - 1) over = 1;
  }
  let scale = 1n;
  if (greatest > BigInt(width)) scale = greatest / BigInt(width) + (greatest % BigInt(width) > 0n ? 1n : 0n);
  const countSpace = neededSpace(greatest);
  let valueSpace =
    kind.kind === 'linear'
      ? Math.max(neededSpace(kind.start) + under, neededSpace(kind.start + kind.interval * BigInt(high)) + over)
      : Math.max(neededSpace(bucketToValue(high)), neededSpace(bucketToValue(low)));
  valueSpace = Math.max(valueSpace, 5);
  let text = `${'value'.padStart(valueSpace)} |${'-'.repeat(width)} count\n`;
  let isEliding = false;
  for (let i = low; i <= high; i++) {
    if (elision >= 0) {
      const most = Math.min(elision, buckets.length);
      let isElided = true;
      for (let k = Math.max(low, i - most); k <= Math.min(high, i + most); k++) if (buckets[k] !== 0n) isElided = false;
      if (isElided) {
        isEliding = true;
        continue;
      }
      if (isEliding) {
        text += `${''.padStart(valueSpace)} ~\n`;
        isEliding = false;
      }
    }
    let prefix = '';
    let value: bigint;
    if (kind.kind === 'log2') value = bucketToValue(i);
    else if (i === 0) {
      value = kind.start;
      prefix = '<';
    } else if (i === buckets.length - 1) {
      value = kind.start + BigInt(i - 2) * kind.interval;
      prefix = '>';
    } else value = kind.start + BigInt(i - 1) * kind.interval;
    const bar = Number(buckets[i] / scale);
    text += `${prefix.padStart(valueSpace - neededSpace(value))}${value} |`;
    text += `${'@'.repeat(bar)}${String(buckets[i]).padStart(width - bar + 1 + countSpace)}\n`;
  }
  return `${text}\n`;
}

function neededSpace(value: bigint): number {
  return String(value).length;
}

function bucketToValue(index: number): bigint {
  if (index === BUCKET0) return 0n;
  if (index < BUCKET0) return BigInt.asIntN(64, -0x8000000000000000n) >> BigInt(index);
  return 1n << BigInt(index - BUCKET0 - 1);
}

/** _stp_val_to_bucket, its shifts as they stand there. */
function valueToBucket(given: bigint): number {
  if (given === 0n) return BUCKET0;
  let value = BigInt.asUintN(64, given < 0n ? -given : given);
  let result = LOG_BUCKETS;
  const shift = (by: number) => {
    value = BigInt.asUintN(64, value << BigInt(by));
    result -= by;
  };
  if ((value & 0xffffffffffff0000n) !== 0n) {
    if ((value & 0xffffffff00000000n) === 0n) shift(32);
    if ((value & 0xffff000000000000n) === 0n) shift(16);
  } else shift(48);
  if ((value & 0xff00000000000000n) === 0n) shift(8);
  if ((value & 0xf000000000000000n) === 0n) shift(4);
  if ((value & 0xc000000000000000n) === 0n) shift(2);
  if ((value & 0x8000000000000000n) === 0n) shift(1);
  return given < 0n ? LOG_BUCKETS - result : result;
}
