// Top functions as a table.
import type { Unit } from '../../../profile/sample-type.js';
import { percentText, weightText } from '../../views/number-text.js';
import type { TopFunctions } from '../../views/top-functions.js';
import { fitTable } from './fit-table.js';

export function topTable(top: TopFunctions, width: number): string[] {
  const right = { align: 'right' as const };
  return fitTable(
    [
      { heading: 'SELF%', ...right },
      { heading: 'SELF', ...right },
      { heading: 'TOTAL%', ...right },
      { heading: 'TOTAL', ...right },
      { heading: 'FUNCTION', isFlexible: true },
      { heading: 'OBJECT' },
    ],
    top.functions.map(({ name, mapping, self, total }) => [
      percentText(self, top.total, 1),
      weightText(self, top.type.unit),
      percentText(total, top.total, 1),
      weightText(total, top.type.unit),
      name,
      mapping.slice(mapping.lastIndexOf('/') + 1),
    ]),
    width,
  );
}

/** `page-faults: 12,345 (in 1,234 samples)`. */
export function eventLine(event: string, weight: number, unit: Unit, samples: number): string {
  return `${event}: ${weightText(weight, unit)}${weight === samples ? '' : `, in ${weightText(samples, 'count')} samples`}`;
}
