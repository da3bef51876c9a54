// The gRPC service definition of CaptureAgent, from the generated messages; capture.proto is its documentation.
import { perftrawl } from './generated/perftrawl.js';

const m = perftrawl.v1;

interface Codec<T> {
  encode(message: T): { finish(): Uint8Array };
  decode(bytes: Uint8Array): T;
}

function method<Q, R>(name: string, request: Codec<Q>, response: Codec<R>, responseStream: boolean) {
  return {
    path: `/perftrawl.v1.CaptureAgent/${name}`,
    requestStream: false as const,
    responseStream,
    requestSerialize: (message: Q) => asBuffer(request.encode(message).finish()),
    requestDeserialize: (bytes: Buffer) => request.decode(bytes),
    responseSerialize: (message: R) => asBuffer(response.encode(message).finish()),
    responseDeserialize: (bytes: Buffer) => response.decode(bytes),
  };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export const captureAgentService = {
  describe: method('Describe', m.DescribeRequest, m.HostDescription, false),
  listProcesses: method('ListProcesses', m.ListProcessesRequest, m.ListProcessesResponse, false),
  preflight: method('Preflight', m.PreflightRequest, m.PreflightResponse, false),
  startCapture: method('StartCapture', m.StartCaptureRequest, m.StartCaptureResponse, false),
  followCapture: method('FollowCapture', m.FollowCaptureRequest, m.CaptureEvent, true),
  fetchArtifact: method('FetchArtifact', m.FetchArtifactRequest, m.ArtifactChunk, true),
  stopCapture: method('StopCapture', m.StopCaptureRequest, m.StopCaptureResponse, false),
  listCaptures: method('ListCaptures', m.ListCapturesRequest, m.ListCapturesResponse, false),
  releaseCapture: method('ReleaseCapture', m.ReleaseCaptureRequest, m.ReleaseCaptureResponse, false),
  listScripts: method('ListScripts', m.ListScriptsRequest, m.ListScriptsResponse, false),
  buildModule: method('BuildModule', m.BuildModuleRequest, m.ModulePart, true),
  putModule: method('PutModule', m.PutModuleRequest, m.PutModuleResponse, false),
  readAudit: method('ReadAudit', m.ReadAuditRequest, m.AuditLines, true),
  triggerCapture: method('TriggerCapture', m.TriggerCaptureRequest, m.TriggerCaptureResponse, false),
  readHealth: method('ReadHealth', m.ReadHealthRequest, m.HealthReading, false),
};

/** Largest message either side accepts: a profile chunk (512 KiB raw) or an event with room to spare. */
export const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
