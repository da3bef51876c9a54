// Regular expressions from outside, matched in bounded time.
import { createContext, Script } from 'node:vm';
import { fail } from '../../proto/failure.js';

const MAX_PATTERN = 512;
const MAX_TEXT = 8192;
/** The agent does nothing else meanwhile. */
const MATCH_TIMEOUT_MS = 300;

/**
 * Which of `texts` (their first 8 KiB) match. `(a+)+$` and its like are stopped soon.
 * @throws FailureError `bad-request` for a pattern that is none, is too long, or takes too long
 */
export function matchAll(pattern: string, texts: readonly string[]): boolean[] {
  if (pattern.length > MAX_PATTERN) {
    throw fail('bad-request', `the pattern is longer than ${MAX_PATTERN} characters`, 'use a shorter --cmdline');
  }
  try {
    new RegExp(pattern);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw fail(
      'bad-request',
      `${JSON.stringify(pattern)} is no regular expression: ${error.message}`,
      'see MDN: RegExp',
    );
  }
  const context = createContext({ pattern, texts: texts.map((text) => text.slice(0, MAX_TEXT)), matches: [] });
  const script = new Script(
    '{ const re = new RegExp(pattern); for (const text of texts) matches.push(re.test(text)); }',
  );
  try {
    script.runInContext(context, { timeout: MATCH_TIMEOUT_MS });
  } catch (error) {
    // The error is of the other context's Error class.
    const isTimeout =
      typeof error === 'object' && error !== null && 'code' in error && error.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT';
    if (!isTimeout) throw error;
    throw fail(
      'bad-request',
      `${JSON.stringify(pattern)} takes too long to match`,
      'avoid nested repetitions such as (a+)+',
    );
  }
  const { matches } = context;
  return Array.isArray(matches) ? matches.map((match) => match === true) : [];
}
