// Text into XML 1.0 documents.
import { printable } from '../../views/printable.js';

/** For element content and for attribute values in double quotes. Characters that XML cannot hold become pictures of them. */
export function xmlText(text: string): string {
  const safe = printable(text);
  return /[&<>"']/.test(safe) ? safe.replace(/[&<>"']/g, (char) => ENTITIES[char] ?? char) : safe;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
