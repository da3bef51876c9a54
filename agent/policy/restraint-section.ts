// The sections `budget:` and `admission:` of the policy file: what captures may cost, and when the host takes none.
import { isScalar, type Node } from 'yaml';
import type { BudgetLimits } from '../../proto/budget.js';
import { parseBudget, parseSize } from '../../proto/budget-text.js';
import { FailureError } from '../../proto/failure.js';
import { type BudgetPolicy, DEFAULT_BUDGET, NO_LIMITS } from '../capture/budget-limits.js';
import { type Admission, DEFAULT_ADMISSION, NO_ADMISSION } from '../host/admission.js';
import { offsetOf, type ValueReader } from './value-reader.js';

/** @throws FailureError `bad-data` with the line */
export function budgetSection(reader: ValueReader, node: Node): BudgetPolicy {
  let policy = DEFAULT_BUDGET;
  for (const { key, value } of reader.entries(node, ['standard', 'most'], 'budget')) {
    const budget = readText(reader, key, value, parseBudget);
    const before: BudgetLimits = key === 'standard' ? policy.standard : NO_LIMITS;
    policy = { ...policy, [key]: { ...before, ...budget } };
  }
  return policy;
}

/** @throws FailureError `bad-data` with the line */
export function admissionSection(reader: ValueReader, node: Node): Admission {
  if (isScalar(node) && node.value === 'off') return NO_ADMISSION;
  const known = [
    ...(['load-per-cpu', 'cpu-pressure-percent', 'memory-pressure-percent'] as const),
    ...(['memory', 'memory-percent', 'even-if-busy'] as const),
  ];
  let admission = DEFAULT_ADMISSION;
  for (const { key, value } of reader.entries(node, known, 'admission')) {
    switch (key) {
      case 'load-per-cpu':
        admission = { ...admission, loadPerCpu: readNumber(reader, key, value, 10_000) };
        break;
      case 'cpu-pressure-percent':
        admission = { ...admission, cpuPressurePercent: readNumber(reader, key, value, 100) };
        break;
      case 'memory-pressure-percent':
        admission = { ...admission, memoryPressurePercent: readNumber(reader, key, value, 100) };
        break;
      case 'memory-percent':
        admission = { ...admission, memoryPercent: readNumber(reader, key, value, 100) };
        break;
      case 'memory':
        admission = { ...admission, memoryBytes: readText(reader, key, value, parseSize) };
        break;
      case 'even-if-busy':
        admission = { ...admission, evenIfBusy: reader.permission(key, value) };
        break;
    }
  }
  return admission;
}

function readNumber(reader: ValueReader, key: string, node: Node, most: number): number {
  const value = isScalar(node) ? node.value : undefined;
  if (typeof value === 'number' && value >= 0 && value <= most) return value;
  throw reader.wrong(offsetOf(node), `${key} is a number from 0 (no limit) to ${most}`);
}

function readText<T>(reader: ValueReader, key: string, node: Node, parse: (text: string) => T): T {
  const value = isScalar(node) ? node.value : undefined;
  if (typeof value !== 'string') throw reader.wrong(offsetOf(node), `${key} is a text such as 256M or cpu=2%`);
  try {
    return parse(value);
  } catch (error) {
    if (!(error instanceof FailureError)) throw error;
    throw reader.wrong(offsetOf(node), `${key}: ${error.failure.message}; ${error.failure.remedy}`);
  }
}
