// Requests to fire a watch, which may run in another process of the same state directory: files in its work directory. What others put
// there that is no request is refused, and costs the watch nothing.
//
//   work/triggers/ID.ask      who asks and why, as JSON; written whole, read by the owner; taken away again by who asks no longer
//                 ID.answer   what came of it, as an encoded event; whoever asks again with the same ID finds it
import { randomBytes } from 'node:crypto';
import { lstat, mkdir, opendir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TriggerCapture } from '../../proto/agent-api.js';
import type { Firing, Milliseconds } from '../../proto/capture.js';
import { decodeEvent, encodeEvent } from '../../proto/event-codec.js';
import { type Failure, FailureError, fail, toFailure } from '../../proto/failure.js';
import { hasCode } from '../spool/file-error.js';
import { type PlainFile, readPlainFile } from '../spool/plain-file.js';
import { LONGEST_REQUEST, readTrigger, triggerText } from './trigger-request.js';

/** Requests that a watch keeps the answers of. */
const MOST_REQUESTS = 1000;
/** Names in the directory that are looked at. */
const MOST_NAMES = 4 * MOST_REQUESTS;
const REQUEST_ID = /^[A-Za-z0-9]{1,64}$/;
/** A firing with what it observed. */
const LONGEST_ANSWER = 1024 ** 2;
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
export async function askToFire(
  work: string,
  { requestId, who, reason }: TriggerCapture,
  patience: Milliseconds = PATIENCE,
): Promise<Firing> {
  if (!REQUEST_ID.test(requestId)) {
    throw fail('bad-request', 'a request to fire has an id of 1 to 64 letters and digits', 'update the controller');
  }
  const place = placeOf(work);
  const path = join(place, requestId);
  try {
    await makePlace(place);
    if (!(await isThere(`${path}.ask`))) await ask(place, path, triggerText({ who, reason }));
  } catch (error) {
    throw hasCode(error, 'ENOENT') ? ended() : error;
  }
  for (const until = performance.now() + patience; performance.now() < until; await sleep(LOOK)) {
    const answer = await readPlainFile(`${path}.answer`, LONGEST_ANSWER);
    if (answer.kind !== 'missing') return firingOf(answer);
    if (!(await isThere(place))) throw ended();
  }
  await rm(`${path}.ask`, { recursive: true, force: true });
  throw fail('deadline', 'the watch was asked to fire and has not answered', 'ask again; see the log of the agent');
}

async function ask(place: string, path: string, text: string): Promise<void> {
  if ((await readdir(place)).length >= 2 * MOST_REQUESTS) {
    throw fail('exhausted', `this watch was asked to fire ${MOST_REQUESTS} times`, 'start another one');
  }
  await publish(`${path}.ask`, text);
}

/** Of the process that runs the watch. */
export class TriggerInbox {
  readonly #place: string;
  readonly #seen = new Set<string>();
  /** Found, and not looked into yet. */
  #waiting: string[] = [];

  private constructor(place: string) {
    this.#place = place;
  }

  /** @throws FailureError `permission` when something else is in the way */
  static async open(work: string): Promise<TriggerInbox> {
    await makePlace(placeOf(work));
    return new TriggerInbox(placeOf(work));
  }

  /** A request that came since and is still there; each is given once. Undefined when there is none. */
  async next(): Promise<AskedFiring | undefined> {
    if (this.#waiting.length === 0) this.#waiting = await this.#newRequests();
    while (this.#waiting.length > 0 && this.#seen.size < MOST_REQUESTS) {
      const requestId = this.#waiting.pop() ?? '';
      const file = await readPlainFile(join(this.#place, `${requestId}.ask`), LONGEST_REQUEST);
      // Whoever asked has taken it back.
      if (file.kind === 'missing') continue;
      this.#seen.add(requestId);
      try {
        return { requestId, ...readTrigger(bytesOf(file, 'a request to fire cannot be read')) };
      } catch (error) {
        await this.answer(requestId, toFailure(error));
      }
    }
    return undefined;
  }

  /** Whoever asked may be gone, and the directory with him. */
  async answer(requestId: string, outcome: Firing | Failure): Promise<void> {
    const firing: Firing = 'number' in outcome ? outcome : { ...REFUSED, capture: { ok: false, failure: outcome } };
    const bytes = encodeEvent({ sequence: 0, time: 0, body: { kind: 'triggered', firing } });
    if (!(await isOwnDirectory(this.#place))) return;
    try {
      await publish(join(this.#place, `${requestId}.answer`), bytes);
    } catch (error) {
      if (!hasCode(error, 'ENOENT', 'ENOTDIR')) throw error;
    }
  }

  async #newRequests(): Promise<string[]> {
    const found: string[] = [];
    if (!(await isOwnDirectory(this.#place))) return found;
    if (this.#seen.size >= MOST_REQUESTS) return found;
    let names = 0;
    try {
      for await (const { name } of await opendir(this.#place)) {
        const requestId = /^([A-Za-z0-9]{1,64})\.ask$/.exec(name)?.[1];
        if (requestId !== undefined && !this.#seen.has(requestId)) found.push(requestId);
        if (++names >= MOST_NAMES) break;
      }
    } catch (error) {
      if (!hasCode(error, 'ENOENT', 'ENOTDIR')) throw error;
    }
    return found;
  }
}

/** Firings are numbered from 1: this one did not happen. */
const REFUSED = { number: 0, time: 0, cause: { kind: 'asked', who: '', reason: '' } } as const;

/** @throws FailureError */
function firingOf(answer: PlainFile): Firing {
  const { body } = decodeEvent(bytesOf(answer, 'the answer of the watch cannot be read'));
  if (body.kind !== 'triggered')
    throw fail('bad-data', 'the watch answered something else', 'see the log of the agent');
  const { number, capture } = body.firing;
  if (number === 0 && !capture.ok) throw new FailureError(capture.failure);
  return body.firing;
}

/** @throws FailureError `bad-data` */
function bytesOf(file: PlainFile, what: string): Buffer {
  if (file.kind === 'read') return file.bytes;
  const why = file.kind === 'missing' ? 'it is gone' : file.why;
  throw fail('bad-data', `${what}: ${why}`, 'look who writes to the state directory of the agent');
}

/** Whole, or not at all; in place of whatever is there, and through no link. */
async function publish(path: string, content: string | Uint8Array): Promise<void> {
  const temporary = `${path}-${randomBytes(6).toString('hex')}`;
  await writeFile(temporary, content, { mode: 0o600, flag: 'wx' });
  try {
    await rename(temporary, path);
  } catch (error) {
    if (!hasCode(error, 'EISDIR')) throw error;
    await rm(path, { recursive: true, force: true });
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** By whoever comes first; never the work directory, which is gone when the watch is. @throws FailureError `permission` */
async function makePlace(place: string): Promise<void> {
  try {
    await mkdir(place, { mode: 0o700 });
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
    if (await isOwnDirectory(place)) return;
    throw fail('permission', `${place} is no directory of this agent`, 'remove it, and see who put it there', error);
  }
}

async function isOwnDirectory(path: string): Promise<boolean> {
  try {
    const stats = await lstat(path);
    return stats.isDirectory() && (stats.uid === 0 || stats.uid === process.geteuid?.());
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
}

function ended(): FailureError {
  return fail('refused', 'the watch has ended', 'start another one');
}
