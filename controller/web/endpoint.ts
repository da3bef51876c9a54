// One route of the server: what it takes, checked against schemas, and what it answers. Nothing here knows the HTTP library.
import { z } from 'zod';
import { fail } from '../../proto/failure.js';
import type { App, RepeatableRequest } from '../api.js';
import type { Actor } from '../audit/audited-app.js';
import type { Caller } from '../users/users.js';

/** What an endpoint answers with. */
export type Reply =
  | { readonly kind: 'json'; readonly value: unknown }
  | { readonly kind: 'text'; readonly mediaType: string; readonly text: string }
  /** There is none, and that is no failure. */
  | { readonly kind: 'nothing' }
  /** May take minutes: the reader is told now and then that it is being worked on. */
  | { readonly kind: 'held'; readonly value: Promise<unknown> }
  | {
      readonly kind: 'bytes';
      readonly mediaType: string;
      readonly source: AsyncIterable<Uint8Array>;
      readonly trailerNames: readonly string[];
      readonly trailers: () => Readonly<Record<string, string>>;
    }
  /** Server-sent events. */
  | { readonly kind: 'events'; readonly source: AsyncIterable<string> };

export interface Call {
  /** As used by the caller: what he asks for is written down as his. */
  readonly app: App;
  readonly caller: Caller;
  /** Who that is, as jobs and audit entries have it: `alice@server`. */
  readonly who: string;
  readonly actor: Actor;
  /** Of an endpoint that takes keys, where the client gave one. */
  readonly repeatable: RepeatableRequest | undefined;
  /** The last server-sent event that a client has which comes back; '' when it has none. */
  readonly lastEventId: string;
  /** Aborts when the client goes away or the server stops. */
  readonly signal: AbortSignal;
}

/** As they came. */
export interface Input {
  readonly parameters: unknown;
  readonly query: unknown;
  readonly body: unknown;
}

export interface Endpoint {
  /** One line, for the description of the API. */
  readonly summary: string;
  readonly parameters: z.ZodType;
  readonly query: z.ZodType;
  /** Undefined: takes no body. */
  readonly body: z.ZodType | undefined;
  /** A client may give its request a key, and repeat it. */
  readonly takesKey: boolean;
  /** @throws FailureError 'bad-request' for an input that does not fit */
  answer(input: Input, call: Call): Promise<Reply>;
}

interface Shape<P, Q, B> {
  readonly summary: string;
  readonly parameters?: z.ZodType<P>;
  readonly query?: z.ZodType<Q>;
  readonly body?: z.ZodType<B>;
  readonly takesKey?: true;
  readonly answer: (
    input: { readonly parameters: P; readonly query: Q; readonly body: B },
    call: Call,
  ) => Promise<Reply>;
}

const nothing = z.strictObject({});

export function endpoint<P = unknown, Q = unknown, B = unknown>(shape: Shape<P, Q, B>): Endpoint {
  const { summary, parameters, query, body, takesKey = false, answer } = shape;
  return {
    ...{ summary, parameters: parameters ?? nothing, query: query ?? nothing, body, takesKey },
    answer: async (input, call) =>
      answer(
        {
          parameters: checked<P>(parameters ?? nothing, input.parameters, 'path'),
          query: checked<Q>(query ?? nothing, input.query, 'query'),
          body: checked<B>(body ?? z.undefined(), input.body ?? undefined, 'body'),
        },
        call,
      ),
  };
}

export function json(value: unknown): Reply {
  return { kind: 'json', value };
}

export function held(value: Promise<unknown>): Reply {
  return { kind: 'held', value };
}

/** @throws FailureError 'bad-request' that says where and what */
export function checked<T>(schema: z.ZodType, value: unknown, what: string): T {
  const result = schema.safeParse(value);
  // The type of the schema is that of its result: a shape has both from one declaration.
  if (result.success) return result.data as T;
  const [issue] = result.error.issues;
  const place = [what, ...(issue?.path ?? [])].map(String).join('.').slice(0, 200);
  throw fail('bad-request', `${place}: ${issue?.message.slice(0, 300) ?? 'it does not fit'}`, 'see /v1/openapi.json');
}
