// Agents that send much, or little that becomes much: each in a job with a sound host; the controller's memory stays bounded.
import { brotliCompressSync, constants } from 'node:zlib';
import { afterEach, expect, it } from 'vitest';
import type { CaptureEventBody } from '../../proto/capture.js';
import { crc32 } from '../../proto/crc32.js';
import { encodeEvent } from '../../proto/event-codec.js';
import { perftrawl } from '../../proto/generated/perftrawl.js';
import { encodeProfile } from '../../proto/profile-codec.js';
import { drawProfile } from '../profile/draw-profile.js';
import { AttackedJob, type Hostile } from './attacked-job.js';

const { ProfilePart } = perftrawl.v1;
const MIB = 1 << 20;
const [soundChunk] = encodeProfile(drawProfile('main 1'));

let attacked: AttackedJob | undefined;
afterEach(() => attacked?.end());

/** Message number `index` of a log. */
type Log = (index: number) => Uint8Array;

const logOf = (body: CaptureEventBody, sequence: number): Uint8Array => encodeEvent({ sequence, time: 1, body });

/** The chunks of a profile that never ends: a first one with a header, then the same again and again. */
function parts(content: Parameters<typeof ProfilePart.encode>[0]): Log {
  const [first, next] = [{ header: {}, ...content }, content].map((part) => {
    const raw = ProfilePart.encode(part).finish();
    const data = brotliCompressSync(raw, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } });
    return { ...soundChunk, isLast: false, crc32: crc32(data), rawLength: raw.length, data };
  });
  return (index) => logOf({ kind: 'profile-chunk', chunk: { ...(index === 0 ? first : next), index } }, index + 1);
}

/** A message of many empty fields: `count` times the field number `field`, inside of the fields `outer`. */
function emptyFields(outer: readonly number[], field: number, count: number): Uint8Array {
  let bytes = Buffer.alloc(2 * count);
  for (let at = 0; at < bytes.length; at += 2) bytes[at] = field * 8 + 2;
  for (const around of [...outer].reverse()) {
    const writer = perftrawl.v1.ProfilePart.encode({ strings: bytes }).finish();
    // Field 2 of a ProfilePart is bytes: its key is exchanged for that of `around`.
    bytes = Buffer.from(writer);
    bytes[0] = around * 8 + 2;
  }
  return bytes;
}

const labels = new Array(500_000).fill({});
const strings = Buffer.alloc(3 * MIB);
const rows = new Array(8).fill(0).map((_, i) => ({ id: i + 1, rows: MIB / 4, deltas: Buffer.alloc(MIB / 4) }));
const long = 'x'.repeat(3 * MIB);
const lines = emptyFields([fieldOf({ text: { lines: [] } })], 1, 2_000_000);

/** The number of the one field of a CaptureEvent. */
function fieldOf(event: Parameters<typeof perftrawl.v1.CaptureEvent.encode>[0]): number {
  return perftrawl.v1.CaptureEvent.encode(event).finish()[0] >> 3;
}

const endless = (log: Log): Hostile => ({
  follow: async (write, isGone) => {
    for (let index = 0; !isGone(); index++) await write(log(index));
  },
});

it.each<[string, Log, RegExp, number]>([
  ['labels without end', parts({ labelSets: [{ labels }] }), /exhausted: .*rows/, 900],
  ['texts without end', parts({ strings }), /exhausted: .*rows/, 900],
  ['columns without end', parts({ columns: rows }), /exhausted: .*rows/, 2500],
  ['two million lines in one message', () => lines, /bad-data/, 900],
  [
    'details of losses by the megabyte',
    (i) => logOf({ kind: 'losses', losses: [{ kind: 'throttled', count: 1, detail: `${long}${i}` }] }, i + 1),
    /exhausted: .*characters of text/,
    500,
  ],
])('%s', async (_what, log, words, mostMemory) => {
  attacked = await AttackedJob.begin({ evil: endless(log) });
  const { ends, peakMemory } = await attacked.record('--grace', '60s');
  expect(ends.evil).toMatch(words);
  expect(ends.good).toBe('succeeded');
  expect(peakMemory).toBeLessThan(mostMemory);
});

it('logs without end, in which every event is in order, end at the deadline', async () => {
  const unwanted = { ...soundChunk, name: 'other', data: Buffer.alloc(MIB) };
  attacked = await AttackedJob.begin({
    states: endless((i) => logOf({ kind: 'state', state: 'running', detail: `${long}${i}` }, i + 1)),
    progress: endless((i) => logOf({ kind: 'progress', elapsed: i, samples: i, bytes: i, lost: 0 }, i + 1)),
    unwanted: endless((i) => logOf({ kind: 'profile-chunk', chunk: unwanted }, i + 1)),
  });
  const { ends, peakMemory } = await attacked.record('--grace', '10s');
  for (const name of ['states', 'progress', 'unwanted'])
    expect(ends[name]).toMatch(/deadline: not done after|exhausted/);
  expect(ends.good).toBe('succeeded');
  expect(peakMemory).toBeLessThan(600);
});
