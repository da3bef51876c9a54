// A request that starts something, sent again where its answer was lost: under one key, by which the server does it once.
import type { Milliseconds } from '../../proto/capture.js';
import { type FailureError, fail } from '../../proto/failure.js';
import type { Clock } from '../clock.js';
import { KEY_HEADER } from '../http-api/idempotency-key.js';
import { partsOf, type Route } from '../http-api/routes.js';
import { type ApiClient, type Asked, Unanswered } from './api-client.js';

export interface RepeatingOptions {
  readonly client: Pick<ApiClient, 'json' | 'url'>;
  readonly clock: Clock;
  /** Nobody else has it, nor had it before: a UUID. */
  readonly newKey: () => string;
  /** Told before each pause, in one line. */
  readonly tell: (text: string) => void;
  /** Ends the pauses. A request that is under way comes to its end: what it started can then be ended. */
  readonly interrupt: AbortSignal;
}

const mostAttempts = 6;
/** From the first attempt to the beginning of the last one. */
const patience: Milliseconds = 120_000;
const firstPause: Milliseconds = 1000;
/** Whatever a server asks for. */
const longestPause: Milliseconds = 30_000;
const remedy = 'it may have been done all the same: look with `perftrawl jobs ls` before you ask again';

/** @throws FailureError as `ApiClient.json`; 'unreachable', 'lost' and 'cancelled' where nobody knows whether it was done */
export async function askRepeatedly<T>(route: Route, asked: Asked, options: RepeatingOptions): Promise<T | undefined> {
  const { client, clock, newKey, tell, interrupt } = options;
  const { host } = client.url;
  const headers = { ...asked.headers, [KEY_HEADER]: newKey() };
  const signal = asked.signal ?? interrupt;
  const begun = clock.monotonic();
  for (let attempt = 1, pause = firstPause; ; attempt++, pause *= 2) {
    try {
      if (attempt > 1 && !(await takesKeys(client, route))) throw tooOld(host);
      return await client.json<T>(route, { ...asked, headers });
    } catch (error) {
      if (!(error instanceof Unanswered)) throw error;
      const { message } = error.failure;
      if (attempt === mostAttempts || clock.monotonic() - begun >= patience) {
        throw fail('unreachable', `asked ${attempt} times, the last time: ${message}`, remedy, error);
      }
      const wait = Math.min(longestPause, Math.max(pause, error.retryAfter));
      tell(`${message}; asking ${host} for the same again in ${wait / 1000} s (${attempt + 1} of ${mostAttempts})`);
      if ((await clock.sleep(wait, signal)) === 'aborted') {
        throw fail('cancelled', `interrupted while ${host} did not answer: ${message}`, remedy, error);
      }
    }
  }
}

/** By its own description: one of an older version would do it a second time. */
async function takesKeys(client: RepeatingOptions['client'], route: Route): Promise<boolean> {
  const { method, path } = partsOf(route);
  const described = await client.json<Description>('GET /v1/openapi.json');
  const { parameters = [] } = described?.paths[path.replace(/:([a-z]+)/g, '{$1}')]?.[method.toLowerCase()] ?? {};
  return parameters.some(({ name, in: place }) => place === 'header' && name === KEY_HEADER);
}

interface Description {
  readonly paths: Readonly<
    Record<string, Record<string, { readonly parameters?: readonly { readonly name: string; readonly in: string }[] }>>
  >;
}

function tooOld(host: string): FailureError {
  return fail('lost', `${host} did not answer, and is of a version that would do it twice if asked again`, remedy);
}
