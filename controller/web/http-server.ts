// The server: HTTPS with TLS 1.3 and nothing else, limits on everything a client may send, one place that decides who may do what.
import { randomUUID, type X509Certificate } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { createServer, type Server } from 'node:https';
import { Readable } from 'node:stream';
import { TLSSocket } from 'node:tls';
import fastify, { type FastifyReply, type FastifyRequest } from 'fastify';
import type { Milliseconds } from '../../proto/capture.js';
import { type Failure, FailureError, fail, toFailure } from '../../proto/failure.js';
import { timeoutSignal } from '../../proto/timeout-signal.js';
import type { App, RepeatableRequest } from '../api.js';
import type { Actor } from '../audit/audited-app.js';
import type { Clock } from '../clock.js';
import { STATUS_OF } from '../http-api/failure-status.js';
import { KEY_HEADER, keySchema, repeatableRequest } from '../http-api/idempotency-key.js';
import { LEAST_ROLE, partsOf, ROUTES, type Route } from '../http-api/routes.js';
import { StoreAway } from '../store/store-away.js';
import { mayAct } from '../users/role.js';
import type { Authenticator, Caller } from '../users/users.js';
import { authenticate } from './authentication.js';
import { checked, type Endpoint, type Input, type Reply } from './endpoint.js';
import { heldAnswer } from './held-answer.js';
import { LoginLimit } from './login-limit.js';
import type { AnsweredRequest } from './metrics.js';
import type { ServerLog } from './server-log.js';

export interface HttpServerOptions {
  /** PEM. The certificate with those above it, up to the CA. */
  readonly identity: { readonly ca: string | Buffer; readonly cert: string | Buffer; readonly key: string | Buffer };
  readonly listen: { readonly host: string; readonly port: number };
  readonly endpoints: Readonly<Record<Route, Endpoint>>;
  readonly authenticator: Authenticator;
  /** Which user a client certificate of the CA is for, or why for none. */
  readonly userOf: (certificate: X509Certificate) => Promise<string | Failure>;
  /** The app as used by somebody. */
  readonly appFor: (actor: Actor) => App;
  /** Told of every refusal for want of trust or of a role. */
  readonly onRefusal: (refusal: Refusal) => Promise<void>;
  /** Why nothing can be answered at present; undefined when it can. */
  readonly health: () => Promise<Failure | undefined>;
  readonly onAnswer: (request: AnsweredRequest) => void;
  readonly clock: Clock;
  readonly log: ServerLog;
  /** What this server is called in the names of its users: `alice@NAME`. */
  readonly name: string;
}

/** `who` is '' when it is not known. */
export interface Refusal extends Actor {
  /** `GET /v1/jobs`, with its parameters. */
  readonly what: string;
  readonly failure: Failure;
}

export interface HttpServer {
  readonly address: { readonly host: string; readonly port: number };
  /** Listen no more, end what is open once it is answered, and in any case by then. */
  close(): Promise<void>;
}

/** Of a request: the largest is a job with a script of one MiB, or for 100,000 hosts. */
const mostBodyBytes = 8 * 1024 ** 2;
const mostConnections = 1000;
/** For the whole of a request to come. */
const requestTimeout: Milliseconds = 30_000;
/** Of a connection on which nothing moves; streams move every 15 s. */
const silence: Milliseconds = 60_000;
const drain: Milliseconds = 10_000;
/** Seconds, as HTTP has them. */
const retryAfter = 5;

interface Asking {
  readonly caller: Caller;
  readonly actor: Actor;
}

/** @throws FailureError for an identity that cannot be used, and an address that cannot be listened on */
export async function openHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { identity, listen, endpoints, clock, log } = options;
  const limit = new LoginLimit(() => clock.monotonic());
  const closing = new AbortController();
  const asking = new WeakMap<FastifyRequest, Asking>();
  const app = fastify({
    serverFactory: (handler) => limitedServer(identity, log, handler),
    logger: false,
    bodyLimit: mostBodyBytes,
    return503OnClosing: true,
    genReqId: () => randomUUID(),
    routerOptions: { maxParamLength: 300 },
  });

  // Runs for unknown routes too: who is not known does not learn which there are.
  app.addHook('onRequest', async (request) => {
    if (request.url === '/healthz') return;
    const caller = await authenticate(credentialsOf(request), {
      ...{ authenticator: options.authenticator, limit, userOf: options.userOf },
    });
    const actor = { who: `${caller.name}@${options.name}`, from: fromOf(request) };
    asking.set(request, { caller, actor: caller.by === 'local' ? actor : { ...actor, by: caller.by } });
  });

  app.addHook('onResponse', async (request, reply) => {
    const { method, routeOptions } = request;
    const { url: route = '' } = routeOptions;
    options.onAnswer({ method, route, status: reply.statusCode, seconds: reply.elapsedTime / 1000 });
    log({
      ...{ level: 'info', event: 'request', method, route },
      ...{ status: reply.statusCode, milliseconds: Math.round(reply.elapsedTime), remoteAddress: request.ip },
      who: asking.get(request)?.actor.who ?? '',
    });
  });

  app.setErrorHandler(async (error, request, reply) => {
    const failure = failureOf(error);
    if (failure.code === 'internal') {
      log({ level: 'error', event: 'defect', route: request.routeOptions.url ?? '', failure, stack: stackOf(error) });
    }
    if (failure.code === 'untrusted' || failure.code === 'permission') {
      const actor = asking.get(request)?.actor ?? { who: '', from: fromOf(request) };
      await options.onRefusal({ ...actor, what: `${request.method} ${request.url.slice(0, 200)}`, failure });
    }
    if (error instanceof StoreAway) return reply.code(503).header('retry-after', retryAfter).send({ error: failure });
    if (failure.code === 'untrusted') void reply.header('www-authenticate', 'Bearer');
    return reply.code(STATUS_OF[failure.code]).send({ error: failure });
  });

  app.setNotFoundHandler(async (request) => {
    throw fail('not-found', `there is no ${request.method} ${request.url.slice(0, 200)}`, 'see /v1/openapi.json');
  });

  app.get('/healthz', async (_request, reply) => {
    // Without a login: not more than whether.
    if ((await options.health()) === undefined) return { status: 'ok' };
    return reply.code(503).header('retry-after', retryAfter).send({ status: 'store-away' });
  });

  for (const route of ROUTES) {
    const { method, path } = partsOf(route);
    const { answer, takesKey } = endpoints[route];
    app.route({
      method,
      url: path,
      handler: async (request, reply) => {
        const { caller, actor } = permitted(asking.get(request), route);
        const signal = AbortSignal.any([closing.signal, goneAway(reply)]);
        const { 'last-event-id': id } = request.headers;
        const lastEventId = typeof id === 'string' ? id.slice(0, 100) : '';
        const input: Input = { parameters: request.params, query: request.query, body: request.body };
        const repeatable = takesKey
          ? repeatableOf(request.headers[KEY_HEADER.toLowerCase()], actor.who, { route, ...input })
          : undefined;
        return send(
          reply,
          await answer(input, {
            ...{ app: options.appFor(actor), caller, who: actor.who, actor },
            ...{ repeatable, lastEventId },
            signal,
          }),
          clock,
          signal,
        );
      },
    });
  }

  const address = await startListening(app, listen);
  return {
    address,
    async close() {
      closing.abort(fail('cancelled', 'the server stops'));
      const patience = timeoutSignal(drain);
      const force = () => app.server.closeAllConnections();
      patience.addEventListener('abort', force, { once: true });
      await app.close();
      patience.removeEventListener('abort', force);
    },
  };
}

/** What the HTTP library does not limit. */
function limitedServer(identity: HttpServerOptions['identity'], log: ServerLog, handler: RequestListener): Server {
  const server = createServer(
    {
      ...{ ...identity, minVersion: 'TLSv1.3', requestCert: true, rejectUnauthorized: false, handshakeTimeout: 10_000 },
      ...{
        requestTimeout,
        headersTimeout: 10_000,
        connectionsCheckingInterval: 5000,
        keepAliveTimeout: 30_000,
        maxHeaderSize: 16 * 1024,
      },
    },
    handler,
  );
  server.maxConnections = mostConnections;
  server.timeout = silence;
  server.on('tlsClientError', (error, socket) => {
    log({ level: 'warning', event: 'tls-refused', remoteAddress: socket.remoteAddress ?? '', reason: error.message });
  });
  return server;
}

/** The one place that decides whether a caller may use a route. @throws FailureError 'permission' */
function permitted(asking: Asking | undefined, route: Route): Asking {
  if (asking === undefined) throw fail('internal', `${route} was reached by nobody`);
  const least = LEAST_ROLE[route];
  if (mayAct(asking.caller.role, least)) return asking;
  throw fail(
    'permission',
    `${asking.caller.name} is ${asking.caller.role}, and ${route} takes ${least}`,
    `ask an admin of the server for a user who is ${least}`,
  );
}

function fromOf({ ip, socket }: FastifyRequest): string {
  return `${ip.includes(':') ? `[${ip}]` : ip}:${socket.remotePort ?? 0}`;
}

function credentialsOf(request: FastifyRequest) {
  const { socket } = request;
  const { authorization } = request.headers;
  const isTls = socket instanceof TLSSocket;
  const certificate = isTls ? socket.getPeerX509Certificate() : undefined;
  const problem = isTls && !socket.authorized ? String(socket.authorizationError ?? 'not authorized') : '';
  return { authorization, certificate, certificateProblem: problem, remoteAddress: request.ip };
}

/** Undefined when the client gave no key. @throws FailureError 'bad-request' for a key that cannot be one */
function repeatableOf(
  key: unknown,
  who: string,
  asked: Input & { readonly route: Route },
): RepeatableRequest | undefined {
  return key === undefined ? undefined : repeatableRequest(checked<string>(keySchema, key, KEY_HEADER), who, asked);
}

/** Aborts when the answer is complete, or the client hung up before. */
function goneAway(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort(fail('cancelled', 'the client went away')));
  return gone.signal;
}

async function send(reply: FastifyReply, answer: Reply, clock: Clock, signal: AbortSignal): Promise<FastifyReply> {
  switch (answer.kind) {
    case 'nothing':
      return reply.code(204).send();
    case 'json':
      return reply.send(answer.value);
    case 'text':
      return reply.type(answer.mediaType).send(answer.text);
    case 'held':
      return reply.type('application/json').send(Readable.from(heldAnswer(answer.value, clock, signal)));
    case 'events':
      void reply.header('cache-control', 'no-store');
      return reply.type('text/event-stream').send(Readable.from(await begun(answer.source), { objectMode: false }));
    case 'bytes': {
      const source = await begun(answer.source);
      for (const name of answer.trailerNames) reply.trailer(name, async () => answer.trailers()[name] ?? '');
      return reply.type(answer.mediaType).send(Readable.from(source, { objectMode: false }));
    }
  }
}

/** What fails before the first piece can still be told by its status. */
async function begun<T>(source: AsyncIterable<T>): Promise<AsyncIterable<T>> {
  const pieces = source[Symbol.asyncIterator]();
  let first: IteratorResult<T> | undefined = await pieces.next();
  return {
    [Symbol.asyncIterator]: () => ({
      async next() {
        const piece = first ?? (await pieces.next());
        first = undefined;
        return piece;
      },
      return: async () => (await pieces.return?.()) ?? { done: true, value: undefined },
    }),
  };
}

/** What the HTTP library refuses by itself has no code of ours. */
function failureOf(error: unknown): Failure {
  if (error instanceof FailureError) return error.failure;
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
  const message = error instanceof Error ? error.message : String(error);
  if (status === 413) {
    const most = mostBodyBytes / 1024 ** 2;
    return {
      code: 'exhausted',
      message: `the body of the request has more than ${most} MiB`,
      remedy: 'ask for less at a time',
    };
  }
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return { code: 'bad-request', message, remedy: 'see /v1/openapi.json' };
  }
  return toFailure(error);
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? '') : '';
}

async function startListening(
  app: { listen(options: { host: string; port: number }): Promise<string>; readonly server: { address(): unknown } },
  { host, port }: HttpServerOptions['listen'],
): Promise<HttpServer['address']> {
  try {
    await app.listen({ host, port });
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw fail('bad-request', `cannot listen on ${host}:${port}: ${message}`, 'choose another --listen', cause);
  }
  const bound = app.server.address();
  const isBound = typeof bound === 'object' && bound !== null && 'port' in bound && typeof bound.port === 'number';
  return { host, port: isBound ? Number(bound.port) : port };
}
