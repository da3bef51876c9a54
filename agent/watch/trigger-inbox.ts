// Requests to fire a watch, which may run in another process of the same state directory: files in its work directory.
//
//   work/triggers/ID.ask      who asks and why, as JSON; written whole, read by the owner
//                 ID.answer   what came of it, as an encoded event; whoever asks again with the same ID finds it
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TriggerCapture } from '../../proto/agent-api.js';
import type { Firing, Milliseconds } from '../../proto/capture.js';
import { decodeEvent, encodeEvent } from '../../proto/event-codec.js';
import { type Failure, FailureError, fail } from '../../proto/failure.js';
import { hasCode } from '../spool/file-error.js';

/** Requests that a watch keeps the answers of. */
const MOST_REQUESTS = 1000;
const REQUEST_ID = /^[A-Za-z0-9]{1,64}$/;
const LONGEST_WHO = 256;
const LONGEST_REASON = 2048;
/** How long the watch may take to answer: it may be making room on a slow disk, or taking a dump of its ring. */
const PATIENCE: Milliseconds = 30_000;
const LOOK: Milliseconds = 100;

export type AskedFiring = Omit<TriggerCapture, 'captureId'>;

/** Where the requests of a watch are. @param work its work directory, which is there as long as it runs */
function placeOf(work: string): string {
  return join(work, 'triggers');
}

/**
 * Ask the watch of that work directory to fire and wait for what comes of it.
 * @throws FailureError `bad-request`, `refused` when it may not fire now or has ended, `deadline`
 */
export async function askToFire(work: string, { requestId, who, reason }: TriggerCapture): Promise<Firing> {
  if (!REQUEST_ID.test(requestId)) {
    throw fail('bad-request', 'a request to fire has an id of 1 to 64 letters and digits', 'update the controller');
  }
  const place = placeOf(work);
  const path = join(place, requestId);
  if (!existsSync(`${path}.ask`)) {
    const text = JSON.stringify({ who: who.slice(0, LONGEST_WHO), reason: reason.slice(0, LONGEST_REASON) });
    try {
      await makePlace(place);
      if ((await readdir(place)).length >= 2 * MOST_REQUESTS) {
        throw fail('exhausted', `this watch was asked to fire ${MOST_REQUESTS} times`, 'start another one');
      }
      await writeFile(`${path}.new`, text, { mode: 0o600 });
      await rename(`${path}.new`, `${path}.ask`);
    } catch (error) {
      throw hasCode(error, 'ENOENT') ? ended() : error;
    }
  }
  for (const until = performance.now() + PATIENCE; performance.now() < until; await sleep(LOOK)) {
    const answer = await read(`${path}.answer`);
    if (answer !== undefined) return firingOf(answer);
    if (!existsSync(place)) throw ended();
  }
  await rm(`${path}.ask`, { force: true });
  throw fail('deadline', 'the watch was asked to fire and has not answered', 'ask again; see the log of the agent');
}

/** Of the process that runs the watch. */
export class TriggerInbox {
  readonly #place: string;
  readonly #seen = new Set<string>();

  private constructor(place: string) {
    this.#place = place;
  }

  static async open(work: string): Promise<TriggerInbox> {
    await makePlace(placeOf(work));
    return new TriggerInbox(placeOf(work));
  }

  /** Requests that came since. */
  async take(): Promise<AskedFiring[]> {
    const asked: AskedFiring[] = [];
    for (const name of await readdir(this.#place)) {
      const requestId = /^([A-Za-z0-9]{1,64})\.ask$/.exec(name)?.[1];
      if (requestId === undefined || this.#seen.has(requestId)) continue;
      this.#seen.add(requestId);
      asked.push({ requestId, ...askedOf(await readFile(join(this.#place, name), 'utf8')) });
    }
    return asked;
  }

  async answer(requestId: string, outcome: Firing | Failure): Promise<void> {
    const firing: Firing = 'number' in outcome ? outcome : { ...REFUSED, capture: { ok: false, failure: outcome } };
    const path = join(this.#place, requestId);
    await writeFile(`${path}.told`, encodeEvent({ sequence: 0, time: 0, body: { kind: 'triggered', firing } }));
    await rename(`${path}.told`, `${path}.answer`);
  }
}

/** Firings are numbered from 1: this one did not happen. */
const REFUSED = { number: 0, time: 0, cause: { kind: 'asked', who: '', reason: '' } } as const;

function firingOf(answer: Buffer): Firing {
  const { body } = decodeEvent(answer);
  if (body.kind !== 'triggered')
    throw fail('bad-data', 'the watch answered something else', 'see the log of the agent');
  const { number, capture } = body.firing;
  if (number === 0 && !capture.ok) throw new FailureError(capture.failure);
  return body.firing;
}

function askedOf(text: string): Pick<AskedFiring, 'who' | 'reason'> {
  const value: unknown = JSON.parse(text);
  const isObject = typeof value === 'object' && value !== null && 'who' in value && 'reason' in value;
  if (!isObject) throw fail('bad-data', 'a request to fire cannot be read');
  return { who: String(value.who), reason: String(value.reason) };
}

/** By whoever comes first; never the work directory, which is gone when the watch is. */
async function makePlace(place: string): Promise<void> {
  try {
    await mkdir(place, { mode: 0o700 });
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
  }
}

async function read(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function ended(): FailureError {
  return fail('refused', 'the watch has ended', 'start another one');
}
