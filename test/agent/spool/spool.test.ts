// Captures on disk: numbered, checksummed, followed by anybody, and ended by whoever finds their owner dead.
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createArtifact, findArtifact, readArtifact } from '../../../agent/spool/artifact.js';
import { withLock } from '../../../agent/spool/lock.js';
import { ownIdentity } from '../../../agent/spool/owner.js';
import { Spool, type SpooledCapture } from '../../../agent/spool/spool.js';
import { canonicalSpec } from '../../../proto/canonical-spec.js';
import type { CaptureEvent, CaptureEventBody, CaptureSpec } from '../../../proto/capture.js';
import { FailureError } from '../../../proto/failure.js';

const never = new AbortController().signal;
const spec: CaptureSpec = {
  kind: 'file',
  path: '/tmp/perf.data',
  format: 'detect',
  detail: { split: 'comm', keepTimestamps: false, lines: false },
};
const done: CaptureEventBody = { kind: 'done', outcome: 'finished', commandLines: [] };
const progress = (samples: number): CaptureEventBody => ({ kind: 'progress', elapsed: 0, samples, bytes: 0, lost: 0 });

let directory: string;
let clock = 0;
const created: SpooledCapture[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'perftrawl-spool-'));
  clock = 1000;
});
afterEach(async () => {
  for (const { log } of created.splice(0)) await log.close();
  await rm(directory, { recursive: true, force: true });
});

const openSpool = (limit = 1e9) => Spool.open({ directory: join(directory, 'state'), limit, now: () => clock++ });

async function create(spool: Spool, captureId: string): Promise<SpooledCapture> {
  const request = { captureId, kind: spec.kind, spec: canonicalSpec(spec), requester: 'test' };
  const capture = await spool.create(request, () => undefined);
  if (capture === undefined) throw new Error(`${captureId} exists`);
  created.push(capture);
  return capture;
}

async function finished(spool: Spool, captureId: string, ...bodies: CaptureEventBody[]): Promise<void> {
  const capture = await create(spool, captureId);
  for (const body of [...bodies, done]) await capture.log.append(body);
  await spool.finish(capture);
}

async function follow(spool: Spool, captureId: string, from = 1): Promise<CaptureEvent[]> {
  const events: CaptureEvent[] = [];
  for await (const event of spool.follow(captureId, from, never)) events.push(event);
  return events;
}

/** `1 progress, 2 done` */
const draw = (events: readonly CaptureEvent[]) =>
  events.map(({ sequence, body }) => `${sequence} ${body.kind}`).join(', ');

async function failureOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof FailureError) return error.failure.code;
    throw error;
  }
  return 'no failure';
}

const logPath = (captureId: string) => join(directory, 'state', 'captures', captureId, 'log');

/** As if the agent that ran it had been killed: its owner is a process that is no more. */
async function abandon(captureId: string): Promise<void> {
  const path = join(directory, 'state', 'captures', captureId, 'meta.json');
  const meta: unknown = JSON.parse(await readFile(path, 'utf8'));
  await writeFile(path, JSON.stringify(Object.assign({}, meta, { owner: { ...ownIdentity(), startTicks: '1' } })));
}

describe('a capture`s log', () => {
  it('numbers events from 1 and gives them from any number on', async () => {
    const spool = await openSpool();
    await finished(spool, 'a', progress(1), progress(2));
    expect(draw(await follow(spool, 'a'))).toBe('1 progress, 2 progress, 3 done');
    expect(draw(await follow(spool, 'a', 3))).toBe('3 done');
    expect(draw(await follow(spool, 'a', 4))).toBe('');
  });

  it('is followed while it is written, by this process and by another spool', async () => {
    const spool = await openSpool();
    const other = await openSpool();
    const capture = await create(spool, 'a');
    const followers = [follow(spool, 'a'), follow(other, 'a', 2)];
    await capture.log.append(progress(1));
    await capture.log.append(progress(2));
    await capture.log.append(done);
    await spool.finish(capture);
    expect((await Promise.all(followers)).map(draw)).toEqual(['1 progress, 2 progress, 3 done', '2 progress, 3 done']);
  });

  it('gives 1 MiB events whole', async () => {
    const spool = await openSpool();
    const data = new Uint8Array(1024 * 1024).map((_, i) => i * 7);
    const chunk = { name: '', index: 0, isLast: true, encoding: 'identity', crc32: 1, rawLength: 1, data } as const;
    await finished(spool, 'a', progress(1), { kind: 'profile-chunk', chunk }, progress(2));
    const [event] = await follow(spool, 'a', 2);
    expect(event?.body.kind === 'profile-chunk' && Buffer.compare(event.body.chunk.data, data)).toBe(0);
    expect((await spool.list()).map((info) => info.lastSequence)).toEqual([4]);
  });

  it('that was closed without its end, for want of room, is given one', async () => {
    const spool = await openSpool();
    const capture = await create(spool, 'a');
    await capture.log.append(progress(1));
    const following = follow(spool, 'a');
    await spool.finish(capture);
    expect((await following).at(-1)?.body).toMatchObject({
      kind: 'done',
      outcome: 'failed',
      failure: { code: 'lost' },
    });
  });

  it('ends a follower that is cancelled', async () => {
    const spool = await openSpool();
    await create(spool, 'a');
    const controller = new AbortController();
    const reading = spool.follow('a', 1, controller.signal).next();
    controller.abort();
    await expect(reading).rejects.toThrow(/abort/i);
  });

  it('is told to be damaged, by the byte', async () => {
    const spool = await openSpool();
    await finished(spool, 'a', progress(1), progress(2));
    const bytes = await readFile(logPath('a'));
    bytes[30] = (bytes[30] ?? 0) ^ 0xff;
    await writeFile(logPath('a'), bytes);
    expect(await failureOf(follow(spool, 'a'))).toBe('bad-data');
  });
});

describe('an agent that was killed', () => {
  it.each([
    ['between two events', 0],
    ['inside of an event', 5],
    ['inside of a length', 30],
  ])('%s leaves a capture that ends as lost, once', async (_where, cut) => {
    const spool = await openSpool();
    const capture = await create(spool, 'a');
    for (let i = 0; i < 3; i++) await capture.log.append(progress(i));
    await capture.log.close();
    const bytes = await readFile(logPath('a'));
    await writeFile(logPath('a'), bytes.subarray(0, bytes.length - cut));
    await abandon('a');

    const next = await openSpool();
    const events = await follow(next, 'a');
    const last = events.at(-1);
    expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, i) => i + 1));
    expect(last?.body).toMatchObject({ kind: 'done', outcome: 'failed', failure: { code: 'lost' } });
    expect(draw(await follow(await openSpool(), 'a'))).toBe(draw(events));
    expect((await next.list()).map((info) => info.state)).toEqual(['done']);
  });

  it('is noticed by a follower that was there before', async () => {
    const spool = await openSpool();
    const other = await openSpool();
    const capture = await create(spool, 'a');
    await capture.log.append(progress(1));
    const following = follow(other, 'a');
    await abandon('a');
    expect(draw(await following)).toBe('1 progress, 2 done');
  });

  it('may leave noise behind the last whole event', async () => {
    const spool = await openSpool();
    const capture = await create(spool, 'a');
    await capture.log.append(progress(1));
    await capture.log.close();
    await appendFile(logPath('a'), Buffer.from([9, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]));
    await abandon('a');
    expect(draw(await follow(await openSpool(), 'a'))).toBe('1 progress, 2 done');
  });

  it('leaves no half-made captures and no lock', async () => {
    await openSpool();
    await mkdir(join(directory, 'state', 'captures', '.new-1234'));
    await writeFile(join(directory, 'state', 'lock'), JSON.stringify({ ...ownIdentity(), startTicks: '1' }));
    const spool = await openSpool();
    expect(await readdir(join(directory, 'state', 'captures'))).toEqual([]);
    await finished(spool, 'a');
    expect(await readdir(join(directory, 'state'))).toEqual(['captures']);
  });
});

describe('capture ids', () => {
  it.each(['../a', 'a/b', '.hidden', '-rf', '', 'a\0b', 'a b', 'x'.repeat(129), 'ä'])(
    '%j is refused',
    async (captureId) => {
      const spool = await openSpool();
      expect(await failureOf(create(spool, captureId))).toBe('bad-request');
      expect(await failureOf(follow(spool, captureId))).toBe('bad-request');
      expect(await failureOf(spool.release(captureId))).toBe('bad-request');
      expect(await failureOf(spool.requestStop(captureId, 'keep'))).toBe('bad-request');
    },
  );

  it('name a capture once: the same spec finds it, another one is a conflict', async () => {
    const spool = await openSpool();
    await finished(spool, 'a');
    const same = { captureId: 'a', kind: spec.kind, spec: canonicalSpec({ ...spec }), requester: 'other' };
    expect(await spool.create(same, () => undefined)).toBeUndefined();
    const different = { ...same, spec: canonicalSpec({ ...spec, path: '/other' }) };
    expect(await failureOf(spool.create(different, () => undefined))).toBe('conflict');
  });

  it('that nobody used are not found', async () => {
    const spool = await openSpool();
    expect(await failureOf(follow(spool, 'a'))).toBe('not-found');
    expect(await failureOf(spool.state('a'))).toBe('not-found');
    expect(await spool.release('a')).toBe(false);
  });
});

describe('the state directory', () => {
  it('is for its owner only', async () => {
    await finished(await openSpool(), 'a');
    const mode = async (path: string) => ((await stat(join(directory, 'state', path))).mode & 0o777).toString(8);
    expect(await Promise.all(['', 'captures', 'captures/a', 'captures/a/log'].map(mode))).toEqual([
      '700',
      '700',
      '700',
      '600',
    ]);
  });

  it('is bounded, and room comes back with what is released', async () => {
    const spool = await openSpool(10_000);
    const capture = await create(spool, 'a');
    const chunk = {
      name: '',
      index: 0,
      isLast: true,
      encoding: 'identity',
      crc32: 1,
      rawLength: 1,
      data: new Uint8Array(6000),
    } as const;
    await capture.log.append({ kind: 'profile-chunk', chunk });
    expect(await failureOf(capture.log.append({ kind: 'profile-chunk', chunk }))).toBe('exhausted');
    // The end of the capture still finds its place, and the log is whole.
    await capture.log.append(done);
    await spool.finish(capture);
    expect(draw(await follow(spool, 'a'))).toBe('1 profile-chunk, 2 done');
    expect(await spool.release('a')).toBe(true);
    expect(spool.room).toBeGreaterThan(9000);
    expect(await spool.list()).toEqual([]);
  });

  it('does not release what still runs', async () => {
    const spool = await openSpool();
    await create(spool, 'a');
    expect(await failureOf(spool.release('a'))).toBe('refused');
  });

  it('passes stop requests on; discard prevails', async () => {
    const spool = await openSpool();
    await create(spool, 'a');
    const other = await openSpool();
    expect(await spool.stopRequest('a')).toBeUndefined();
    await other.requestStop('a', 'keep');
    expect(await spool.stopRequest('a')).toBe('keep');
    await other.requestStop('a', 'discard');
    await other.requestStop('a', 'keep');
    expect(await spool.stopRequest('a')).toBe('discard');
  });

  it('lets one at a time hold its lock', async () => {
    let holders = 0;
    let most = 0;
    const work = () =>
      withLock(join(directory, 'lock'), async () => {
        most = Math.max(most, ++holders);
        await stat(directory);
        holders--;
      });
    await Promise.all(Array.from({ length: 20 }, work));
    expect(most).toBe(1);
  });
});

describe('artifacts', () => {
  const reserve = () => undefined;
  const read = async (offset: number) => {
    const artifact = await findArtifact(directory, 'perf.data');
    if (artifact === undefined) throw new Error('no artifact');
    const parts = [];
    for await (const part of readArtifact(directory, artifact, offset, never)) parts.push(part);
    return { data: Buffer.concat(parts.map((part) => part.data)), end: parts.at(-1)?.end };
  };

  it('are read from any offset, with the SHA-256 of the whole', async () => {
    const writer = await createArtifact(directory, 'perf.data', 'text/plain', reserve);
    const content = Buffer.alloc(1_500_000, 'abc');
    await writer.write(content.subarray(0, 7));
    await writer.write(content.subarray(7));
    expect(await findArtifact(directory, 'perf.data')).toBeUndefined();
    const { sha256, size } = await writer.finish();
    // Of `head -c 1500000 <(yes abc | tr -d '\n') | sha256sum`, by coreutils.
    expect(sha256).toBe(ABC_SHA256);
    for (const offset of [0, 1, 524_288, 1_499_999, 1_500_000]) {
      const { data, end } = await read(offset);
      expect(data.equals(content.subarray(offset))).toBe(true);
      expect(end).toEqual({ sha256, size });
    }
    expect(await failureOf(read(1_500_001))).toBe('bad-request');
    expect(await failureOf(read(-1))).toBe('bad-request');
  });

  it.each(['../log', '/etc/passwd', '.json', 'a/b', ''])('%j is no name of one', async (name) => {
    expect(await failureOf(findArtifact(directory, name))).toBe('bad-request');
  });
});

const ABC_SHA256 = '206c8387a6fd09a951f4945cb98bd65ae2b9a59d4069f70e00a9d9acd7c86515';

describe('what power cuts and killed agents leave', () => {
  it.each([
    ['zeros at the end of the log', (path: string) => appendFile(path, Buffer.alloc(100))],
    ['a log that is empty', (path: string) => writeFile(path, '')],
    ['a log that is something else', (path: string) => writeFile(path, 'PTLOG, or not')],
  ])('%s: the capture is lost, and the others are served', async (_what, damage) => {
    const spool = await openSpool();
    await finished(spool, 'sound', progress(1));
    const { log } = await create(spool, 'cut');
    await log.append(progress(1));
    await abandon('cut');
    await damage(logPath('cut'));
    const next = await openSpool();
    expect((await next.list()).map(({ captureId, state }) => `${captureId} ${state}`)).toEqual([
      'sound done',
      'cut done',
    ]);
    const [last] = (await follow(next, 'cut')).slice(-1);
    expect(last.body).toMatchObject({ kind: 'done', outcome: 'failed', failure: { code: 'lost' } });
    expect(draw(await follow(next, 'sound'))).toBe('1 progress, 2 done');
  });

  it('a description that was never written goes, which is told', async () => {
    const spool = await openSpool();
    await finished(spool, 'sound', progress(1));
    await finished(spool, 'cut', progress(1));
    await writeFile(join(directory, 'state', 'captures', 'cut', 'meta.json'), '');
    const told: string[] = [];
    const onExpired = (captureId: string, why: string) => told.push(`${captureId}: ${why}`);
    const next = await Spool.open({ directory: join(directory, 'state'), limit: 1e9, now: () => clock++, onExpired });
    expect((await next.list()).map(({ captureId }) => captureId)).toEqual(['sound']);
    expect(told).toEqual(['cut: what it was asked for is damaged']);
  });

  it('tickets for the lock go when their process is gone, and stay while it lives', async () => {
    await openSpool();
    const state = join(directory, 'state');
    const dead = JSON.stringify({ ...ownIdentity(), startTicks: '1' });
    await writeFile(join(state, 'lock.1.7'), dead);
    await writeFile(join(state, 'lock.999999999.0'), '');
    await writeFile(join(state, `lock.${process.pid}.99`), JSON.stringify(ownIdentity()));
    await openSpool();
    expect((await readdir(state)).filter((name) => name.startsWith('lock'))).toEqual([`lock.${process.pid}.99`]);
  });
});

describe('captures that nobody fetches', () => {
  const day = 24 * 3_600_000;

  it('are deleted after some days, which is told; one that runs is not', async () => {
    const spool = await openSpool();
    await finished(spool, 'old', progress(1));
    await create(spool, 'running');
    const told: string[] = [];
    const options = { directory: join(directory, 'state'), limit: 1e9, onExpired: (id: string) => told.push(id) };
    // The process that made it has to have been there for as long: nobody can have set that clock.
    const now = () => Date.now() + 8 * day;
    await Spool.open({ ...options, now, uptime: () => 0 });
    expect(told).toEqual([]);
    const later = await Spool.open({ ...options, now, uptime: () => 365 * day });
    expect(told).toEqual(['old']);
    expect((await later.list()).map(({ captureId }) => captureId)).toEqual(['running']);
    expect(await failureOf(follow(later, 'old'))).toBe('not-found');
  });
});
