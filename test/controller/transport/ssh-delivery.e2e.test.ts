// How far the agent with Node inside is on its way to a host behind real sshd: to whom it is told, and that it adds up.
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { AgentDelivery } from '../../../controller/api.js';
import { systemClock } from '../../../controller/clock.js';
import { HostPool } from '../../../controller/fleet/host-pool.js';
import { SshFleet } from '../../fleet/ssh-fleet.js';
import { at, sshSubject } from './ssh-subject.js';

const program = join(import.meta.dirname, '../../../bin/perftrawl');
const { signal } = new AbortController();
let directory: string;
let fleet: SshFleet;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'perftrawl-delivery-'));
  const bare = { without: ['node' as const] };
  fleet = await SshFleet.start({ hosts: { bare1: bare, bare2: bare, bare3: bare, full: bare } });
});
afterAll(async () => {
  await fleet.stop();
  await rm(directory, { recursive: true, force: true });
});

it('tells whoever watches the host, and nobody else', async () => {
  const others: string[] = [];
  const transport = sshSubject(fleet, directory);
  const pool = new HostPool({
    transports: { local: transport, tls: transport, ssh: transport, 'dial-in': transport },
    ...{ clock: systemClock, random: () => 0.5, onDelivery: (host: string) => others.push(host) },
  });
  try {
    const told: (AgentDelivery | undefined)[] = [];
    const unwatch = pool.watchDelivery(at('bare1'), (delivery) => told.push(delivery));
    const ask = (name: string) => pool.ask(at(name), {}, signal, (api) => api.describe(signal));
    await Promise.all([ask('bare1'), ask('bare2')]);
    expect(told[0]).toEqual({ state: 'making' });
    expect(told.at(-1)).toBeUndefined();
    const sending = told.flatMap((delivery) => (delivery?.state === 'sending' ? [delivery] : []));
    const { totalBytes } = sending[0];
    expect(totalBytes).toBeGreaterThan(20 * 1024 ** 2);
    const steps = Math.ceil(totalBytes / (256 * 1024));
    const wanted = Array.from({ length: steps + 1 }, (_, i) => Math.min(i * 256 * 1024, totalBytes));
    expect(sending.map(({ sentBytes }) => sentBytes)).toEqual(wanted);
    expect(new Set(others)).toEqual(new Set(['bare2']));
    unwatch();
    // Nothing has to be sent once it is there.
    const before = others.length;
    await pool.discard(at('bare1'), await pool.api(at('bare1')));
    await ask('bare1');
    expect(others).toHaveLength(before);
  } finally {
    await pool.close();
  }
});

it('begins anew where the home directory turns out to be full', async () => {
  const host = fleet.host('full');
  await host.run('mkdir', '-p', '/root/.cache');
  await host.run('mount', '-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', '/root/.cache');
  const told: AgentDelivery[] = [];
  const stream = await sshSubject(fleet, directory).open(at('full'), signal, (delivery) => told.push(delivery));
  stream.destroy();
  const starts = told.filter((delivery) => delivery.state === 'sending' && delivery.sentBytes === 0);
  expect(starts).toHaveLength(2);
  expect(told.at(-1)).toMatchObject({ state: 'sending', sentBytes: (starts[0] as { totalBytes: number }).totalBytes });
  expect(await host.run('ls', '/var/tmp/perftrawl-0')).toMatch(/^agent-[0-9a-f]{64}\n$/);
});

it('is shown by jobs and by questions', async () => {
  const perftrawl = (...args: string[]): Promise<{ stdout: string; stderr: string }> => {
    const env = { ...process.env, PERFTRAWL_DATA: directory, PERFTRAWL_CONFIG: directory };
    const all = [program, ...args, '--ssh-config', fleet.sshConfig];
    return new Promise((resolve) => {
      execFile(process.execPath, all, { env }, (_error, stdout, stderr) => resolve({ stdout, stderr }));
    });
  };
  const record = ['record', '-e', 'cpu-clock', '--for', '1s', '--even-if-busy', '--json'];
  const job = await perftrawl(...record, '-H', 'bare3');
  expect(JSON.parse(job.stdout).hosts[0], job.stderr).toMatchObject({ state: 'succeeded' });
  expect(job.stdout).not.toContain('delivery');
  expect(job.stderr).toMatch(/bare3: connecting {2}making the agent.*\nbare3: connecting {2}sending the agent, 0 B of/);
  await fleet.host('bare3').run('sh', '-c', 'rm ~/.cache/perftrawl/agent-*');
  const question = await perftrawl('doctor', '-H', 'bare3');
  expect(question.stderr).toMatch(/^bare3: making the agent.*\nbare3: sending the agent, 0 B of [0-9.]+ MiB\n/);
  expect(question.stderr.match(/sending/g)).toHaveLength(5);
});
