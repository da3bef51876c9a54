// An agent at the other end of a stream, as an AgentApi.
import { Client, type ClientReadableStream } from '@grpc/grpc-js';
import type { AgentApi, StartCapture, TriggerCapture } from './agent-api.js';
import type { AgentAuditPart, AgentAuditQuery } from './agent-audit.js';
import { auditPartFromMessage, auditQueryToMessage, originToMessage } from './audit-codec.js';
import type {
  ArtifactPart,
  CaptureEvent,
  CaptureSpec,
  ModulePart,
  ModuleRequest,
  ModuleUpload,
  ProcessSelector,
} from './capture.js';
import { type OpenStream, StreamCredentials } from './duplex.js';
import { decodeEvent, toState } from './event-codec.js';
import { type Failure, FailureError, fail } from './failure.js';
import { fromServiceError } from './failure-codec.js';
import { healthFromMessage } from './health-codec.js';
import { captureInfoFromMessage, hostFromMessage, preflightFromMessage, processFromMessage } from './host-codec.js';
import { placeholderTarget } from './placeholder-socket.js';
import { MAX_MESSAGE_BYTES, captureAgentService as service } from './service.js';
import { selectorToMessage, specToMessage } from './spec-codec.js';
import { modulePartFromMessage, scriptFromInfoMessage } from './stap-codec.js';
import { firingFromMessage } from './watch-codec.js';

export interface AgentConnection {
  readonly api: AgentApi;
  /** Ends the connection. Calls under way, and those made later, fail as cancelled. */
  close(): void;
}

interface Method<Q, R> {
  readonly path: string;
  readonly requestSerialize: (message: Q) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => R;
}

/**
 * Connects lazily: `open` runs at the first call, and again at the first call after the stream broke. When `open` rejects with a
 * FailureError, the calls that wait for it fail with that one.
 */
export async function connectAgent(open: OpenStream): Promise<AgentConnection> {
  /** Why there is no stream any more; until a call succeeds again. */
  let streamFailure: Failure | undefined;
  const remember = (error: unknown) => {
    streamFailure =
      error instanceof FailureError ? error.failure : fail('unreachable', String(error), '', error).failure;
  };
  const openAndRemember: OpenStream = async () => {
    try {
      const stream = await open();
      // A stream that was closed at one end says that at the other: no reason.
      stream.on('error', (error) => {
        if (!('code' in error && error.code === 'ERR_STREAM_PREMATURE_CLOSE')) remember(error);
      });
      return stream;
    } catch (error) {
      remember(error);
      throw error;
    }
  };
  const client = new Client(await placeholderTarget(), new StreamCredentials(openAndRemember), {
    'grpc.default_authority': 'localhost',
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
    'grpc.initial_reconnect_backoff_ms': 50,
    'grpc.max_reconnect_backoff_ms': 500,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_retries': 0,
    'grpc.keepalive_time_ms': 10_000,
    'grpc.keepalive_timeout_ms': 10_000,
    'grpc-node.flow_control_window': 8 * 1024 * 1024,
  });
  const underWay = new Set<{ cancel(): void }>();
  let isClosed = false;
  const explain = (error: unknown, doing: string): FailureError => {
    const failed = fromServiceError(error, doing);
    return failed.failure.code === 'unreachable' && streamFailure !== undefined
      ? new FailureError(streamFailure, { cause: error })
      : failed;
  };

  function call<Q, R>(method: Method<Q, R>, request: Q, doing: string, signal: AbortSignal): Promise<R> {
    return new Promise<R>((resolve, reject) => {
      if (signal.aborted || isClosed) return reject(cancelled(doing));
      const abort = () => running.cancel();
      const running = client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        (error, value) => {
          signal.removeEventListener('abort', abort);
          underWay.delete(running);
          if (error !== null) reject(explain(error, doing));
          else if (value === undefined) reject(fail('internal', `${doing}: no answer and no error`));
          else {
            streamFailure = undefined;
            resolve(value);
          }
        },
      );
      underWay.add(running);
      signal.addEventListener('abort', abort, { once: true });
    });
  }

  async function* stream<Q, R>(
    method: Method<Q, R>,
    request: Q,
    doing: string,
    signal: AbortSignal,
  ): AsyncGenerator<R> {
    if (signal.aborted || isClosed) throw cancelled(doing);
    const running: ClientReadableStream<R> = client.makeServerStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
    );
    const abort = () => running.cancel();
    underWay.add(running);
    signal.addEventListener('abort', abort, { once: true });
    try {
      for await (const message of running) yield message as R;
    } catch (error) {
      throw explain(error, doing);
    } finally {
      signal.removeEventListener('abort', abort);
      underWay.delete(running);
      running.cancel();
    }
  }

  const close = () => {
    isClosed = true;
    for (const running of underWay) running.cancel();
    client.close();
  };
  return { api: agentApi({ call, stream }), close };
}

interface Calls {
  call<Q, R>(method: Method<Q, R>, request: Q, doing: string, signal: AbortSignal): Promise<R>;
  stream<Q, R>(method: Method<Q, R>, request: Q, doing: string, signal: AbortSignal): AsyncIterable<R>;
}

function agentApi({ call, stream }: Calls): AgentApi {
  return {
    async describe(signal: AbortSignal) {
      return hostFromMessage(await call(service.describe, {}, 'asking what the host can do', signal));
    },
    async listProcesses(selector: ProcessSelector, signal: AbortSignal) {
      const request = { selector: selectorToMessage(selector) };
      const answer = await call(service.listProcesses, request, 'listing processes', signal);
      return (answer.processes ?? []).map(processFromMessage);
    },
    async preflight(spec: CaptureSpec, signal: AbortSignal) {
      return preflightFromMessage(
        await call(service.preflight, { spec: specToMessage(spec) }, 'checking the capture', signal),
      );
    },
    async startCapture({ captureId, spec, requester, origin, startAt }: StartCapture, signal: AbortSignal) {
      const from = origin === undefined ? {} : { origin: originToMessage(origin) };
      const request = { captureId, spec: specToMessage(spec), requester, ...from, startAtMs: startAt ?? 0 };
      const answer = await call(service.startCapture, request, `starting capture ${captureId}`, signal);
      return { isNew: answer.isNew ?? false };
    },
    async *followCapture(captureId: string, fromSequence: number, signal: AbortSignal): AsyncGenerator<CaptureEvent> {
      const doing = `following capture ${captureId}`;
      const messages = stream(undecoded(service.followCapture), { captureId, fromSequence }, doing, signal);
      for await (const bytes of messages) yield decodeEvent(bytes);
    },
    async *fetchArtifact(
      captureId: string,
      name: string,
      offset: number,
      signal: AbortSignal,
    ): AsyncGenerator<ArtifactPart> {
      const messages = stream(service.fetchArtifact, { captureId, name, offset }, `fetching ${name}`, signal);
      for await (const { data, sha256, size } of messages) {
        const end = sha256 ? { end: { sha256, size: size ?? 0 } } : {};
        yield { data: data ?? new Uint8Array(), ...end };
      }
    },
    async stopCapture(captureId: string, discard: boolean, signal: AbortSignal) {
      const answer = await call(service.stopCapture, { captureId, discard }, `stopping capture ${captureId}`, signal);
      return toState(answer.state ?? '');
    },
    async listCaptures(signal: AbortSignal) {
      const answer = await call(service.listCaptures, {}, 'listing captures', signal);
      return (answer.captures ?? []).map(captureInfoFromMessage);
    },
    async releaseCapture(captureId: string, signal: AbortSignal) {
      const answer = await call(service.releaseCapture, { captureId }, `releasing capture ${captureId}`, signal);
      return answer.wasThere ?? false;
    },
    async listScripts(signal: AbortSignal) {
      const answer = await call(service.listScripts, {}, 'listing SystemTap scripts', signal);
      return (answer.scripts ?? []).map(scriptFromInfoMessage);
    },
    async *buildModule({ spec, plan }: ModuleRequest, signal: AbortSignal): AsyncGenerator<ModulePart> {
      const request = { spec: specToMessage(spec), plan: { ...plan } };
      const doing = `compiling ${plan.script} for ${plan.kernelRelease}`;
      for await (const message of stream(service.buildModule, request, doing, signal))
        yield modulePartFromMessage(message);
    },
    async putModule(upload: ModuleUpload, signal: AbortSignal) {
      const answer = await call(
        service.putModule,
        { ...upload },
        `sending module ${upload.sha256.slice(0, 12)}`,
        signal,
      );
      return answer.received ?? 0;
    },
    async *readAudit(query: AgentAuditQuery, signal: AbortSignal): AsyncGenerator<AgentAuditPart> {
      const request = auditQueryToMessage(query);
      for await (const message of stream(service.readAudit, request, 'reading the audit log', signal))
        yield auditPartFromMessage(message);
    },
    async triggerCapture(request: TriggerCapture, signal: AbortSignal) {
      const doing = `triggering capture ${request.captureId}`;
      const { triggered } = await call(service.triggerCapture, { ...request }, doing, signal);
      if (!triggered) throw fail('bad-data', `${doing}: the answer tells no firing`, 'update perftrawl on that host');
      return firingFromMessage(triggered);
    },
    async readHealth(signal: AbortSignal) {
      return healthFromMessage(await call(service.readHealth, {}, 'asking how the host is doing', signal));
    },
  };
}

/**
 * gRPC reads ahead, and a few bytes of a message can become a hundred times as many in memory: what waits to be taken waits as bytes.
 */
function undecoded<Q>(method: Method<Q, unknown>): Method<Q, Buffer> {
  return { ...method, responseDeserialize: (bytes) => bytes };
}

function cancelled(doing: string): FailureError {
  return fail('cancelled', `${doing}: cancelled`);
}
