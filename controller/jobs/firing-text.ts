// Why a watch fired, in one line.
import type { FiringCause } from '../../proto/capture.js';
import { conditionText, thresholdText } from '../../proto/watch-condition.js';

/** Observations that are told. */
const mostObserved = 5;

/** `page-faults/s > 5000 for 3 intervals (6123, 7002, 8411)`, or `alice asked: slow queries`. Of foreign text: print it with care. */
export function causeText(cause: FiringCause): string {
  if (cause.kind === 'asked') {
    const reason = cause.reason === '' ? '' : `: ${cause.reason}`;
    return `${cause.who === '' ? 'somebody' : cause.who} asked${reason}`;
  }
  const { condition, observed } = cause;
  const shown = observed
    .slice(-mostObserved)
    .map(({ values }) => values.map((value, term) => valueText(condition.terms[term]?.measure, value)).join('/'));
  const more = observed.length > shown.length ? '… ' : '';
  const intervals = observed.length === 1 ? 'an interval' : `${observed.length} intervals`;
  return `${conditionText(condition)} for ${intervals} (${more}${shown.join(', ')})`;
}

/** Four digits are enough to see by how much. */
function valueText(measure: Parameters<typeof thresholdText>[0] | undefined, value: number): string {
  const rounded = value >= 1000 ? Math.round(value) : Number(value.toPrecision(4));
  return measure === undefined ? String(rounded) : thresholdText(measure, rounded);
}
