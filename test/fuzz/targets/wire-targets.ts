// What travels: requests an agent reads, answers and events a controller reads, profiles in parts, failures in trailers.

import { brotliDecompressSync } from 'node:zlib';
import { Metadata } from '@grpc/grpc-js';
import { checkSpec } from '../../../agent/capture/check-spec.js';
import { checkCaptureId } from '../../../agent/spool/capture-meta.js';
import { CaptureIntake } from '../../../controller/jobs/capture-intake.js';
import { checkValid } from '../../../profile/check-valid.js';
import { canonicalSpec } from '../../../proto/canonical-spec.js';
import type { CaptureSpec } from '../../../proto/capture.js';
import { crc32 } from '../../../proto/crc32.js';
import { decodeEvent, encodeEvent } from '../../../proto/event-codec.js';
import { fail } from '../../../proto/failure.js';
import { fromServiceError, toStatus } from '../../../proto/failure-codec.js';
import {
  captureInfoFromMessage,
  hostFromMessage,
  preflightFromMessage,
  processFromMessage,
} from '../../../proto/host-codec.js';
import { decodeProfile, encodeProfile, type ProfileChunk } from '../../../proto/profile-codec.js';
import { captureAgentService as service } from '../../../proto/service.js';
import { selectorFromMessage, specFromMessage, specToMessage } from '../../../proto/spec-codec.js';
import {
  modulePartFromMessage,
  planFromMessage,
  scriptFromInfoMessage,
  uploadFromMessage,
} from '../../../proto/stap-codec.js';
import { SPECS } from '../../controller/specs.js';
import { type FuzzTarget, promise } from '../target.js';
import { chunksWith, EVENTS, soundParts, soundProfile } from './sound-events.js';

/** protobufjs: what is no message of the wire. The codecs turn these into failures; here messages are decoded before them. */
const NO_MESSAGE = ['RangeError', 'TypeError', 'Error'];

const DEFECTS =
  /undefined|null|not a function|Maximum call stack|Invalid (?:array|string|typed array) length|allocation failed/;

/** Decode as gRPC does, where an exception of the decoder is a refusal, unless it tells of the machine and not of the bytes. */
function decoded<T>(decode: (bytes: Buffer) => T, input: Uint8Array): T {
  try {
    return decode(Buffer.from(input));
  } catch (error) {
    if (error instanceof Error && NO_MESSAGE.includes(error.name) && !DEFECTS.test(error.message))
      throw fail('bad-data', error.message);
    throw error;
  }
}

const event: FuzzTarget = {
  name: 'event',
  grammar: 'message',
  seeds: () => EVENTS.map(encodeEvent),
  run: (input) => {
    const read = decodeEvent(input);
    const again = decodeEvent(encodeEvent(read));
    promise(JSON.stringify(again) === JSON.stringify(read), 'what was written is read as something else');
  },
};

/** Events one after another, each with its length before it; their numbers are right. */
const intake: FuzzTarget = {
  name: 'intake',
  grammar: 'message',
  seeds: () =>
    [EVENTS, EVENTS.slice(0, 4), EVENTS.slice(6)].map((list) =>
      Buffer.concat(list.map((one) => framed(encodeEvent(one)))),
    ),
  run: (input, random) => {
    const taken = new CaptureIntake(random.once(3) ? random.pick(Object.values(SPECS)) : SPECS.kit);
    let sequence = 0;
    for (const bytes of unframed(input)) taken.take({ ...decodeEvent(bytes), sequence: ++sequence });
    if (taken.isDone) taken.finish();
    promise(
      taken.losses.every(({ count }) => Number.isSafeInteger(count)),
      'a loss is no number',
    );
  },
};

/** A field 1 of bytes around each, so that the messages' grammar sees a list. */
function framed(bytes: Uint8Array): Uint8Array {
  const length = [];
  let rest = bytes.length;
  for (; rest > 127; rest >>>= 7) length.push((rest & 127) | 128);
  return Buffer.concat([Uint8Array.from([10, ...length, rest]), bytes]);
}

function* unframed(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; ) {
    at++;
    let length = 0;
    for (let shift = 0; at < bytes.length && shift < 28; shift += 7) {
      const byte = bytes[at++];
      length |= (byte & 127) << shift;
      if (byte < 128) break;
    }
    yield bytes.subarray(at, at + length);
    at += length;
  }
}

/** A profile of which one part, under a right sum, is the input. */
const profilePart: FuzzTarget = {
  name: 'profile-part',
  grammar: 'message',
  seeds: () => [...soundParts(), ...soundParts(true)],
  run: (input, random) => {
    const profile = decodeProfile(chunksWith(input, random), { maxRawBytes: 1 << 24, maxRows: 1 << 20 });
    promise(checkValid(profile) === undefined, 'a profile that is not valid is taken');
    const again = decodeProfile(encodeProfile(profile));
    const isSame = again.samples.length === profile.samples.length && again.stacks.length === profile.stacks.length;
    promise(isSame, 'what was written is read as something else');
  },
};

/** What the sender would have announced; 1 for what is no brotli. */
function lengthInside(data: Uint8Array): number {
  try {
    return brotliDecompressSync(data, { maxOutputLength: 1 << 22 }).length;
  } catch (error) {
    if (error instanceof Error && 'code' in error) return 1;
    throw error;
  }
}

const [FIRST] = encodeProfile(soundProfile());

const compressed: FuzzTarget = {
  name: 'profile-brotli',
  grammar: 'bytes',
  seeds: () => [...encodeProfile(soundProfile())].map(({ data }) => data),
  run: (input, random) => {
    const rawLength = random.once(3) ? random.pick([0, 1, 700, 4096, 1 << 22, 2 ** 32 - 1]) : lengthInside(input);
    const first: ProfileChunk = { ...FIRST, isLast: false };
    decodeProfile([first, { ...FIRST, index: 1, isLast: true, crc32: crc32(input), rawLength, data: input }]);
  },
};

const specs: FuzzTarget = {
  name: 'start-request',
  grammar: 'message',
  seeds: () =>
    Object.values(SPECS).map((spec) =>
      service.startCapture.requestSerialize({ captureId: 'job.host', spec: specToMessage(spec), requester: 'me' }),
    ),
  run: (input) => {
    const request = decoded(service.startCapture.requestDeserialize, input);
    const spec: CaptureSpec = specFromMessage(request.spec);
    checkCaptureId(request.captureId ?? '');
    canonicalSpec(spec);
    checkSpec(spec);
    const again = specFromMessage(
      decoded(service.preflight.requestDeserialize, service.preflight.requestSerialize({ spec: specToMessage(spec) }))
        .spec,
    );
    promise(canonicalSpec(again) === canonicalSpec(spec), 'what was written is read as something else');
  },
};

const requests: FuzzTarget = {
  name: 'other-requests',
  grammar: 'message',
  seeds: () => [
    service.listProcesses.requestSerialize({ selector: { comms: ['a'], cmdline: '^x', unit: 'u', container: 'c' } }),
    service.putModule.requestSerialize({ sha256: 'a'.repeat(64), size: 10, offset: 3, data: Buffer.from('abc') }),
    service.buildModule.requestSerialize({
      spec: specToMessage(SPECS.stap),
      plan: { script: 'x', kernelRelease: '6.1' },
    }),
    service.fetchArtifact.requestSerialize({ captureId: 'a', name: 'perf.data', offset: 3 }),
    service.followCapture.requestSerialize({ captureId: 'a', fromSequence: 1 }),
    service.triggerCapture.requestSerialize({ captureId: 'a', who: 'b', reason: 'c', requestId: 'd1' }),
  ],
  run: (input, random) => {
    const readers = [
      () => selectorFromMessage(decoded(service.listProcesses.requestDeserialize, input).selector),
      () => uploadFromMessage(decoded(service.putModule.requestDeserialize, input)),
      () => planFromMessage(decoded(service.buildModule.requestDeserialize, input).plan ?? {}),
      ...Object.values(service).map((method) => () => decoded((bytes) => void method.requestDeserialize(bytes), input)),
    ];
    random.pick(readers)();
  },
};

const answers: FuzzTarget = {
  name: 'answers',
  grammar: 'message',
  seeds: () => [
    service.describe.responseSerialize({
      hostname: 'h',
      cpuCount: 2,
      tools: [{ name: 'perf', version: '6', path: '/p' }],
      problems: [{ code: 'x', message: 'm' }],
      runningCaptures: ['a'],
      usableEvents: ['e'],
    }),
    service.listProcesses.responseSerialize({
      processes: [{ pid: 1, comm: 'a', cmdline: 'a b', cgroup: '/', uid: 0 }],
    }),
    service.listCaptures.responseSerialize({
      captures: [{ captureId: 'a', kind: 'record', state: 'running', startedMs: 1, lastSequence: 2, spooledBytes: 3 }],
    }),
    service.listScripts.responseSerialize({
      scripts: [
        { name: 'a', parameters: [{ name: 'p', type: 'integer' }], variants: [{ name: '', needs: ['debuginfo'] }] },
      ],
    }),
    service.preflight.responseSerialize({ problems: [{ code: 'x', message: 'm' }] }),
    service.buildModule.responseSerialize({ data: Buffer.from('x'), sha256: 'a', size: 1 }),
  ],
  run: (input, random) => {
    const readers = [
      () => hostFromMessage(decoded(service.describe.responseDeserialize, input)),
      () => (decoded(service.listProcesses.responseDeserialize, input).processes ?? []).map(processFromMessage),
      () => (decoded(service.listCaptures.responseDeserialize, input).captures ?? []).map(captureInfoFromMessage),
      () => (decoded(service.listScripts.responseDeserialize, input).scripts ?? []).map(scriptFromInfoMessage),
      () => preflightFromMessage(decoded(service.preflight.responseDeserialize, input)),
      () => modulePartFromMessage(decoded(service.buildModule.responseDeserialize, input)),
    ];
    random.pick(readers)();
  },
};

const failures: FuzzTarget = {
  name: 'failure-trailer',
  grammar: 'message',
  seeds: () => [
    Buffer.from((toStatus(fail('refused', 'no', 'wait')).metadata?.get('perftrawl-failure-bin') ?? [])[0] ?? ''),
  ],
  run: (input, random) => {
    const metadata = new Metadata();
    metadata.set('perftrawl-failure-bin', Buffer.from(input));
    const error = Object.assign(new Error('x'), {
      code: random.below(20),
      details: Buffer.from(input).toString('latin1'),
      metadata,
    });
    const { failure } = fromServiceError(error, 'asking');
    promise(failure.message.length <= 8300 && failure.remedy.length <= 8192, 'its words are too many');
  },
};

export const WIRE_TARGETS: readonly FuzzTarget[] = [
  event,
  intake,
  profilePart,
  compressed,
  specs,
  requests,
  answers,
  failures,
];
