// The inbox of a watch, while somebody else writes to its directory too: exactly what was asked for is given to the watch, once, and nothing
// that lies there ends, stops or misleads it.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type AskedFiring, askToFire, TriggerInbox } from '../../../agent/watch/trigger-inbox.js';
import type { Firing } from '../../../proto/capture.js';
import { encodeEvent } from '../../../proto/event-codec.js';
import { FailureError, toFailure } from '../../../proto/failure.js';

let directory: string;
let works = 0;
let work: string;
let place: string;
let inbox: TriggerInbox;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'perftrawl-inbox-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

async function newInbox(): Promise<void> {
  work = join(directory, `w${++works}`);
  place = join(work, 'triggers');
  mkdirSync(work);
  inbox = await TriggerInbox.open(work);
}
beforeEach(newInbox);

async function taken(): Promise<AskedFiring[]> {
  const all: AskedFiring[] = [];
  for (let asked = await inbox.next(); asked !== undefined; asked = await inbox.next()) all.push(asked);
  return all;
}

const FIRING: Firing = {
  ...{ number: 1, time: 5, cause: { kind: 'asked', who: 'alice', reason: 'pager' } },
  capture: { ok: true, captureId: 'w.t1' },
};
const answerOf = (firing: Firing) => encodeEvent({ sequence: 0, time: 0, body: { kind: 'triggered', firing } });
const ask = (requestId: string, who = 'alice', reason = 'pager', patience = 20_000) =>
  askToFire(work, { captureId: 'w', requestId, who, reason }, patience);
const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.fail('it did not fail'),
    (error: unknown) => {
      // A value that is told, no defect.
      expect(error).toBeInstanceOf(FailureError);
      return toFailure(error);
    },
  );

const sound = JSON.stringify({ who: 'mallory', reason: 'mine' });
/** Must stay as it is, whatever points there. */
const canary = () => {
  const path = join(work, 'canary');
  if (!existsSync(path)) writeFileSync(path, sound);
  return path;
};

/** A link too, wherever it leads. */
const isThere = (path: string) => lstatSync(path, { throwIfNoEntry: false }) !== undefined;

/** What may be put where a request or an answer belongs. */
const HOSTILE: Record<string, (path: string) => void> = {
  'a link to a sound request': (path) => symlinkSync(canary(), path),
  'a link to nowhere': (path) => symlinkSync('/nonexistent/x', path),
  'a link to a directory': (path) => {
    mkdirSync(join(work, 'elsewhere'), { recursive: true });
    symlinkSync(join(work, 'elsewhere'), path);
  },
  'a link to itself': (path) => symlinkSync(path, path),
  'a link to zeros without end': (path) => symlinkSync('/dev/zero', path),
  'a FIFO that nobody writes': (path) => void execFileSync('mkfifo', [path]),
  'a directory with something in it': (path) => {
    mkdirSync(path);
    writeFileSync(join(path, 'x'), sound);
  },
  'a file of a terabyte': (path) => {
    writeFileSync(path, sound);
    truncateSync(path, 1024 ** 4);
  },
  'an empty file': (path) => writeFileSync(path, ''),
  'a file of somebody else': (path) => {
    writeFileSync(path, sound);
    chownSync(path, 4711, 4711);
  },
};

it('gives what was asked for, once, and its answer to whoever asks again', async () => {
  const asked = Promise.all([ask('r1'), ask('r1')]);
  await expect.poll(() => readdirSync(place)).toContain('r1.ask');
  expect(await taken()).toEqual([{ requestId: 'r1', who: 'alice', reason: 'pager' }]);
  await inbox.answer('r1', FIRING);
  expect(await asked).toEqual([FIRING, FIRING]);
  expect(await ask('r1')).toEqual(FIRING);
  expect(await taken()).toEqual([]);
});

it('gives nothing that was taken back', async () => {
  expect(await failureOf(ask('r1', 'alice', 'pager', 0))).toMatchObject({ code: 'deadline' });
  expect(await taken()).toEqual([]);
});

describe.each(Object.keys(HOSTILE))('%s', (name) => {
  it('where a request belongs is refused, and goes no further', async () => {
    HOSTILE[name](join(place, 'bad1.ask'));
    writeFileSync(join(place, 'good1.ask'), JSON.stringify({ who: 'alice', reason: 'pager' }));
    expect(await taken()).toEqual([{ requestId: 'good1', who: 'alice', reason: 'pager' }]);
    expect(await failureOf(ask('bad1'))).toMatchObject({ code: 'bad-data' });
    expect(await taken()).toEqual([]);
    expect(readFileSync(canary(), 'utf8')).toBe(sound);
  });

  it('where an answer belongs is not believed, and gives way to the right one', async () => {
    HOSTILE[name](join(place, 'r1.answer'));
    expect(await failureOf(ask('r1'))).toMatchObject({ code: 'bad-data' });
    await taken();
    await inbox.answer('r1', FIRING);
    expect(await ask('r1')).toEqual(FIRING);
    expect(readFileSync(canary(), 'utf8')).toBe(sound);
  });

  it('in place of the directory of requests gives none, and nothing is written there', async () => {
    rmSync(place, { recursive: true });
    HOSTILE[name](place);
    expect(await taken()).toEqual([]);
    // One more is as good as the first.
    if (name.startsWith('a directory')) return;
    expect(await failureOf(ask('r1'))).toMatchObject({ code: 'permission', message: expect.stringContaining(place) });
    expect(await failureOf(TriggerInbox.open(work))).toMatchObject({ code: 'permission' });
    await inbox.answer('r1', FIRING);
    expect(readFileSync(canary(), 'utf8')).toBe(sound);
    if (existsSync(join(work, 'elsewhere'))) expect(readdirSync(join(work, 'elsewhere'))).toEqual([]);
  });
});

it('refuses a socket, and what may not be read, as requests', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(join(place, 'bad1.ask'), resolve));
  writeFileSync(join(place, 'bad2.ask'), sound);
  chownSync(join(place, 'bad2.ask'), 4711, 4711);
  chmodSync(join(place, 'bad2.ask'), 0);
  expect(await taken()).toEqual([]);
  server.close();
  expect(readdirSync(place).filter((name) => name.endsWith('.answer'))).toEqual(['bad1.answer', 'bad2.answer']);
});

it('a directory that is gone gives nothing; who asks is told that the watch has ended', async () => {
  rmSync(work, { recursive: true });
  expect(await taken()).toEqual([]);
  await inbox.answer('r1', FIRING);
  expect(await failureOf(ask('r1'))).toMatchObject({ code: 'refused' });
});

it('is not kept busy by any number of files', async () => {
  for (let i = 0; i < 5000; i++) writeFileSync(join(place, `n${i}.ask`), i % 2 === 0 ? sound : 'junk');
  expect((await taken()).length).toBeLessThanOrEqual(1000);
  expect(await taken()).toEqual([]);
  expect(await failureOf(ask('late'))).toMatchObject({ code: 'exhausted' });
});

/** Bytes that somebody might write, many of them nearly a request. */
const contents = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc.json({ maxDepth: 2 }).map((text) => Buffer.from(text)),
  fc.record({ who: fc.jsonValue(), reason: fc.jsonValue() }).map((value) => Buffer.from(JSON.stringify(value))),
  fc
    .constantFrom('{"who":{"toString":1},"reason":{}}', '{"__proto__":{"who":"x","reason":"y"}}', '[', '"')
    .map(Buffer.from),
);

it('gives any request as it was asked, and of any other bytes a refusal', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.tuple(fc.string({ unit: 'binary', maxLength: 300 }), fc.string({ unit: 'binary', maxLength: 3000 })),
        {
          maxLength: 4,
        },
      ),
      fc.array(contents, { maxLength: 6 }),
      async (asked, hostile) => {
        await newInbox();
        for (const [i, bytes] of hostile.entries()) writeFileSync(join(place, `bad${i}.ask`), bytes);
        const answers = asked.map(([who, reason], i) => ask(`good${i}`, who, reason));
        await expect
          .poll(() => readdirSync(place).filter((name) => /^good\d\.ask$/.test(name)))
          .toHaveLength(asked.length);
        const all = await taken();
        const good = all.filter(({ requestId }) => requestId.startsWith('good'));
        const valid = (i: number) => {
          const [who, reason] = asked[i];
          return { requestId: `good${i}`, who: who.slice(0, 256), reason: reason.slice(0, 2048) };
        };
        expect(good.toSorted((a, b) => (a.requestId < b.requestId ? -1 : 1))).toEqual(asked.map((_, i) => valid(i)));
        // Of the others only those that say both, as a request does.
        for (const { requestId, who, reason } of all) {
          if (good.some((one) => one.requestId === requestId)) continue;
          const said = JSON.parse(Buffer.from(hostile[Number(requestId.slice(3))]).toString());
          expect({ who, reason }).toEqual({ who: said.who.slice(0, 256), reason: said.reason.slice(0, 2048) });
        }
        for (const { requestId } of all) await inbox.answer(requestId, FIRING);
        expect(await Promise.all(answers)).toEqual(asked.map(() => FIRING));
        for (const [i] of hostile.entries()) {
          const outcome = await ask(`bad${i}`).catch(toFailure);
          expect(outcome).toMatchObject(
            all.some(({ requestId }) => requestId === `bad${i}`) ? FIRING : { code: 'bad-data' },
          );
        }
      },
    ),
    { numRuns: 30 },
  );
});

it('gives each request once, whatever is put there and taken away meanwhile', async () => {
  const steps = fc.array(
    fc.record({
      what: fc.constantFrom(...Object.keys(HOSTILE), 'ask', 'withdraw', 'rename', 'look'),
      id: fc.integer({ min: 0, max: 4 }),
      ending: fc.constantFrom('.ask', '.answer', '.ask-0123', ''),
    }),
    { maxLength: 30 },
  );
  await fc.assert(
    fc.asyncProperty(steps, async (list) => {
      await newInbox();
      const given: string[] = [];
      const asked = new Set<string>();
      let moved = 0;
      for (const { what, id, ending } of list) {
        const path = join(place, `r${id}${ending}`);
        if (what === 'look') given.push(...(await taken()).map(({ requestId }) => requestId));
        else if (what === 'withdraw') rmSync(path, { recursive: true, force: true });
        else if (what === 'rename') {
          if (isThere(path)) renameSync(path, join(place, `moved${++moved}`));
        } else if (what === 'ask') {
          asked.add(`r${id}`);
          // Not waited for: what lies there decides.
          await ask(`r${id}`, 'alice', 'pager', 0).catch((error: unknown) =>
            expect(error).toBeInstanceOf(FailureError),
          );
          const request = join(place, `r${id}.ask`);
          if (!isThere(request)) writeFileSync(request, JSON.stringify({ who: 'alice', reason: 'pager' }));
        } else if (!isThere(path)) HOSTILE[what](path);
      }
      given.push(...(await taken()).map(({ requestId }) => requestId));
      expect(new Set(given).size).toBe(given.length);
      for (const requestId of given) expect(asked).toContain(requestId);
      expect(readFileSync(canary(), 'utf8')).toBe(sound);
    }),
    { numRuns: 150 },
  );
});

it('does not believe any bytes in place of an answer', async () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.tuple(fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 4 })).map(([at, change]) => {
      const sounds = Buffer.from(answerOf(FIRING));
      sounds.set(change.subarray(0, sounds.length - (at % sounds.length)), at % sounds.length);
      return sounds;
    }),
  );
  await fc.assert(
    fc.asyncProperty(bytes, async (answer) => {
      writeFileSync(join(place, 'r1.answer'), answer);
      const outcome = await ask('r1').catch((error: unknown) => {
        expect(error).toBeInstanceOf(FailureError);
        return toFailure(error);
      });
      expect('number' in outcome || outcome.code !== 'internal').toBe(true);
    }),
    { numRuns: 300 },
  );
});
