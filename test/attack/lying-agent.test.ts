// Agents that break the rules of the log, all in one job with a sound host: each is refused with its reason, the sound host's result stands.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CaptureEvent, CaptureEventBody } from '../../proto/capture.js';
import { crc32 } from '../../proto/crc32.js';
import { encodeEvent } from '../../proto/event-codec.js';
import { fail } from '../../proto/failure.js';
import { encodeProfile } from '../../proto/profile-codec.js';
import { FakeAgent, finished, type Script } from '../controller/fake-agent.js';
import { drawProfile } from '../profile/draw-profile.js';
import { AttackedJob, type Hostile } from './attacked-job.js';

const profile = drawProfile('main;read 3');
const [chunk] = encodeProfile(profile);
const script = (act: Script): Hostile => ({ agent: new FakeAgent(act) });
const emits = (...bodies: CaptureEventBody[]): Hostile => script(async ({ emit }) => emit(...bodies));
const raw = (...messages: Uint8Array[]): Hostile => ({
  follow: async (write) => {
    for (const message of messages) await write(message);
  },
});
const event = (body: CaptureEventBody, sequence = 1): CaptureEvent => ({ sequence, time: 1, body });
/** A sound message in which one byte sequence is another of the same length. */
const forged = (body: CaptureEventBody, from: string, to: string): Uint8Array =>
  Buffer.from(
    Buffer.from(encodeEvent(event(body)))
      .toString('latin1')
      .replace(from, to),
    'latin1',
  );
const artifact = (name: string, sha256 = 'a'.repeat(64), size = 3): CaptureEventBody => ({
  kind: 'artifact',
  artifact: { name, size, sha256, mediaType: 'x' },
});
const tooHeavy = { ...chunk, ...sums(Buffer.from('no profile at all')), encoding: 'identity' as const };
const log2 = { kind: 'log2' } as const;
const histogram = { title: 'x', labels: [], unit: '', scale: log2, buckets: [], underflow: 0, overflow: 0 };

function sums(data: Uint8Array) {
  return { data, crc32: crc32(data), rawLength: data.length };
}

/** Name of the host, how it lies, and what the job has to say. */
const LIARS: readonly [string, Hostile, RegExp][] = [
  ['wrong-sum', emits({ kind: 'profile-chunk', chunk: { ...chunk, crc32: 1 } }), /bad-data: .*damaged: checksum/],
  ['no-profile', emits({ kind: 'profile-chunk', chunk: tooHeavy }), /bad-data: .*is no ProfilePart|has no header/],
  [
    'no-brotli',
    emits({ kind: 'profile-chunk', chunk: { ...chunk, ...sums(Buffer.from('xx')) } }),
    /bad-data: .*decompress/,
  ],
  [
    'bomb',
    emits({ kind: 'profile-chunk', chunk: { ...chunk, rawLength: 2 ** 31 } }),
    /bad-data: .*announces 2147483648/,
  ],
  [
    'half-profile',
    emits({ kind: 'profile-chunk', chunk: { ...chunk, isLast: false } }, finished),
    /bad-data: .*not its last/,
  ],
  ['no-result', emits(finished), /bad-data: .*finished without a profile/],
  ['gap', script(async ({ emitRaw }) => emitRaw(event(finished, 7))), /bad-data: .*event 7 comes where event 1/],
  [
    'other-kind',
    emits({ kind: 'histograms', interval: 1, points: [{ time: 0, histogram }] }),
    /bad-data: .*histograms from a capture of kind 'record'/,
  ],
  [
    'printing',
    emits({ kind: 'text', lines: [{ time: 0, number: 1, stream: 'stdout', text: 'x' }] }),
    /bad-data: .*text from a capture of kind/,
  ],
  ['counting', emits({ kind: 'counters', interval: 1, points: [] }), /bad-data: .*counters from a capture/],
  [
    'infinite',
    emits({ kind: 'progress', elapsed: 1, samples: Number.POSITIVE_INFINITY, bytes: 0, lost: 0 }),
    /bad-data: .*says Infinity|bad-data/,
  ],
  [
    'negative',
    emits({
      kind: 'cost',
      cost: { toolCpu: -1, agentCpu: 0, peakMemoryBytes: 0, recordedBytes: 0, spooledBytes: 0, wall: 0 },
    }),
    /bad-data: .*cost says -1/,
  ],
  ['traversal', emits(artifact('../../etc/passwd')), /bad-data: .*strange name/],
  ['hidden', emits(artifact('.bashrc')), /bad-data: .*strange name/],
  ['no-hash', emits(artifact('a', 'zz')), /bad-data: .*strange name or checksum/],
  ['two-alike', emits(artifact('a'), artifact('a')), /bad-data: .*two artifacts 'a'/],
  ['no-reason', emits({ kind: 'done', outcome: 'failed', commandLines: [] }), /bad-data: .*failure is not told/],
  ['kitless', emits({ kind: 'part', part: 'stat', outcome: 'finished' }), /bad-data: .*a part 'stat'/],
  [
    'strange-state',
    raw(forged({ kind: 'state', state: 'running', detail: '' }, 'running', 'rooting')),
    /bad-data: unknown capture state "rooting"/,
  ],
  [
    'strange-loss',
    raw(forged({ kind: 'losses', losses: [{ kind: 'throttled', count: 1, detail: '' }] }, 'throttled', 'throttlex')),
    /bad-data: unknown kind of loss/,
  ],
  ['no-message', raw(Buffer.from('ffffffffffffffffffff', 'hex')), /bad-data: .*no CaptureEvent message/],
  [
    'no-text',
    raw(forged({ kind: 'state', state: 'running', detail: 'abcd' }, 'abcd', '\xff\xfe\xfd\xfc')),
    /bad-data: .*no CaptureEvent message/,
  ],
  ['empty', raw(Buffer.alloc(0)), /bad-data: .*of no kind that this version knows/],
  ['too-large', raw(Buffer.alloc(5 << 20)), /exhausted: .*larger than max/],
  [
    'refusing',
    {
      agent: Object.assign(new FakeAgent(async () => undefined), {
        startCapture: async () => {
          throw fail('refused', '\x1b[2J\x1b]0;owned\x07 no\r\n', '$(reboot)');
        },
      }),
    },
    /refused/,
  ],
  [
    'crashing',
    {
      agent: Object.assign(new FakeAgent(async () => undefined), {
        startCapture: async () => {
          throw new TypeError('x is not a function');
        },
      }),
    },
    /internal: x is not a function/,
  ],
];

let attacked: AttackedJob;
let result: Awaited<ReturnType<AttackedJob['record']>>;

beforeAll(async () => {
  attacked = await AttackedJob.begin(Object.fromEntries(LIARS.map(([name, hostile]) => [name, hostile])));
  result = await attacked.record('--grace', '15s');
});
afterAll(() => attacked.end());

describe('an agent that lies', () => {
  it.each(LIARS.map(([name, , words]) => [name, words] as const))('is refused: %s', (name, words) => {
    expect(result.ends[name]).toMatch(/^(?:failed|lost)/);
    expect(result.ends[name]).toMatch(words);
  });

  it('harms no other host, and the job is partial', async () => {
    expect(result.ends.good).toBe('succeeded');
    expect(result.job.state).toBe('partial');
    const { stdout } = await attacked.run('export', result.job.id, '--format', 'folded');
    expect(stdout).toBe('app;main;read 3\n');
  });

  it('takes little memory', () => {
    expect(result.peakMemory).toBeLessThan(400);
  });

  it('cannot write on the terminal', async () => {
    const { stdout, stderr } = await attacked.run('jobs', 'show', result.job.id);
    expect(stdout + stderr).toContain('␛[2J');
    expect(stdout + stderr).not.toMatch(/[^\P{Cc}\n]/u);
  });
});
