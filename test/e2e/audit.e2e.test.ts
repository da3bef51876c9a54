// Who asked for what, on real things: a recording by the built program on an agent on stdio and one over mutual TLS, told by both logs; then
// somebody changes a line on a host, a host's disk is full.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Job } from '../../controller/api.js';
import type { WrittenEntry } from '../../controller/audit/audit-entry.js';
import type { ChainReport } from '../../proto/audit-chain.js';
import type { Cost } from '../../proto/capture.js';
import { type Agent, Fleet } from './fleet.js';

type HostEntries = { hosts: { host: string; entries: Record<string, unknown>[] }[] };
type Verdict = { controller: ChainReport; hosts: (ChainReport & { host: string })[] };

const me = `${userInfo().username}@${hostname()}`;
let fleet: Fleet;
let db1: Agent;
let job: Job;

beforeAll(async () => {
  fleet = await Fleet.create();
  await fleet.makeCertificates('db1');
  db1 = await fleet.startAgent('db1');
  await fleet.writeInventory([
    { name: 'ws', address: 'local' },
    { name: 'db1', address: `tls://127.0.0.1:${db1.port}`, labels: { role: 'db' } },
  ]);
  const recorded = await fleet.json<{ job: Job }>(['record', '-e', 'page-faults', '-c', '1', '--for', '1s']);
  job = recorded.job;
});
afterAll(() => fleet.dispose());

describe('a recording', () => {
  it('is in the log of the controller: who, which hosts, what ran and what it cost', async () => {
    const { entries } = await fleet.json<{ entries: WrittenEntry[] }>(['audit', '--job', 'last']);
    expect(entries.map(({ what, who }) => [what, who])).toEqual([
      ...[
        ['submit-job', me],
        ['host-run-ended', me],
      ],
      ...[
        ['host-run-ended', me],
        ['job-ended', me],
      ],
    ]);
    expect(entries[0]).toMatchObject({ jobId: job.id, hosts: ['ws', 'db1'], detail: { spec: { kind: 'record' } } });
    for (const { detail } of entries.slice(1, 3)) {
      expect(detail).toMatchObject({
        state: 'succeeded',
        commandLines: [expect.stringMatching(/perf record .*page-faults/)],
      });
    }
    const { stdout } = await fleet.run('audit');
    expect(stdout).toMatch(
      new RegExp(`${me} +host-run-ended +${job.id} +(db1|ws) +succeeded, .* CPU, .* bytes, .*perf record`),
    );
  });

  it('is in the logs of its hosts, which name the job and the controller', async () => {
    const { hosts } = await fleet.json<HostEntries>(['audit', 'hosts', '--job', 'last']);
    const costs = new Map<string, Cost | undefined>();
    for (const { host, entries } of hosts) {
      expect(entries.map(({ event }) => event)).toEqual(['asked', 'ended']);
      const [asked, ended] = entries;
      expect(asked).toMatchObject({
        ...{ captureId: `${job.id}.${host}`, requester: me, jobId: job.id, controller: me, decision: 'started' },
        on: host === 'ws' ? 'stdio' : 'tls',
      });
      expect(ended).toMatchObject({ outcome: 'finished', commandLines: [expect.stringMatching(/perf record/)] });
      costs.set(host, ended.cost as Cost);
    }
    // Both sides tell the same cost.
    const { entries } = await fleet.json<{ entries: WrittenEntry[] }>(['audit', '--job', job.id, '--host', 'db1']);
    const told = entries.find(({ what }) => what === 'host-run-ended')?.detail?.cost;
    expect(told).toMatchObject({ peakMemoryBytes: costs.get('db1')?.peakMemoryBytes, wall: costs.get('db1')?.wall });
  });

  it('is verified on both sides', async () => {
    const { controller, hosts } = await fleet.json<Verdict>(['audit', 'verify', '--on', 'name=*']);
    expect(controller).toMatchObject({ lines: 4, problems: [] });
    expect(hosts).toEqual(['ws', 'db1'].map((host) => expect.objectContaining({ host, lines: 2, problems: [] })));
  });
});

describe('a host whose log was changed', () => {
  it('is named, with the entry', async () => {
    const directory = join(db1.stateDirectory, 'audit');
    const file = join(directory, readdirSync(directory).find((name) => name.endsWith('.jsonl')) ?? '');
    const before = readFileSync(file, 'utf8');
    writeFileSync(file, before.replace(me, 'nobody@else'));
    const changed = await fleet.run('audit', 'verify', '--on', 'name=*');
    writeFileSync(file, before);
    expect(changed.code).toBe(6);
    expect(changed.stdout).toMatch(/^db1: CHANGED: line 2: entry 1 was changed after entry 2 was written$/m);
    expect(changed.stdout).toMatch(/^ws: 2 entries, none was changed/m);
    expect((await fleet.run('audit', 'verify', '--on', 'name=*')).code).toBe(0);
  });
});

describe('a host whose disk is full', () => {
  it('runs nothing that it cannot write down, and says why', async () => {
    // The audit log's own disk: the rest of the state directory has room.
    const mount = join(db1.stateDirectory, 'audit');
    const kept = readdirSync(mount).map((name) => ({ name, text: readFileSync(join(mount, name)) }));
    must('mount', '-t', 'tmpfs', '-o', 'size=64k,mode=700', 'tmpfs', mount);
    try {
      for (const { name, text } of kept.filter(({ text }) => text.length > 0)) writeFileSync(join(mount, name), text);
      spawnSync('dd', ['if=/dev/zero', `of=${join(mount, 'filler')}`, 'bs=4k']);
      const { code, stderr, stdout } = await fleet.run('stat', '-e', 'page-faults', '--for', '1s', '--on', 'role=db');
      expect(code).toBe(1);
      expect(stdout + stderr).toMatch(/cannot write the audit log .*no space left on device/i);
    } finally {
      must('umount', mount);
    }
    const again = await fleet.run('stat', '-e', 'page-faults', '--for', '1s', '--on', 'role=db');
    expect(again.code).toBe(0);
    const { entries } = await fleet.json<{ entries: WrittenEntry[] }>(['audit', '--host', 'db1']);
    expect(entries.find(({ failure }) => failure !== undefined)?.failure).toMatchObject({ code: 'exhausted' });
    expect((await fleet.run('audit', 'verify', '--on', 'name=*')).code).toBe(0);
  });
});

function must(program: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${status}: ${stderr}`);
}
