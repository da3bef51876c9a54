// The middle of a fleet and how far its hosts are spread: measures that outliers do not move.

/** With three hosts the odd one out cannot be told from the other two being odd. */
export const LEAST_HOSTS = 4;

/** Of a normal distribution: turns the median absolute deviation into a standard deviation. */
const DEVIATION = 1.4826;

/** The mean of the two in the middle where their number is even; 0 of none. */
export function median(values: readonly number[]): number {
  if (values.length === 0) return 0;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The median absolute deviation from `middle`, scaled to what would be the standard deviation. */
export function spreadAround(values: readonly number[], middle: number): number {
  return DEVIATION * median(values.map((value) => Math.abs(value - middle)));
}
