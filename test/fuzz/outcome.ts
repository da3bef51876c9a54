// What came of one input: taken, refused with a reason, or a find.
import { FailureError } from '../../proto/failure.js';
import { randomOf } from './mutate.js';
import type { FuzzTarget } from './target.js';

/** `find`: the error's name, words and place, without what differs from input to input. */
export type Outcome = { readonly kind: 'taken' | 'refused' } | { readonly kind: 'find'; readonly what: string };

export async function outcomeOf(target: FuzzTarget, input: Uint8Array): Promise<Outcome> {
  try {
    await target.run(input, randomOf(input));
    return { kind: 'taken' };
  } catch (error) {
    if (error instanceof FailureError && error.failure.code !== 'internal') return { kind: 'refused' };
    if (error instanceof Error && target.refusals?.includes(error.name) === true) return { kind: 'refused' };
    return { kind: 'find', what: signatureOf(error) };
  }
}

function signatureOf(error: unknown): string {
  if (!(error instanceof Error)) return `thrown: ${String(error).slice(0, 100)}`;
  const place = error.stack?.split('\n').find((line) => line.trimStart().startsWith('at ')) ?? '';
  const words = error.message
    .slice(0, 200)
    .replaceAll(/\d+/g, 'N')
    .replaceAll(/"(?:[^"\\]|\\.)*"?/g, '"…"');
  return `${error.name}: ${words}${place.replaceAll(/\(?(?:file:\/\/)?\/\S*\/|[?]\S*/g, ' ').replaceAll(/:\d+\)?$/g, '')}`;
}
