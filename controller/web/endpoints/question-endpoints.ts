// Routes for questions to everything that is stored: the answer as JSON or, for who wants to see how it goes, as server-sent events.
import { z } from 'zod';
import type { Milliseconds } from '../../../proto/capture.js';
import { toFailure } from '../../../proto/failure.js';
import type { App } from '../../api.js';
import type { Clock } from '../../clock.js';
import { TOP_BY, type TopQuestion } from '../../questions/top-question.js';
import type { TopProgress } from '../../store/top-query.js';
import { type Endpoint, endpoint, held } from '../endpoint.js';

/** How often progress is told. */
const beat: Milliseconds = 250;

const moment = z.number().finite().nonnegative();
const question: z.ZodType<TopQuestion> = z.strictObject({
  selectorText: z.string().max(10_000).default(''),
  since: moment.default(0),
  until: moment.default(Number.MAX_SAFE_INTEGER),
  event: z.string().min(1).max(4096).exactOptional(),
  by: z.enum(TOP_BY).default('self'),
  groupBy: z.string().min(1).max(253).exactOptional(),
  eachHostEqual: z.boolean().default(false),
  limit: z.number().int().min(1).max(100_000).default(25),
});

export function questionEndpoints(clock: Clock): Record<'POST /v1/top', Endpoint> {
  return {
    'POST /v1/top': endpoint({
      summary:
        'What weighs most over all captures of hosts in a span of time; with events=true as events: progress, answer, failure.',
      query: z.strictObject({ events: z.enum(['true', 'false']).default('false') }),
      body: question,
      answer: async ({ query, body }, { app, signal }) =>
        query.events === 'true'
          ? { kind: 'events', source: topEvents(app, body, clock, signal) }
          : held(app.questions.top(body, { signal })),
    }),
  };
}

async function* topEvents(app: App, body: TopQuestion, clock: Clock, signal: AbortSignal): AsyncGenerator<string> {
  const over = new AbortController();
  let progress: TopProgress | undefined;
  const answer = app.questions
    .top(body, {
      signal: AbortSignal.any([signal, over.signal]),
      onProgress: (now) => {
        progress = now;
      },
    })
    .then(
      (value) => eventText('answer', { answer: value }),
      (error: unknown) => eventText('failure', { failure: toFailure(error) }),
    );
  const ended = answer.then(() => 'ended' as const);
  try {
    const waiting = AbortSignal.any([signal, over.signal]);
    while ((await Promise.race([ended, clock.sleep(beat, waiting)])) === 'elapsed') {
      if (progress !== undefined) yield eventText('progress', progress);
    }
    yield await answer;
  } finally {
    // The reader may have gone: nobody waits for the rest.
    over.abort();
  }
}

/** JSON has no line ends. */
function eventText(kind: string, value: unknown): string {
  return `event: ${kind}\ndata: ${JSON.stringify(value)}\n\n`;
}
