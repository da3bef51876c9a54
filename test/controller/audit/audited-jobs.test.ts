// What the audit log holds of real jobs on fake agents: who asked for what, on which hosts, how it ended; and that nothing is done unwritten.
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Host, JobRequest } from '../../../controller/api.js';
import { createApp, type LocalApp } from '../../../controller/app.js';
import type { WrittenEntry } from '../../../controller/audit/audit-entry.js';
import { toFailure } from '../../../proto/failure.js';
import { drawProfile } from '../../profile/draw-profile.js';
import { FakeAgent, profileLog } from '../fake-agent.js';
import { RECORD, STAP, STAT } from '../specs.js';
import { type TlsFleet, tlsFleet } from '../tls-fleet.js';

const nowhere: Host = { name: 'gone', labels: {}, address: { transport: 'tls', host: '127.0.0.1', port: 1 } };

let fleet: TlsFleet;
let app: LocalApp;
let agent: FakeAgent;

beforeEach(async () => {
  fleet = await tlsFleet();
  agent = new FakeAgent(async ({ emit }) => emit(...profileLog(drawProfile('main 3'))));
  await fleet.writeInventory([await fleet.serve('db1', agent)]);
  app = await createApp({
    dataDir: `${fleet.directory}/data`,
    configDir: fleet.directory,
    agentCommand: ['/nonexistent'],
  });
});
afterEach(async () => {
  await app.close();
  await fleet.close();
});

function request(change: Partial<JobRequest> = {}): JobRequest {
  const hosts = app.hosts('');
  return {
    spec: RECORD,
    hosts,
    selectorText: 'role=db',
    requester: 'alice@ws',
    maxParallel: 8,
    grace: 5_000,
    note: '',
    ...change,
  };
}
const running = () => ({ signal: new AbortController().signal, onEvent: () => undefined });

async function written(): Promise<WrittenEntry[]> {
  const entries: WrittenEntry[] = [];
  for await (const entry of app.audit.entries(0)) entries.push(entry);
  return entries;
}
const briefly = (entries: readonly WrittenEntry[]) =>
  entries.map(({ who, what, hosts, failure }) =>
    [what, who, ...(hosts ?? []), ...(failure ? [failure.code] : [])].join(' '),
  );

describe('the audit log', () => {
  it('holds a job from its request to its end, with each host and what it cost', async () => {
    const { id } = await app.submit(request({ hosts: [...app.hosts(''), nowhere], note: 'why so slow' }));
    await app.run(id, running());
    const entries = await written();
    expect(entries.every(({ jobId }) => jobId === id)).toBe(true);
    expect(briefly(entries).sort()).toEqual([
      'host-run-ended alice@ws db1',
      'host-run-ended alice@ws gone unreachable',
      'job-ended alice@ws',
      'submit-job alice@ws db1 gone',
    ]);
    expect(entries[0].detail).toMatchObject({ selectorText: 'role=db', note: 'why so slow', spec: { kind: 'record' } });
    expect(entries.find(({ hosts }) => hosts?.[0] === 'db1' && hosts.length === 1)?.detail).toMatchObject({
      ...{ captureId: `${id}.db1`, state: 'succeeded' },
      cost: (await app.hostRuns(id))[0].cost,
    });
    expect(entries.at(-1)?.detail).toEqual({ state: 'partial' });
    expect(await app.audit.verify()).toMatchObject({ lines: 4, problems: [] });
  });

  it('holds scripts by their SHA-256, not their text', async () => {
    const script = {
      from: 'request',
      name: 'own.stp',
      text: 'probe begin {}',
      arguments: ['x'],
      isGuru: false,
    } as const;
    await app.submit(request({ spec: { ...STAP, script } }));
    const [entry] = await written();
    expect(JSON.stringify(entry)).not.toContain('probe begin');
    expect(entry.detail).toMatchObject({
      spec: { script: { text: { sha256: expect.stringMatching(/^[0-9a-f]{64}$/) } } },
    });
  });

  it('names who acts: here, and for whom a server acts', async () => {
    const { id } = await app.submit(request());
    const bob = app.actingFor({ who: 'bob', by: 'token', from: '10.0.0.9:4711' });
    await bob.cancel(id.slice(0, -1), new AbortController().signal);
    await app.deleteJob('last');
    await bob.users.add({ name: 'carol', role: 'viewer', ttl: undefined, withToken: true });
    await bob.users.add({ name: 'carol', role: 'viewer', ttl: undefined, withToken: true }).catch(() => undefined);
    await app.users.revoke('carol');
    await app.cleanHosts(app.hosts(''), false, new AbortController().signal);
    const me = (await app.users.whoami()).name;
    const entries = await written();
    expect(briefly(entries)).toEqual([
      ...['submit-job alice@ws db1', 'cancel-job bob', 'host-run-ended alice@ws db1 cancelled', 'job-ended alice@ws'],
      ...[`delete-job ${me}`, 'add-user bob', 'add-user bob', 'add-user bob conflict', `revoke-user ${me}`],
      ...[`clean-hosts ${me} db1`, `hosts-cleaned ${me}`],
    ]);
    expect(entries[1]).toMatchObject({ jobId: id, by: 'token', from: '10.0.0.9:4711' });
    expect(entries[5]).toMatchObject({ subject: 'carol', detail: { role: 'viewer' } });
    expect(entries.at(-1)?.detail).toEqual({ failed: { db1: 'bad-request' } });
    expect(JSON.stringify(entries)).not.toContain('ptu.');
  });

  it('refuses what it cannot write down', async () => {
    const { id } = await app.submit(request());
    const raw = new Database(join(fleet.directory, 'data', 'perftrawl.db'));
    raw.exec('drop trigger audit_head_deleted; delete from audit_head');
    raw.close();
    const refused = async (work: Promise<unknown>) =>
      expect(toFailure(await work.catch((error: unknown) => error)).message).toContain('end of the audit log');
    await refused(app.submit(request({ spec: STAT })));
    await refused(app.deleteJob(id));
    await refused(app.users.add({ name: 'dave', role: 'admin', ttl: undefined, withToken: false }));
    expect(await app.jobs({ limit: 10 })).toHaveLength(1);
    expect(await app.users.list()).toEqual([]);
    expect(agent.calls).toEqual([]);
  });
});
