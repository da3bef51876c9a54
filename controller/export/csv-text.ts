// A text as one cell of a CSV file (RFC 4180).

/** Texts that a spreadsheet would take for a formula get an apostrophe in front: names come from other machines. */
export function csvText(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
