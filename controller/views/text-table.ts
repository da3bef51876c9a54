// Columns of text, aligned.

export interface TextColumn {
  readonly heading: string;
  readonly align: 'left' | 'right';
}

/** One line per row under the headings, two blanks between columns, no blanks at the ends of lines. */
export function textTable(columns: readonly TextColumn[], rows: readonly (readonly string[])[]): string {
  const widths = columns.map((column, i) =>
    rows.reduce((width, row) => Math.max(width, textWidth(row[i] ?? '')), textWidth(column.heading)),
  );
  const line = (cells: readonly string[]): string =>
    columns
      .map((column, i) => {
        const cell = cells[i] ?? '';
        const fill = ' '.repeat(widths[i] - textWidth(cell));
        return column.align === 'left' ? cell + fill : fill + cell;
      })
      .join('  ')
      .trimEnd();
  return [line(columns.map((column) => column.heading)), ...rows.map(line)].map((text) => `${text}\n`).join('');
}

/** Cells of a terminal that a text takes, near enough: code points, wide ones (CJK, emoji) twice. */
export function textWidth(text: string): number {
  let width = 0;
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    const isWide = (code >= 0x1100 && code <= 0x115f) || (code >= 0x2e80 && code <= 0xd7a3) || code >= 0x1f000;
    width += isWide ? 2 : 1;
  }
  return width;
}
