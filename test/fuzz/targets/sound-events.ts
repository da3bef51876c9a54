// One sound event of a capture's log of each kind, and sound profiles: what messages under fuzzing start as.
import { brotliDecompressSync } from 'node:zlib';
import { PerfDataParser } from '../../../agent/perf/perf-data-parser.js';
import type { Profile } from '../../../profile/profile.js';
import type { CaptureEvent, CaptureEventBody, Firing } from '../../../proto/capture.js';
import { crc32 } from '../../../proto/crc32.js';
import { encodeProfile, type ProfileChunk } from '../../../proto/profile-codec.js';
import type { Random } from '../random.js';
import { seedFiles } from '../seeds.js';

export function soundProfile(keepTimestamps = false): Profile {
  const parser = new PerfDataParser({ split: 'pid', keepTimestamps, isLive: false });
  parser.push(seedFiles('perf-file.data')[0]);
  return parser.end().profile;
}

/** The two parts of a sound profile, decompressed: header and texts, then the columns. */
export function soundParts(keepTimestamps = false): Uint8Array[] {
  return [...encodeProfile(soundProfile(keepTimestamps))].map(({ data }) =>
    Uint8Array.from(brotliDecompressSync(data)),
  );
}

/** Chunks of a profile with right sums in which `input` stands for one of the two parts of a sound one. */
export function chunksWith(input: Uint8Array, random: Random): ProfileChunk[] {
  SOUND ??= soundParts(true);
  const [first, second] = SOUND;
  const parts = random.once(8) ? [input] : random.once(2) ? [first, input] : [input, second];
  return parts.map((data, index) => ({
    ...{ name: '', index, isLast: index === parts.length - 1, encoding: 'identity' },
    ...{ crc32: crc32(data), rawLength: data.length, data },
  }));
}

let SOUND: readonly Uint8Array[] | undefined;

const FAILURE = { code: 'tool-failed', message: 'perf failed', remedy: 'try again' } as const;

const HELD: Firing = {
  ...{ number: 1, time: 1_700_000_000_000, capture: { ok: true, captureId: 'job.host.t1' }, lookBackId: 'job.host.b1' },
  cause: {
    kind: 'held',
    condition: {
      terms: [
        { measure: { kind: 'rate', event: 'page-faults' }, comparison: '>', threshold: 5000 },
        { measure: { kind: 'ratio', event: 'major-faults', of: 'page-faults' }, comparison: '<=', threshold: 0.1 },
      ],
    },
    observed: [{ time: 1_700_000_000_000, interval: 1000.5, values: [6000.25, 0.01] }],
  },
};
const REFUSED: Firing = {
  ...{ number: 2, time: 1_700_000_001_000, cause: { kind: 'asked', who: 'alice', reason: 'an alert' } },
  capture: { ok: false, failure: FAILURE },
};

const BODIES: readonly CaptureEventBody[] = [
  { kind: 'state', state: 'running', detail: 'process 7' },
  { kind: 'progress', elapsed: 10, samples: 3, bytes: 400, lost: 1 },
  {
    kind: 'counters',
    interval: 1000,
    points: [
      {
        time: 1000,
        event: 'page-faults',
        scope: 'CPU0',
        status: 'counted',
        value: 12.5,
        unit: 'msec',
        runningPercent: 50,
      },
    ],
  },
  {
    kind: 'histograms',
    interval: 1000,
    points: [
      {
        time: 1000,
        histogram: {
          ...{
            title: 'latency',
            labels: [{ key: 'type', value: 'MINOR' }],
            unit: 'ns',
            scale: { kind: 'log2' },
            underflow: 0,
            overflow: 1,
          },
          ...{
            buckets: [
              { from: 4, to: 8, count: 2 },
              { from: 8, to: 16, count: 1 },
            ],
            sum: 20,
            min: 4,
            max: 9,
          },
        },
      },
      {
        time: 2000,
        histogram: {
          title: 'l',
          labels: [],
          unit: '',
          scale: { kind: 'linear', from: 0, to: 10, step: 2 },
          underflow: 0,
          overflow: 0,
          buckets: [{ from: 0, to: 2, count: 5 }],
        },
      },
    ],
  },
  { kind: 'text', lines: [{ time: 5, number: 1, stream: 'stdout', text: 'hello' }] },
  { kind: 'part', part: 'stat', outcome: 'failed', failure: FAILURE },
  { kind: 'triggered', firing: HELD },
  { kind: 'triggered', firing: REFUSED },
  ...[...encodeProfile(soundProfile())].map((chunk) => ({ kind: 'profile-chunk' as const, chunk })),
  { kind: 'losses', losses: [{ kind: 'lost-events', count: 3, detail: 'ring buffer' }] },
  { kind: 'cost', cost: { toolCpu: 1, agentCpu: 2, peakMemoryBytes: 3, recordedBytes: 4, spooledBytes: 5, wall: 6 } },
  {
    kind: 'artifact',
    artifact: { name: 'perf.data', size: 12, sha256: 'a'.repeat(64), mediaType: 'application/octet-stream' },
  },
  { kind: 'done', outcome: 'finished', commandLines: ['perf record'] },
  { kind: 'done', outcome: 'failed', commandLines: [], failure: FAILURE },
];

export const EVENTS: readonly CaptureEvent[] = BODIES.map((body, i) => ({
  sequence: i + 1,
  time: 1_700_000_000_000 + i,
  body,
}));
