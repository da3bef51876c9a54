// Questions as a server answers them: its events of progress, then the answer.
import { FailureError, fail } from '../../proto/failure.js';
import type { Questions, TopAnswered } from '../questions/top-question.js';
import type { TopProgress } from '../store/top-query.js';
import type { ApiClient } from './api-client.js';
import { EventParser, type ServerSentEvent } from './event-parser.js';

export function remoteQuestions(client: ApiClient): Questions {
  return {
    async top(question, { signal, onProgress }) {
      const answer = await client.open('POST /v1/top', { query: { events: 'true' }, body: question, signal });
      const parser = new EventParser();
      const decoder = new TextDecoder();
      for await (const piece of client.pieces(answer, signal)) {
        for (const sent of parser.push(decoder.decode(piece, { stream: true }))) {
          const told = toldBy(sent);
          if (told.kind === 'answer') return told.answer;
          if (told.kind === 'failure') throw new FailureError(told.failure);
          onProgress?.(told);
        }
      }
      throw fail('lost', `the answer of ${client.url.host} broke off`, 'ask again');
    },
  };
}

type Told =
  | ({ readonly kind: 'progress' } & TopProgress)
  | { readonly kind: 'answer'; readonly answer: TopAnswered }
  | { readonly kind: 'failure'; readonly failure: FailureError['failure'] };

/** The server wrote the kind and the rest apart; this is the codec. */
function toldBy({ event, data }: ServerSentEvent): Told {
  const strange = (cause?: unknown) =>
    fail('bad-data', 'the server answers with an event that is none', 'use the same version on both sides', cause);
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch (cause) {
    throw strange(cause);
  }
  const isKnown = event === 'progress' || event === 'answer' || event === 'failure';
  if (!isKnown || typeof value !== 'object' || value === null) throw strange();
  return { ...value, kind: event } as Told;
}
