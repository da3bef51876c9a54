// An AgentApi served as the gRPC service CaptureAgent.
import { once } from 'node:events';
import type { Server, ServerUnaryCall, ServerWritableStream, sendUnaryData, UntypedHandleCall } from '@grpc/grpc-js';
import type { AgentApi } from './agent-api.js';
import { auditPartToMessage, auditQueryFromMessage, originFromMessage } from './audit-codec.js';
import { eventToMessage } from './event-codec.js';
import { fail } from './failure.js';
import { toStatus } from './failure-codec.js';
import type { perftrawl } from './generated/perftrawl.js';
import { healthToMessage } from './health-codec.js';
import { captureInfoToMessage, hostToMessage, preflightToMessage } from './host-codec.js';
import { captureAgentService, MAX_MESSAGE_BYTES } from './service.js';
import { selectorFromMessage, specFromMessage } from './spec-codec.js';
import { planFromMessage, scriptToMessage, uploadFromMessage } from './stap-codec.js';
import { firingToMessage, triggerFromMessage } from './watch-codec.js';

/** Options that every server of this service needs. */
export const SERVER_OPTIONS = {
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
  'grpc-node.flow_control_window': 8 * 1024 * 1024,
};

type V1 = typeof perftrawl.v1;
type In<K extends keyof V1> = V1[K] extends { decode(...args: never[]): infer M } ? M : never;

/** Register the service. What `api` throws reaches the caller as a gRPC status with the failure in a trailer. */
export function addAgentService(server: Server, api: AgentApi): void {
  const handlers: Record<keyof typeof captureAgentService, UntypedHandleCall> = {
    describe: unary(async (_request: In<'DescribeRequest'>, signal) => hostToMessage(await api.describe(signal))),
    listProcesses: unary(async (request: In<'ListProcessesRequest'>, signal) => {
      const processes = await api.listProcesses(selectorFromMessage(request.selector), signal);
      return { processes: processes.map((process) => ({ ...process })) };
    }),
    preflight: unary(async (request: In<'PreflightRequest'>, signal) =>
      preflightToMessage(await api.preflight(specFromMessage(request.spec), signal)),
    ),
    startCapture: unary(async (request: In<'StartCaptureRequest'>, signal) => {
      const { captureId, spec, requester, startAtMs, origin } = request;
      const startAt = startAtMs ? { startAt: startAtMs } : {};
      const from = origin ? { origin: originFromMessage(origin) } : {};
      return api.startCapture(
        { captureId: captureId ?? '', spec: specFromMessage(spec), requester: requester ?? '', ...startAt, ...from },
        signal,
      );
    }),
    followCapture: stream(async (request: In<'FollowCaptureRequest'>, write, signal) => {
      for await (const event of api.followCapture(request.captureId ?? '', request.fromSequence ?? 1, signal)) {
        await write(eventToMessage(event));
      }
    }),
    fetchArtifact: stream(async (request: In<'FetchArtifactRequest'>, write, signal) => {
      const { captureId, name, offset } = request;
      for await (const { data, end } of api.fetchArtifact(captureId ?? '', name ?? '', offset ?? 0, signal)) {
        await write({ data, ...end });
      }
    }),
    stopCapture: unary(async (request: In<'StopCaptureRequest'>, signal) => ({
      state: await api.stopCapture(request.captureId ?? '', request.discard ?? false, signal),
    })),
    listCaptures: unary(async (_request: In<'ListCapturesRequest'>, signal) => ({
      captures: (await api.listCaptures(signal)).map(captureInfoToMessage),
    })),
    releaseCapture: unary(async (request: In<'ReleaseCaptureRequest'>, signal) => ({
      wasThere: await api.releaseCapture(request.captureId ?? '', signal),
    })),
    listScripts: unary(async (_request: In<'ListScriptsRequest'>, signal) => ({
      scripts: (await api.listScripts(signal)).map(scriptToMessage),
    })),
    buildModule: stream(async (request: In<'BuildModuleRequest'>, write, signal) => {
      const spec = specFromMessage(request.spec);
      if (spec.kind !== 'stap') throw fail('bad-request', 'only captures of kind stap have modules');
      for await (const { data, end } of api.buildModule({ spec, plan: planFromMessage(request.plan ?? {}) }, signal)) {
        await write({ data, ...end });
      }
    }),
    putModule: unary(async (request: In<'PutModuleRequest'>, signal) => ({
      received: await api.putModule(uploadFromMessage(request), signal),
    })),
    readAudit: stream(async (request: In<'ReadAuditRequest'>, write, signal) => {
      for await (const part of api.readAudit(auditQueryFromMessage(request), signal)) {
        await write(auditPartToMessage(part));
      }
    }),
    triggerCapture: unary(async (request: In<'TriggerCaptureRequest'>, signal) => ({
      triggered: firingToMessage(await api.triggerCapture(triggerFromMessage(request), signal)),
    })),
    readHealth: unary(async (_request: In<'ReadHealthRequest'>, signal) =>
      healthToMessage(await api.readHealth(signal)),
    ),
  };
  server.addService(captureAgentService, handlers);
}

function unary<Q, R>(answer: (request: Q, signal: AbortSignal) => Promise<R>): UntypedHandleCall {
  return (call: ServerUnaryCall<Q, R>, reply: sendUnaryData<R>) => {
    const controller = new AbortController();
    call.on('cancelled', () => controller.abort());
    answer(call.request, controller.signal).then(
      (value) => reply(null, value),
      (error: unknown) => reply(toStatus(error)),
    );
  };
}

/** `write` resolves when the connection can take more: a slow reader holds the producer back, memory stays bounded. */
type Write<R> = (message: R) => Promise<void>;

function stream<Q, R>(produce: (request: Q, write: Write<R>, signal: AbortSignal) => Promise<void>): UntypedHandleCall {
  return (call: ServerWritableStream<Q, R>) => {
    const controller = new AbortController();
    const { signal } = controller;
    call.on('cancelled', () => controller.abort());
    call.on('error', () => controller.abort());
    const write: Write<R> = async (message) => {
      signal.throwIfAborted();
      if (!call.write(message)) await once(call, 'drain', { signal });
    };
    produce(call.request, write, signal).then(
      () => call.end(),
      (error: unknown) => {
        if (signal.aborted) call.end();
        else call.emit('error', toStatus(error));
      },
    );
  };
}
