// A failure in one line, for a person.
import type { Failure } from '../../../proto/failure.js';
import { printable } from '../../views/printable.js';

/** What happened, and in brackets what to try. */
export function failureText({ message, remedy }: Failure): string {
  return printable(remedy === '' ? message : `${message} (${remedy})`);
}
