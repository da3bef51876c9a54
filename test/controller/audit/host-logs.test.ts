// The hosts' audit logs as a controller reads and verifies them, over mTLS: changed ones are named, also when a whole new chain was made.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createApp, type LocalApp } from '../../../controller/app.js';
import { type ChainEnd, chainLine, EMPTY_CHAIN } from '../../../proto/audit-chain.js';
import { FakeAgent } from '../fake-agent.js';
import { type TlsFleet, tlsFleet } from '../tls-fleet.js';

const signal = new AbortController().signal;
let fleet: TlsFleet;
let app: LocalApp;
let agent: FakeAgent;

beforeEach(async () => {
  fleet = await tlsFleet();
  agent = new FakeAgent(async () => undefined);
  await fleet.writeInventory([await fleet.serve('db1', agent)]);
  const dataDir = `${fleet.directory}/data`;
  app = await createApp({ dataDir, configDir: fleet.directory, agentCommand: ['/nonexistent'] });
});
afterEach(async () => {
  await app.close();
  await fleet.close();
});

/** A sound log of so many entries; `salt` makes it another one. */
function log(count: number, salt = ''): { lines: string[]; head: ChainEnd } {
  let head = EMPTY_CHAIN;
  const lines = Array.from({ length: count }, (_, index) => {
    const captureId = index % 2 === 0 ? 'j1.db1' : 'j2.db1';
    const next = chainLine(head, 1000 + index, { event: 'stop-asked', captureId, discard: false, salt });
    head = next.end;
    return next.line;
  });
  return { lines, head };
}

async function verify(lines: readonly string[], head?: ChainEnd): Promise<readonly string[]> {
  agent.auditParts = [{ lines: [], ...(head && { head }) }, { lines: lines.slice(0, 2) }, { lines: lines.slice(2) }];
  const [answer] = await app.auditLogs.verifyHosts(app.hosts(''), signal);
  return answer.ok ? answer.value.problems : [answer.failure.message];
}

describe("hosts' audit logs", () => {
  it('are read by time and by job, the newest of them', async () => {
    agent.auditParts = [{ lines: log(9).lines }, { lines: ['no entry'] }];
    const read = async (query: { jobId?: string; limit?: number }) => {
      const [answer] = await app.auditLogs.ofHosts(
        app.hosts(''),
        { since: 0, jobId: '', limit: 100, ...query },
        signal,
      );
      return answer.ok ? answer.value.map(({ sequence }) => sequence) : [];
    };
    expect(await read({})).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(await read({ limit: 2 })).toEqual([8, 9]);
    expect(await read({ jobId: 'j2', limit: 3 })).toEqual([4, 6, 8]);
  });

  it('are in order, while they grow', async () => {
    const { lines } = log(9);
    const five = log(5);
    expect(await verify(five.lines, five.head)).toEqual([]);
    expect(await verify(lines, log(9).head)).toEqual([]);
    // Entries that were written while it was read.
    expect(await verify(lines, log(7).head)).toEqual([]);
  });

  it('are told as changed where they were', async () => {
    const { lines, head } = log(6);
    const changed = lines.map((line, index) => (index === 2 ? line.replace('j1', 'j9') : line));
    expect(await verify(changed, head)).toEqual([expect.stringContaining('entry 3 was changed')]);
    expect(await verify(lines.toSpliced(1, 1), head)).toEqual([expect.stringContaining('entry 3 follows entry 1')]);
    expect(await verify(lines.slice(0, 4), head)).toEqual([expect.stringContaining('its end was cut off')]);
    expect(await verify([lines[0], lines[2], lines[1], ...lines.slice(3)], head)).not.toEqual([]);
    expect(
      await verify(
        Array.from({ length: 5_000 }, () => 'x'),
        head,
      ),
    ).toHaveLength(101);
  });

  it('are told as changed when a whole new log was made since they were verified', async () => {
    const before = log(6);
    expect(await verify(before.lines, before.head)).toEqual([]);
    const forged = log(8, 'forged');
    expect(await verify(forged.lines, forged.head)).toEqual([
      'entry 6 is not the one that was there when the log was verified before',
    ]);
    const short = log(3);
    expect(await verify(short.lines, short.head)).toEqual([
      'entry 6, which was there when the log was verified before, is gone',
    ]);
  });
});
