// A job that the server runs, followed to its end: the connection may break and the server may be restarted meanwhile.
import type { Milliseconds } from '../../proto/capture.js';
import { FailureError, fail, toFailure } from '../../proto/failure.js';
import type { Job, JobEvent, RunOptions } from '../api.js';
import type { Clock } from '../clock.js';
import type { ApiClient } from './api-client.js';
import { EventParser, type ServerSentEvent } from './event-parser.js';

export interface FollowingOptions {
  readonly client: ApiClient;
  readonly clock: Clock;
  /** How long a server may be away. */
  readonly patience: Milliseconds;
}

const firstDelay: Milliseconds = 250;
const longestDelay: Milliseconds = 5000;

/** @throws FailureError as the server had it; 'unreachable' when it is away for too long: the job goes on all the same */
export async function followToEnd(jobId: string, run: RunOptions, options: FollowingOptions): Promise<Job> {
  const { client, clock, patience } = options;
  const leave = run.abandon ?? new AbortController().signal;
  const stopping = new Stopping(jobId, client);
  const onStop = () => stopping.begin();
  if (run.signal.aborted) onStop();
  else run.signal.addEventListener('abort', onStop, { once: true });
  const position = { lastId: '' };
  let delay = firstDelay;
  let away: number | undefined;
  try {
    for (;;) {
      try {
        const job = await followOnce(jobId, position, run, leave, client, () => {
          away = undefined;
          delay = firstDelay;
        });
        if (job !== undefined) return job;
      } catch (error) {
        if (leave.aborted || toFailure(error).code !== 'unreachable') throw error;
        away ??= clock.monotonic();
        if (clock.monotonic() - away > patience) throw gone(jobId, client, error);
      }
      if ((await clock.sleep(delay, leave)) === 'aborted')
        throw fail('cancelled', `job ${jobId} is no longer followed`);
      delay = Math.min(delay * 2, longestDelay);
      // A server that came back knows nothing of what its forerunner was asked.
      if (run.signal.aborted) stopping.begin();
    }
  } finally {
    run.signal.removeEventListener('abort', onStop);
    await stopping.settled();
  }
}

/** Until the stream ends; undefined when it did before the job. */
async function followOnce(
  jobId: string,
  position: { lastId: string },
  run: RunOptions,
  signal: AbortSignal,
  client: ApiClient,
  onAlive: () => void,
): Promise<Job | undefined> {
  const { lastId } = position;
  const answer = await client.open('GET /v1/jobs/:job/events', {
    ...{ parameters: { job: jobId }, query: { from: 'start' }, signal },
    headers: lastId === '' ? {} : { 'last-event-id': lastId },
  });
  const parser = new EventParser();
  const decoder = new TextDecoder();
  for await (const piece of client.pieces(answer, signal)) {
    onAlive();
    for (const sent of parser.push(decoder.decode(piece, { stream: true }))) {
      if (sent.id !== '') position.lastId = sent.id;
      const told = eventOf(sent);
      if (told.kind === 'failure') throw new FailureError(told.failure);
      run.onEvent(told);
      if (told.kind === 'job' && !['queued', 'running', 'awaiting-approval'].includes(told.job.state)) return told.job;
    }
  }
  return undefined;
}

type Told = JobEvent | { readonly kind: 'failure'; readonly failure: FailureError['failure'] };

/** The server wrote `kind` and the rest of the event apart; this is the codec. */
function eventOf({ event, data }: ServerSentEvent): Told {
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch (cause) {
    throw fail('bad-data', 'the server sends an event that is no JSON', 'use the same version on both sides', cause);
  }
  if (typeof value !== 'object' || value === null)
    throw fail('bad-data', 'the server sends an event that is no object');
  return { ...value, kind: event } as Told;
}

/** Asking the server to end the job and keep what there is. */
class Stopping {
  readonly #jobId: string;
  readonly #client: ApiClient;
  #asked: Promise<void> | undefined;

  constructor(jobId: string, client: ApiClient) {
    this.#jobId = jobId;
    this.#client = client;
  }

  begin(): void {
    this.#asked = this.#client
      .json('POST /v1/jobs/:job/stop', { parameters: { job: this.#jobId } })
      // It has ended meanwhile, or the server is away and asked again when it is back: following it tells.
      .then(
        () => undefined,
        () => undefined,
      );
  }

  async settled(): Promise<void> {
    await this.#asked;
  }
}

function gone(jobId: string, client: ApiClient, error: unknown) {
  return fail(
    'unreachable',
    `the server ${client.url.host} went away while job ${jobId} was followed: ${toFailure(error).message}`,
    `the server goes on with it when it is back: perftrawl jobs show ${jobId}`,
    error,
  );
}
