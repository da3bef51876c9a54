// Whole numbers times a power of ten as exact decimal text: no digit is lost to binary fractions.

/** `decimalText(2047n, -9)` is `0.000002047`; whole numbers end in `.0`, as OpenMetrics writes them. */
export function decimalText(value: bigint, exponent: number): string {
  const sign = value < 0n ? '-' : '';
  const digits = String(value < 0n ? -value : value);
  if (exponent >= 0) return `${sign}${digits}${value === 0n ? '' : '0'.repeat(exponent)}.0`;
  const padded = digits.padStart(1 - exponent, '0');
  const point = padded.length + exponent;
  const fraction = padded.slice(point).replace(/0+$/, '');
  return `${sign}${padded.slice(0, point)}.${fraction === '' ? '0' : fraction}`;
}
