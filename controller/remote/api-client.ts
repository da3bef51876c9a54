// Requests to a server over HTTPS: one answer as JSON, or a stream. Failures come back as what they were on the server.
import type { IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import type { Milliseconds } from '../../proto/capture.js';
import { type Failure, FailureError, fail, isFailureCode } from '../../proto/failure.js';
import { partsOf, pathOf, type Query, type Route } from '../http-api/routes.js';
import { connectFailure } from './connect-failure.js';

export interface ApiClientOptions {
  readonly url: URL;
  /** PEM of the CA that the server's certificate must be from; absent: those that this machine trusts. */
  readonly ca?: string | Buffer;
  readonly token?: string;
  /** PEM, of a user. */
  readonly identity?: { readonly cert: string | Buffer; readonly key: string | Buffer };
}

export interface Asked {
  readonly parameters?: Readonly<Record<string, string>>;
  readonly query?: Query;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** No answer, or one that says no more than that there is none at present: what was asked for may have been done. */
export class Unanswered extends FailureError {
  /** For how long the server wants to be left alone; 0 when it does not say. */
  readonly retryAfter: Milliseconds;

  constructor(failure: Failure, retryAfter: Milliseconds, cause?: unknown) {
    super(failure, { cause });
    this.retryAfter = retryAfter;
  }
}

/** For a connection, and between two pieces of an answer: servers say something every 15 s. */
const silence: Milliseconds = 60_000;
const mostJsonBytes = 512 * 1024 ** 2;
const mostFailureBytes = 1024 ** 2;

export class ApiClient {
  readonly #options: ApiClientOptions;
  readonly #agent: Agent;

  constructor(options: ApiClientOptions) {
    this.#options = options;
    const { ca, identity } = options;
    this.#agent = new Agent({
      ...{ keepAlive: true, maxSockets: 16, minVersion: 'TLSv1.3' },
      ...(ca === undefined ? {} : { ca }),
      ...identity,
    });
  }

  get url(): URL {
    return this.#options.url;
  }

  /**
   * The answer of a route, in the type that the server has for it: it is of this program and proven to be the one that is meant, so
   * that this cast is the codec. Undefined when the server says that there is none.
   *
   * @throws FailureError as the server had it; 'untrusted', and Unanswered, where it did not come to that
   */
  async json<T>(route: Route, asked: Asked = {}): Promise<T | undefined> {
    const answer = await this.open(route, asked);
    if (answer.statusCode === 204) {
      answer.resume();
      return undefined;
    }
    const value = await this.#read(answer, mostJsonBytes);
    const failure = failureIn(value);
    if (failure !== undefined) throw failure;
    return value as T;
  }

  /** The answer as it comes. @throws FailureError as `json` */
  async open(route: Route, asked: Asked = {}): Promise<IncomingMessage> {
    const { parameters = {}, query = {}, body, headers = {}, signal } = asked;
    const { url, token } = this.#options;
    const text = body === undefined ? undefined : JSON.stringify(body);
    const target = new URL(pathOf(route, parameters, query), url);
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const sent = httpsRequest(target, {
        ...{ method: partsOf(route).method, agent: this.#agent, timeout: silence },
        ...(signal === undefined ? {} : { signal }),
        headers: {
          ...headers,
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(text === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
        },
      });
      sent.once('response', resolve);
      sent.once('timeout', () => sent.destroy(new Error(`no answer within ${silence} ms`)));
      sent.on('error', (error) => reject(this.#failure(error, signal)));
      sent.end(text);
    });
    const { statusCode = 0 } = answer;
    if (statusCode >= 200 && statusCode < 300) return answer;
    const told = await this.#read(answer, mostFailureBytes).catch(() => undefined);
    const failure = failureIn(told);
    const retryAfter = waitIn(answer.headers['retry-after']);
    if (failure === undefined) throw strange(statusCode, url, retryAfter);
    throw statusCode === 503 ? new Unanswered(failure.failure, retryAfter) : failure;
  }

  /** Pieces of an answer, with what breaks it off as a failure. */
  async *pieces(answer: IncomingMessage, signal?: AbortSignal): AsyncGenerator<Buffer> {
    try {
      for await (const piece of answer) {
        if (!Buffer.isBuffer(piece)) throw fail('internal', 'an answer is not read as bytes');
        yield piece;
      }
    } catch (error) {
      throw this.#failure(error, signal);
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  async #read(answer: IncomingMessage, most: number): Promise<unknown> {
    const pieces: Buffer[] = [];
    let size = 0;
    for await (const piece of this.pieces(answer)) {
      size += piece.length;
      if (size > most) throw fail('exhausted', `the server answers with more than ${most} bytes`, 'ask for less');
      pieces.push(piece);
    }
    try {
      return JSON.parse(Buffer.concat(pieces).toString('utf8'));
    } catch (cause) {
      throw fail(
        'bad-data',
        `what ${this.url.host} answers is no JSON`,
        'is that the address of `perftrawl serve`?',
        cause,
      );
    }
  }

  #failure(error: unknown, signal: AbortSignal | undefined): FailureError {
    if (signal?.aborted === true) return fail('cancelled', `asking ${this.url.host} was cancelled`, '', error);
    const failure = connectFailure(error, this.url);
    return failure.failure.code === 'unreachable' ? new Unanswered(failure.failure, 0, error) : failure;
  }
}

/** An answer of something that is no server of perftrawl, or of one that stops at the moment. */
function strange(status: number, url: URL, retryAfter: Milliseconds): FailureError {
  if (status >= 502 && status <= 504) {
    const message = `${url.host} answers ${status}`;
    return new Unanswered({ code: 'unreachable', message, remedy: 'try again' }, retryAfter);
  }
  const remedy = 'is that the address of `perftrawl serve`?';
  return fail('bad-data', `${url.host} answers ${status}, and not as perftrawl does`, remedy);
}

/** Seconds; a date, which others than our servers may send, counts as nothing. */
function waitIn(retryAfter: string | undefined): Milliseconds {
  return /^\d{1,6}$/.test(retryAfter ?? '') ? Number(retryAfter) * 1000 : 0;
}

/** `{ error: { code, message, remedy } }` */
function failureIn(value: unknown): FailureError | undefined {
  if (typeof value !== 'object' || value === null || !('error' in value)) return undefined;
  const { error } = value;
  if (typeof error !== 'object' || error === null || !('code' in error) || !('message' in error)) return undefined;
  const { code, message } = error;
  if (typeof code !== 'string' || !isFailureCode(code) || typeof message !== 'string') return undefined;
  const remedy = 'remedy' in error && typeof error.remedy === 'string' ? error.remedy : '';
  return new FailureError({ code, message, remedy });
}
