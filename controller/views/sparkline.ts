// A series of numbers as one line of block characters.

const BLOCKS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

export interface SparklineOptions {
  /** At most so many characters; longer series show the mean of neighbours. Default 40. */
  readonly width?: number;
  /** Value of the lowest block. Default 0, or the least value when that is negative. */
  readonly min?: number;
  /** Value of the highest block. Default the greatest value. */
  readonly max?: number;
}

/** `undefined` values (not counted) are gaps. A series of equal values above `min` is a line of full blocks; zeros are lowest ones. */
export function sparkline(values: readonly (number | undefined)[], options: SparklineOptions = {}): string {
  const points = bucketMeans(values, Math.max(1, options.width ?? 40));
  let min = options.min ?? 0;
  let max = options.max ?? Number.NEGATIVE_INFINITY;
  for (const point of points) {
    if (point === undefined) continue;
    if (options.min === undefined) min = Math.min(min, point);
    if (options.max === undefined) max = Math.max(max, point);
  }
  return points.map((point) => (point === undefined ? ' ' : block(point, min, max))).join('');
}

function block(value: number, min: number, max: number): string {
  if (!(max > min)) return BLOCKS[0];
  const share = (value - min) / (max - min);
  return BLOCKS[Math.min(7, Math.max(0, Math.floor(share * 8)))];
}

function bucketMeans(values: readonly (number | undefined)[], width: number): (number | undefined)[] {
  if (values.length <= width) return [...values];
  return Array.from({ length: width }, (_, i) => {
    const part = values.slice(Math.floor((i * values.length) / width), Math.floor(((i + 1) * values.length) / width));
    const known = part.filter((value) => value !== undefined);
    return known.length === 0 ? undefined : known.reduce((sum, value) => sum + value, 0) / known.length;
  });
}
