// Captures on the agent's disk, shared by every agent process of one state directory.
//
//   STATE/captures/ID/meta.json     what was asked, by whom, which process runs it (the owner)
//                     log           numbered events, framed (frame.ts); only the owner appends
//                     artifacts/    raw files with their SHA-256
//                     work/         the owner's scratch files; gone when the capture is done
//                     stop          a request to the owner: `keep` or `discard`
//   STATE/lock                      held while captures come, go and are recovered
//
// A capture whose owner is gone before its done event is `lost`: whoever notices first appends that.
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, rename, rm, writeFile } from 'node:fs/promises';
import { uptime as machineUptime } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CaptureEvent, CaptureInfo, CaptureState, Milliseconds } from '../../proto/capture.js';
import { FailureError, fail } from '../../proto/failure.js';
import { type CaptureMeta, checkCaptureId, readMeta } from './capture-meta.js';
import { changeTime, directorySize } from './directory-size.js';
import { type Aged, ageOf, expired } from './expiry.js';
import { hasCode, writeFailure } from './file-error.js';
import { sweepTickets, withLock } from './lock.js';
import { LogReader, type LogSummary, soundPart, summarizeLog } from './log-reader.js';
import { LogWriter } from './log-writer.js';
import { ageOfOwner, isAlive, ownIdentity } from './owner.js';
import { readPlainFile } from './plain-file.js';
import { makePrivateDirectory } from './private-directory.js';

export interface SpoolOptions {
  /** State directory; made with mode 0700. */
  readonly directory: string;
  /** Most bytes of all captures together. */
  readonly limit: number;
  /** Milliseconds since 1970 UTC. */
  readonly now: () => number;
  /** Milliseconds since boot. Default: the machine's. */
  readonly uptime?: () => Milliseconds;
  /** How long a capture that is done waits to be fetched. Default: `DEFAULT_SPOOL_AGE`. */
  readonly maxAge?: Milliseconds;
  /** Told of each capture that was deleted because nobody fetched it, or because it was damaged. */
  readonly onExpired?: (captureId: string, why: string) => void;
}

export const DEFAULT_SPOOL_LIMIT = 2 * 1024 ** 3;
export const DEFAULT_SPOOL_AGE: Milliseconds = 7 * 24 * 3_600_000;
/** Above this share of the limit, room is made of captures that nobody fetched. */
const COMFORTABLE_SHARE = 0.8;
/** How often a follower looks for what another process has written; of this process's own captures it is told. */
const POLL_MS = 150;
/** Held in `work/` while a capture runs, so that its end finds room on a disk that has become full. */
const BALLAST_BYTES = 16 * 1024;

export interface SpooledCapture {
  readonly meta: CaptureMeta;
  readonly log: LogWriter;
  readonly artifacts: string;
  readonly work: string;
}

export type StopRequest = 'keep' | 'discard';

export class Spool {
  readonly #options: SpoolOptions;
  readonly #captures: string;
  readonly #open = new Map<string, LogWriter>();
  /** Finished by this spool, and not released. */
  readonly #closed = new Set<string>();
  #used = 0;

  private constructor(options: SpoolOptions) {
    this.#options = options;
    this.#captures = join(options.directory, 'captures');
  }

  /** Open the state directory; captures that a dead agent left unfinished become `lost`. */
  static async open(options: SpoolOptions): Promise<Spool> {
    const spool = new Spool(options);
    try {
      await makePrivateDirectory(spool.#captures);
    } catch (error) {
      throw writeFailure(`cannot use the state directory ${options.directory}`, error);
    }
    await sweepTickets(join(options.directory, 'lock'));
    await spool.#locked(() => spool.#sweep());
    for (const info of await spool.list()) if (info.state !== 'done') await spool.#recoverIfLost(info.captureId);
    await spool.expire();
    return spool;
  }

  /** Bytes that may still be written. */
  get room(): number {
    return Math.max(0, this.#options.limit - this.#used);
  }

  /** @throws FailureError `exhausted` */
  readonly reserve = (bytes: number): void => {
    if (this.#used + bytes > this.#options.limit) {
      throw fail(
        'exhausted',
        `the spool ${this.#options.directory} has reached its limit of ${this.#options.limit} bytes`,
        'fetch and release finished captures, or raise --spool-limit',
      );
    }
    this.#used += bytes;
  };

  /**
   * Register a capture, or find the one of that id. `admit` sees what runs now and throws to refuse.
   * @throws FailureError `conflict` when that id was used for another spec
   */
  async create(
    request: Omit<CaptureMeta, 'started' | 'owner'>,
    admit: (running: readonly CaptureInfo[]) => void,
  ): Promise<SpooledCapture | undefined> {
    const { captureId } = request;
    checkCaptureId(captureId);
    await this.expire();
    return this.#locked(async () => {
      const known = await readMeta(this.#path(captureId, 'meta.json'));
      if (known !== undefined) {
        if (known.spec === request.spec) return undefined;
        throw fail('conflict', `capture ${captureId} exists already with another spec`, 'use a new capture id');
      }
      admit((await this.list()).filter((info) => info.state !== 'done'));
      this.#used = await directorySize(this.#captures);
      this.reserve(0);
      const meta: CaptureMeta = { ...request, started: this.#options.now(), owner: ownIdentity() };
      return this.#make(meta);
    });
  }

  /** The owner has appended the done event: nobody writes to this capture any more. */
  async finish(capture: SpooledCapture): Promise<void> {
    const { captureId } = capture.meta;
    await rm(capture.work, { recursive: true, force: true });
    // First, so that a follower whom closing wakes waits for nothing more of it.
    this.#open.delete(captureId);
    await capture.log.close();
    this.#closed.add(captureId);
  }

  /** undefined when there is no such capture. */
  async meta(captureId: string): Promise<CaptureMeta | undefined> {
    checkCaptureId(captureId);
    return readMeta(this.#path(captureId, 'meta.json'));
  }

  /** Where its artifacts lie. */
  artifacts(captureId: string): string {
    checkCaptureId(captureId);
    return this.#path(captureId, 'artifacts');
  }

  /** Of the process that runs it; gone when it is done. */
  work(captureId: string): string {
    checkCaptureId(captureId);
    return this.#path(captureId, 'work');
  }

  async state(captureId: string): Promise<CaptureState> {
    await this.#require(captureId);
    await this.#recoverIfLost(captureId);
    return (await this.#summary(captureId)).state;
  }

  async list(): Promise<CaptureInfo[]> {
    const names = (await readdir(this.#captures)).filter((name) => !name.startsWith('.'));
    const infos = await Promise.all(names.map((name) => this.#info(name)));
    return infos
      .filter((info) => info !== undefined)
      .sort((a, b) => a.started - b.started || (a.captureId < b.captureId ? -1 : 1));
  }

  /**
   * Events from number `from` on, first those on disk, then those to come, read from disk as the caller takes them.
   * Ends after the done event.
   */
  async *follow(captureId: string, from: number, signal: AbortSignal): AsyncGenerator<CaptureEvent> {
    await this.#require(captureId);
    if (!Number.isInteger(from) || from < 1)
      throw fail('bad-request', `events are numbered from 1: ${from}`, 'ask from 1');
    const reader = await LogReader.open(this.#path(captureId, 'log'));
    try {
      let sequence = 1;
      for (;;) {
        signal.throwIfAborted();
        const changed = this.#open.get(captureId)?.changed();
        if (sequence < from) {
          const frame = await reader.skip();
          if (frame?.state === 'done') return;
          if (frame !== undefined) sequence++;
          else await this.#waitForMore(captureId, changed, signal);
          continue;
        }
        const event = await reader.next();
        if (event === undefined) {
          await this.#waitForMore(captureId, changed, signal);
          continue;
        }
        sequence++;
        yield event;
        if (event.body.kind === 'done') return;
      }
    } finally {
      await reader.close();
    }
  }

  /** Ask the process that runs it, whichever it is. `discard` prevails over `keep`. */
  async requestStop(captureId: string, request: StopRequest): Promise<void> {
    await this.#require(captureId);
    if (request === 'keep' && (await this.stopRequest(captureId)) === 'discard') return;
    const path = this.#path(captureId, 'stop');
    const temporary = `${path}.${randomBytes(4).toString('hex')}`;
    await writeFile(temporary, request, { mode: 0o600 });
    await rename(temporary, path);
  }

  /** Asked several times a second, so the common answer, that there is none, has to be cheap. */
  async stopRequest(captureId: string): Promise<StopRequest | undefined> {
    if (!existsSync(this.#path(captureId, 'stop'))) return undefined;
    const file = await readPlainFile(this.#path(captureId, 'stop'), 'discard'.length);
    if (file.kind !== 'read') return undefined;
    return file.bytes.toString() === 'discard' ? 'discard' : 'keep';
  }

  /** Delete a capture that is done. False when there is none. @throws FailureError `refused` while it runs */
  async release(captureId: string): Promise<boolean> {
    if ((await this.meta(captureId)) === undefined) return false;
    if ((await this.state(captureId)) !== 'done') {
      throw fail('refused', `capture ${captureId} is still running`, 'stop it first');
    }
    return this.#locked(async () => {
      if ((await this.meta(captureId)) === undefined) return false;
      const path = join(this.#captures, captureId);
      const size = await directorySize(path);
      const aside = join(this.#captures, `.released-${randomBytes(6).toString('hex')}`);
      await rename(path, aside);
      await rm(aside, { recursive: true, force: true });
      this.#used = Math.max(0, this.#used - size);
      this.#closed.delete(captureId);
      return true;
    });
  }

  /** Delete the captures that nobody fetched in time, and when room is short the oldest ones. */
  async expire(): Promise<void> {
    const { limit, now, onExpired, maxAge = DEFAULT_SPOOL_AGE, uptime = () => machineUptime() * 1000 } = this.#options;
    const captures: Aged[] = [];
    for (const { captureId, state, spooledBytes } of await this.list()) {
      const meta = await this.meta(captureId);
      const written = await changeTime(this.#path(captureId, 'log'));
      if (meta === undefined || written === undefined) continue;
      const age = ageOf(written, now(), ageOfOwner(meta.owner, uptime()));
      captures.push({ captureId, state, spooledBytes, age });
    }
    for (const { captureId, why } of expired(captures, { maxAge, maxBytes: limit * COMFORTABLE_SHARE })) {
      if (await this.release(captureId)) onExpired?.(captureId, why);
    }
    this.#used = await directorySize(this.#captures);
  }

  #path(captureId: string, name: string): string {
    return join(this.#captures, captureId, name);
  }

  #locked<T>(work: () => Promise<T>): Promise<T> {
    return withLock(join(this.#options.directory, 'lock'), work);
  }

  async #require(captureId: string): Promise<CaptureMeta> {
    const meta = await this.meta(captureId);
    if (meta === undefined) {
      throw fail(
        'not-found',
        `no capture ${captureId} on this host`,
        'it was released, has expired, or never started here',
      );
    }
    return meta;
  }

  /** undefined when it was released meanwhile. */
  async #info(name: string): Promise<CaptureInfo | undefined> {
    try {
      const meta = await readMeta(this.#path(name, 'meta.json'));
      if (meta === undefined) return undefined;
      const { captureId, kind, started } = meta;
      const summary = (await this.#soundSummary(captureId)) ?? { state: 'resolving', lastSequence: 0 };
      return { captureId, kind, started, ...summary, spooledBytes: await directorySize(join(this.#captures, name)) };
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return undefined;
      throw error;
    }
  }

  #summary(captureId: string): Promise<LogSummary> {
    return summarizeLog(this.#path(captureId, 'log'));
  }

  /** undefined where the log is damaged, as a power cut leaves it. */
  async #soundSummary(captureId: string): Promise<LogSummary | undefined> {
    try {
      return await this.#summary(captureId);
    } catch (error) {
      if (error instanceof FailureError && error.failure.code === 'bad-data') return undefined;
      throw error;
    }
  }

  /** Appears whole or not at all. */
  async #make(meta: CaptureMeta): Promise<SpooledCapture> {
    const { captureId } = meta;
    const fresh = join(this.#captures, `.new-${randomBytes(6).toString('hex')}`);
    try {
      await makePrivateDirectory(join(fresh, 'work'));
      await writeFile(join(fresh, 'work', 'ballast'), randomBytes(BALLAST_BYTES), { mode: 0o600 });
      await writeFile(join(fresh, 'meta.json'), JSON.stringify(meta), { mode: 0o600 });
      const { now } = this.#options;
      const log = await LogWriter.create(join(fresh, 'log'), { now, reserve: this.reserve });
      await rename(fresh, join(this.#captures, captureId));
      this.#open.set(captureId, log);
      return { meta, log, artifacts: this.#path(captureId, 'artifacts'), work: this.#path(captureId, 'work') };
    } catch (error) {
      await rm(fresh, { recursive: true, force: true });
      throw writeFailure(`cannot spool capture ${captureId}`, error);
    }
  }

  /** @param changed resolves at the next append, for a capture of this process; others are looked at again after a pause */
  async #waitForMore(captureId: string, changed: Promise<void> | undefined, signal: AbortSignal): Promise<void> {
    if (changed === undefined) await this.#recoverIfLost(captureId);
    const waiting = new AbortController();
    const aborted = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true, signal: waiting.signal });
    });
    const more = changed ?? sleep(POLL_MS, undefined, { signal: waiting.signal }).catch(() => undefined);
    try {
      await Promise.race([more, aborted]);
    } finally {
      waiting.abort();
    }
  }

  /** Nobody appends to a log whose owner is dead: end it with what happened. */
  async #recoverIfLost(captureId: string): Promise<void> {
    const meta = await this.meta(captureId);
    if (meta === undefined || this.#open.has(captureId)) return;
    // Closed here without its end, for which the disk had no room: then too nobody appends.
    const isClosed = this.#closed.has(captureId);
    if (isAlive(meta.owner) && !isClosed) return;
    const summary = await this.#soundSummary(captureId);
    if (summary?.state === 'done') return;
    await this.#locked(async () => {
      const path = this.#path(captureId, 'log');
      const sound = await soundPart(path);
      if (sound.isDone) return;
      const { now } = this.#options;
      const log = await LogWriter.reopen(path, sound, { now, reserve: this.reserve });
      const killed = `the agent (process ${meta.owner.pid}) was killed while the capture ran`;
      const damage = summary === undefined ? `, and its log is damaged after ${sound.entries} entries` : '';
      const message = isClosed ? 'the end of the capture could not be written' : `${killed}${damage}`;
      await log.append({
        kind: 'done',
        outcome: 'failed',
        failure: { code: 'lost', message, remedy: 'start the capture again' },
        commandLines: [],
      });
      await log.close();
      await rm(this.#path(captureId, 'work'), { recursive: true, force: true });
    });
  }

  /** What was half made or half deleted when an agent died. Under the lock nobody makes or deletes. */
  async #sweep(): Promise<void> {
    for (const name of await readdir(this.#captures)) {
      const isDamaged = !name.startsWith('.') && (await this.#isDamaged(name));
      if (isDamaged) this.#options.onExpired?.(name, 'what it was asked for is damaged');
      if (isDamaged || name.startsWith('.')) await rm(join(this.#captures, name), { recursive: true, force: true });
    }
  }

  async #isDamaged(name: string): Promise<boolean> {
    try {
      return (await readMeta(this.#path(name, 'meta.json'))) === undefined;
    } catch (error) {
      if (error instanceof FailureError && error.failure.code === 'bad-data') return true;
      throw error;
    }
  }
}
