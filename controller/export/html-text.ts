// Pieces of HTML from texts of other machines: everything is escaped on its way in.
import { xmlText } from './svg/xml-text.js';

/** A piece of HTML, as opposed to a text that still has to be escaped. */
export interface Html {
  readonly html: string;
}

/** Template tag: texts and numbers are escaped, pieces of HTML stay, lists are joined. */
export function html(strings: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  return { html: strings.reduce((text, part, i) => text + pieceOf(values[i - 1]) + part) };
}

type HtmlValue = string | number | undefined | Html | readonly Html[];

function pieceOf(value: HtmlValue): string {
  if (value === undefined) return '';
  if (typeof value === 'string') return xmlText(value);
  if (typeof value === 'number') return String(value);
  if ('html' in value) return value.html;
  return value.map((piece) => piece.html).join('');
}

export interface HtmlColumn {
  readonly heading: string;
  readonly isNumber?: boolean;
}

/** Rows of texts or pieces; `rowClass` by row. */
export function htmlTable(
  columns: readonly HtmlColumn[],
  rows: readonly (readonly (string | Html)[])[],
  options: { readonly caption?: string; readonly rowClass?: (row: number) => string } = {},
): Html {
  const cellClass = (i: number) => (columns[i].isNumber === true ? 'number' : 'text');
  const caption = options.caption === undefined ? html`` : html`<caption>${options.caption}</caption>`;
  const head = columns.map(({ heading }, i) => html`<th scope="col" class="${cellClass(i)}">${heading}</th>`);
  const body = rows.map((row, r) => {
    const cells = row.map((cell, i) => html`<td class="${cellClass(i)}">${cell}</td>`);
    return html`<tr class="${options.rowClass?.(r) ?? ''}">${cells}</tr>\n`;
  });
  return html`<table>${caption}<thead><tr>${head}</tr></thead><tbody>\n${body}</tbody></table>\n`;
}
