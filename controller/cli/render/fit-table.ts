// A table that fits the terminal: names from elsewhere made printable, the longest column shortened where there is too little room.
import { printable } from '../../views/printable.js';
import { type TextColumn, textTable, textWidth } from '../../views/text-table.js';

export interface FitColumn extends Omit<TextColumn, 'align'> {
  /** Default `left`. */
  readonly align?: 'left' | 'right';
  /** Gives way where the table is wider than the terminal. At most one column. */
  readonly isFlexible?: true;
}

const LEAST_WIDTH = 16;

/** The lines of the table, headings first. Without a flexible column they may be longer than `width`. */
export function fitTable(columns: readonly FitColumn[], rows: readonly (readonly string[])[], width: number): string[] {
  const cells = rows.map((row) => row.map(printable));
  const flexible = columns.findIndex((column) => column.isFlexible === true);
  if (flexible >= 0) {
    const widths = columns.map(({ heading }, i) =>
      cells.reduce((widest, row) => Math.max(widest, textWidth(row[i])), textWidth(heading)),
    );
    const others = widths.reduce((sum, w, i) => (i === flexible ? sum : sum + w), 2 * (columns.length - 1));
    const room = Math.max(LEAST_WIDTH, width - others);
    for (const row of cells) row[flexible] = shorten(row[flexible], room);
  }
  const text = textTable(
    columns.map(({ heading, align }) => ({ heading, align: align ?? 'left' })),
    cells,
  );
  return text.trimEnd().split('\n');
}

/** At most `width` characters, the middle cut out: both ends of a path or a C++ name tell more than its middle. */
export function shorten(text: string, width: number): string {
  if (text.length <= width) return text;
  if (width <= 1) return text.slice(0, width);
  const head = Math.ceil((width - 1) / 2);
  return `${text.slice(0, head)}…${text.slice(text.length - (width - 1 - head))}`;
}
