// Budgets as people write them: `1%`, `cpu=2%,memory=256M,spool=500M`, `none`.
import type { Budget } from './budget.js';
import { fail } from './failure.js';

const SIZE = /^(\d{1,16}(?:\.\d{1,3})?)([KMGT]?)(?:i?B)?$/;
const FACTOR = { '': 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 };

/** What is not said is left out; `none` is 0, in all or in one place. @throws FailureError `bad-request` */
export function parseBudget(text: string): Budget {
  if (text === 'none') return { cpuPercent: 0, memoryBytes: 0, spoolBytes: 0 };
  let budget: Budget = {};
  for (const part of text.split(',')) {
    const at = part.indexOf('=');
    const [name, value] = at < 0 ? ['cpu', part] : [part.slice(0, at), part.slice(at + 1)];
    const bound = boundOf(name, value);
    const [key] = Object.keys(bound);
    if (key in budget) throw wrong(`${name} is given twice`);
    budget = { ...budget, ...bound };
  }
  return budget;
}

function boundOf(name: string, value: string): Budget {
  switch (name) {
    case 'cpu':
      return { cpuPercent: value === 'none' ? 0 : parseShare(value) };
    case 'memory':
      return { memoryBytes: value === 'none' ? 0 : parseSize(value) };
    case 'spool':
      return { spoolBytes: value === 'none' ? 0 : parseSize(value) };
    default:
      throw wrong(`${JSON.stringify(name.slice(0, 40))} is none of cpu, memory, spool`);
  }
}

/** `2%` of all CPUs of the host. @throws FailureError `bad-request` */
function parseShare(text: string): number {
  const percent = /^\d{1,3}(\.\d{1,6})?%$/.test(text) ? Number(text.slice(0, -1)) : Number.NaN;
  if (percent > 0 && percent <= 100) return percent;
  throw wrong(`${JSON.stringify(text.slice(0, 40))} is no share of the host's CPUs, such as 1%`);
}

/** `256M`, `1.5GiB`, `1000`: in units of 1,024, to whole bytes. @throws FailureError `bad-request` */
export function parseSize(text: string): number {
  const match = SIZE.exec(text);
  const factor = Object.entries(FACTOR).find(([unit]) => unit === match?.[2])?.[1] ?? 1;
  const bytes = match === null ? 0 : Math.floor(Number(match[1]) * factor);
  if (bytes > 0 && Number.isSafeInteger(bytes)) return bytes;
  throw wrong(`${JSON.stringify(text.slice(0, 40))} is no size, such as 256M`);
}

/** `cpu=1%,memory=512M,spool=none`, which `parseBudget` reads again. */
export function budgetText({ cpuPercent, memoryBytes, spoolBytes }: Budget): string {
  const parts = [
    cpuPercent === undefined ? [] : [`cpu=${cpuPercent === 0 ? 'none' : `${cpuPercent}%`}`],
    memoryBytes === undefined ? [] : [`memory=${sizeText(memoryBytes)}`],
    spoolBytes === undefined ? [] : [`spool=${sizeText(spoolBytes)}`],
  ].flat();
  const isNone = cpuPercent === 0 && memoryBytes === 0 && spoolBytes === 0;
  return isNone ? 'none' : parts.join(',');
}

function sizeText(bytes: number): string {
  if (bytes === 0) return 'none';
  const fitting = Object.entries(FACTOR).filter(([, factor]) => bytes % factor === 0);
  const [unit, factor] = fitting[fitting.length - 1];
  return `${bytes / factor}${unit}`;
}

function wrong(message: string) {
  return fail('bad-request', `budget: ${message}`, 'write 1%, or cpu=2%,memory=256M,spool=500M, or none');
}
