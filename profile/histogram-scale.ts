// How bucket bounds grow, which values a scale can hold, and which scale two histograms have in common.

/**
 * Powers of two (stap's @hist_log): 0 is in [0, 1), 1 in [1, 2), 2 and 3 in [2, 4), …; negative values mirrored: -1 in [-1, 0), -2 and
 * -3 in [-3, -1), …. Equal steps (@hist_linear, with its arguments): [from + k * step, from + (k + 1) * step), the last one beginning at
 * or below `to` (stap's runtime, stat-common.c). All integers.
 */
export type Scale =
  | { readonly kind: 'log2' }
  | { readonly kind: 'linear'; readonly from: number; readonly to: number; readonly step: number };

type LinearScale = Extract<Scale, { kind: 'linear' }>;

/** A scale, and how many values of a histogram lie outside. Underflow is below `scaleRange.from`, overflow at or above its end. */
export interface Extent {
  readonly scale: Scale;
  readonly underflow: number;
  readonly overflow: number;
}

/** What fits in the buckets: `[from, end)`. stap's log2 buckets hold every 64-bit integer. */
export function scaleRange(scale: Scale): { readonly from: number; readonly end: number } {
  if (scale.kind === 'log2') return { from: -(2 ** 63), end: 2 ** 63 };
  return { from: scale.from, end: scale.from + (Math.floor((scale.to - scale.from) / scale.step) + 1) * scale.step };
}

/** Equal for scales whose bucket bounds are the same wherever both have buckets: histograms of one grid add up exactly. */
export function gridOf(scale: Scale): string {
  return scale.kind === 'log2' ? 'log2' : `linear ${scale.step} ${modulo(scale.from, scale.step)}`;
}

/** `log2`, `linear 0 to 100 by 10`. */
export function scaleText(scale: Scale): string {
  return scale.kind === 'log2' ? 'log2' : `linear ${scale.from} to ${scale.to} by ${scale.step}`;
}

/**
 * The finest scale that the values of both can be counted in without splitting a bucket, or why there is none. Where nothing lies
 * outside, the range is the union of both; an end beyond which values are known only by number stays where it is.
 * Commutative; associative over histograms of one grid, because underflow and overflow are moved along.
 */
export function commonScale(
  a: Extent,
  b: Extent,
): { readonly ok: true; readonly scale: Scale } | { readonly ok: false; readonly reason: string } {
  if (a.scale.kind === 'log2' && b.scale.kind === 'log2') return { ok: true, scale: a.scale };
  if (a.scale.kind === 'log2' || b.scale.kind === 'log2') {
    return refused('buckets of powers of two and of equal steps would have to be split', a, b);
  }
  const edges = commonEdges(a.scale, b.scale);
  if (edges === undefined) return refused('their bucket bounds never meet', a, b);
  const ranges = [scaleRange(a.scale), scaleRange(b.scale)];
  const below = [a, b].flatMap((extent, i) => (extent.underflow > 0 ? [ranges[i].from] : []));
  const above = [a, b].flatMap((extent, i) => (extent.overflow > 0 ? [ranges[i].end] : []));
  const { step, phase } = edges;
  const down = (value: number) => value - modulo(value - phase, step);
  const up = (value: number) => value + modulo(phase - value, step);
  const from = below.length > 0 ? up(Math.max(...below)) : down(Math.min(...ranges.map((range) => range.from)));
  const end = above.length > 0 ? down(Math.min(...above)) : up(Math.max(...ranges.map((range) => range.end)));
  if (end <= from) return refused('no bucket is left between the underflow and the overflow of both', a, b);
  if (![from, end].every(Number.isSafeInteger)) return refused('the bucket bounds of both pass 2^53', a, b);
  const isSameEnd = a.scale.to === b.scale.to && step === a.scale.step && step === b.scale.step;
  return { ok: true, scale: { kind: 'linear', from, to: isSameEnd ? a.scale.to : end - step, step } };
}

function refused(why: string, a: Extent, b: Extent): { ok: false; reason: string } {
  return { ok: false, reason: `${scaleText(a.scale)} and ${scaleText(b.scale)}: ${why}` };
}

/**
 * Bounds that both grids have: every `step` from `phase` on. The smallest x with x = a.from modulo a.step and x = b.from modulo
 * b.step (Chinese remainder theorem); none when the distance of the two is no multiple of the greatest common divisor.
 */
function commonEdges(a: LinearScale, b: LinearScale): { step: number; phase: number } | undefined {
  if (a.step === b.step) {
    const phase = modulo(a.from, a.step);
    return phase === modulo(b.from, b.step) ? { step: a.step, phase } : undefined;
  }
  const [stepA, stepB] = [BigInt(a.step), BigInt(b.step)];
  const { divisor, factor } = greatestCommonDivisor(stepA, stepB);
  const distance = BigInt(b.from) - BigInt(a.from);
  if (distance % divisor !== 0n) return undefined;
  const step = (stepA / divisor) * stepB;
  const shared = BigInt(a.from) + stepA * ((distance / divisor) * factor);
  const phase = ((shared % step) + step) % step;
  return step <= BigInt(Number.MAX_SAFE_INTEGER) ? { step: Number(step), phase: Number(phase) } : undefined;
}

/** `factor * a` is the divisor modulo b (extended Euclidean algorithm). */
function greatestCommonDivisor(a: bigint, b: bigint): { divisor: bigint; factor: bigint } {
  let [rest, next] = [a, b];
  let [factor, nextFactor] = [1n, 0n];
  while (next !== 0n) {
    const quotient = rest / next;
    [rest, next] = [next, rest - quotient * next];
    [factor, nextFactor] = [nextFactor, factor - quotient * nextFactor];
  }
  return { divisor: rest, factor };
}

/** Not negative, whatever the sign of the value; +0, never -0. */
function modulo(value: number, divisor: number): number {
  const rest = value % divisor;
  return rest < 0 ? rest + divisor : rest + 0;
}

/** End of the bucket that begins at `from`, a bound of the scale. */
export function endOfBucket(scale: Scale, from: number): number {
  if (scale.kind === 'linear') return from + scale.step;
  if (from === 0) return 1;
  return from > 0 ? 2 * from : 1 - Math.floor((1 - from) / 2);
}
