// What every transport must do; run over each of them by local.test.ts and tls.test.ts.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Host } from '../../../controller/api.js';
import { systemClock } from '../../../controller/clock.js';
import { HostPool } from '../../../controller/fleet/host-pool.js';
import { askingRetries } from '../../../controller/transport/retry.js';
import type { Transport } from '../../../controller/transport/transport.js';
import type { AgentApi } from '../../../proto/agent-api.js';
import type { CaptureEvent } from '../../../proto/capture.js';
import { toFailure } from '../../../proto/failure.js';
import { bigSize, logLength } from './contract-agent.js';

/** A host with the contract agent, and the transport under test. */
export interface Subject {
  readonly host: Host;
  readonly transport: Transport;
  /** Make the agent reachable again after it died. */
  revive(): Promise<void>;
  close(): Promise<void>;
}

export function transportContract(name: string, prepare: () => Promise<Subject>): void {
  describe(`transport ${name}`, () => {
    let subject: Subject;
    let pool: HostPool;
    let api: AgentApi;
    const { signal } = new AbortController();

    beforeAll(async () => {
      subject = await prepare();
    });
    afterAll(() => subject.close());
    beforeEach(async () => {
      const { transport } = subject;
      pool = new HostPool({
        transports: { local: transport, tls: transport, ssh: transport, 'dial-in': transport },
        clock: systemClock,
        random: () => 0.5,
      });
      api = await pool.api(subject.host);
    });
    afterEach(() => pool.close());

    it('carries a question and its answer', async () => {
      expect((await api.describe(signal)).hostname).toBe('fake');
    });

    it('carries failures with their remedies', async () => {
      const failure = await failureOf(drain(api.fetchArtifact('c', 'small', 0, signal)));
      expect(failure).toEqual({ code: 'not-found', message: 'there is no small', remedy: 'ask for big' });
    });

    it('follows a log to its end, and from any number on', async () => {
      const all = await drain(api.followCapture('c', 1, signal));
      const rest = await drain(api.followCapture('c', 40, signal));
      expect(all.map(({ sequence }) => sequence)).toEqual(Array.from({ length: logLength }, (_, i) => i + 1));
      expect(rest).toEqual(all.slice(39));
    });

    it('carries big streams', async () => {
      let bytes = 0;
      for await (const part of api.fetchArtifact('c', 'big', 0, signal)) bytes += part.data.length;
      expect(bytes).toBe(bigSize);
    });

    it('carries an audit log', async () => {
      const parts = await drain(api.readAudit({ fromSequence: 7, since: 0 }, signal));
      expect(parts[0]).toEqual({ lines: [], head: { sequence: 3, hash: 'a'.repeat(64) } });
      expect(parts.slice(1).map(({ lines }) => lines[0])).toEqual(Array.from({ length: 20 }, (_, part) => `7 ${part}`));
    });

    it('carries several calls at once', async () => {
      const answers = await Promise.all(Array.from({ length: 50 }, () => api.describe(signal)));
      const logs = await Promise.all(Array.from({ length: 20 }, () => drain(api.followCapture('c', 1, signal))));
      expect([answers.length, ...logs.map((log) => log.length)]).toEqual([50, ...logs.map(() => logLength)]);
    });

    it('ends one call and goes on with the next', async () => {
      const abort = new AbortController();
      const events: CaptureEvent[] = [];
      const following = (async () => {
        for await (const event of api.followCapture('endless', 1, abort.signal)) {
          events.push(event);
          if (events.length === 10) abort.abort();
        }
      })();
      expect((await failureOf(following)).code).toBe('cancelled');
      expect((await api.describe(signal)).hostname).toBe('fake');
    });

    it('says that the other end died, in the middle of a stream, and connects anew', async () => {
      const events: CaptureEvent[] = [];
      const following = (async () => {
        for await (const event of api.followCapture('endless', 1, signal)) {
          events.push(event);
          // Both may end with an error: the answer to the call that kills is never sent.
          if (events.length === 10) api.stopCapture('die', true, signal).catch(() => undefined);
        }
      })();
      expect((await failureOf(following)).code).toMatch(/unreachable|internal|cancelled/);
      await pool.discard(subject.host, api);
      await subject.revive();
      const again = await pool.ask(subject.host, askingRetries, signal, (fresh) =>
        drain(fresh.followCapture('c', 11, signal)),
      );
      expect([...events, ...again].map(({ sequence }) => sequence)).toEqual(
        Array.from({ length: logLength }, (_, i) => i + 1),
      );
    });

    it('gives one connection to all users of a host', async () => {
      expect(await pool.api(subject.host)).toBe(api);
    });

    it('ends calls under way when it is closed, and takes no new ones', async () => {
      const following = drain(api.followCapture('endless', 1, signal));
      await api.describe(signal);
      await pool.close();
      expect((await failureOf(following)).code).toMatch(/cancelled|unreachable/);
      expect((await failureOf(pool.api(subject.host))).code).toBe('cancelled');
    });

    it('does not open when it is aborted', async () => {
      const opened = subject.transport.open(subject.host, AbortSignal.abort());
      expect((await failureOf(opened)).code).toBe('cancelled');
    });
  });
}

async function drain<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of stream) all.push(item);
  return all;
}

export async function failureOf(promise: Promise<unknown>) {
  return promise.then(
    () => expect.fail('it did not fail'),
    (error: unknown) => toFailure(error),
  );
}
