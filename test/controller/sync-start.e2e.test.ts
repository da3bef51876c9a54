// A common start of real perf under three real agents, one of which lives 90 s in the past: they begin together, and a stop finds them waiting.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { App, HostRun, JobEvent, JobRequest } from '../../controller/api.js';
import { createApp } from '../../controller/app.js';
import { issueCertificate } from '../../controller/ca/certificate-authority.js';
import { commonStarts } from '../../controller/jobs/agreed-start.js';
import { clockDrift } from '../../controller/jobs/host-check.js';
import type { CaptureSpec } from '../../proto/capture.js';
import { RECORD, STAT } from './specs.js';
import { type TlsFleet, tlsFleet } from './tls-fleet.js';

const perftrawl = fileURLToPath(new URL('../../bin/perftrawl', import.meta.url));
const past = -90_000;
/** Of each host, how far its clock is ahead. */
const offsets = { h0: 0, h1: past, h2: 0 } as const;
const names = ['h0', 'h1', 'h2'] as const;

let fleet: TlsFleet;
let app: App;
const agents: ChildProcess[] = [];

beforeAll(async () => {
  fleet = await tlsFleet();
  const served = [];
  for (const name of names) served.push({ name, port: await startAgent(name) });
  await fleet.writeInventory(served);
  const dataDir = join(fleet.directory, 'data');
  app = await createApp({ dataDir, configDir: fleet.directory, agentCommand: ['/nonexistent'] });
});
afterAll(async () => {
  await app?.close();
  for (const { pid } of agents) if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  await fleet.close();
});

/** Resolves with the port that it listens on. */
async function startAgent(name: keyof typeof offsets): Promise<number> {
  // An hour old, for those who live in the past.
  const issued = Date.now() - 3_600_000;
  await issueCertificate(fleet.caDirectory, { name, addresses: ['127.0.0.1'], role: 'agent', days: 1 }, issued);
  const file = (of: string) => join(fleet.caDirectory, of);
  const command = [process.execPath, perftrawl, 'agent', '--listen', '127.0.0.1:0'];
  const files = ['--cert', file(`${name}.crt`), '--key', file(`${name}.key`), '--ca', file('ca.crt')];
  const argv = [...command, ...files, '--state', join(fleet.directory, `state-${name}`)];
  const moved = ['faketime', '--exclude-monotonic', '-f', `${offsets[name] / 1000}s`, ...argv];
  const [program = '', ...args] = offsets[name] === 0 ? argv : moved;
  const agent = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  agents.push(agent);
  await once(agent, 'spawn');
  for await (const text of agent.stdout) {
    const port = /^listening on .*:(\d+)$/m.exec(String(text))?.[1];
    if (port !== undefined) return Number(port);
  }
  throw new Error(`the agent ${name} ended`);
}

function request(spec: CaptureSpec, lead: number): JobRequest {
  const same = { hosts: app.hosts(''), selectorText: '', requester: 'test', maxParallel: 8, note: '' };
  return { ...same, spec, grace: 120_000, sync: { lead } };
}

const agreedOf = ({ start }: HostRun) => {
  if (start?.kind !== 'agreed') throw new Error(`nothing was agreed: ${JSON.stringify(start)}`);
  return start;
};

/** Processes of perf that our agents started. */
async function perfOfAgents(): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const processes = new Map(await Promise.all(pids.map(async (pid) => [Number(pid), await statOf(pid)] as const)));
  const groups = new Set(agents.map(({ pid }) => pid));
  return [...processes].flatMap(([pid, { comm, parent }]) =>
    comm.startsWith('perf') && groups.has(processes.get(parent)?.group) ? [`${pid} ${comm}`] : [],
  );
}

async function statOf(pid: string) {
  // It may end while it is looked at.
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  const [, comm = '', parent, group] = /^\d+ \((.*)\) \S+ (\d+) (\d+)/.exec(text) ?? [];
  return { comm, parent: Number(parent), group: Number(group) };
}

/** Abort once every host waits for its start. */
async function runUntilArmed(id: string, abort: () => void): Promise<string> {
  const armed = new Set<string>();
  const onEvent = (event: JobEvent): void => {
    if (event.kind !== 'host-run' || event.run.captureState !== 'armed' || armed.has(event.run.host)) return;
    armed.add(event.run.host);
    if (armed.size === names.length) abort();
  };
  const job = await app.run(id, { signal: stop.signal, onEvent });
  return job.state;
}
let stop = new AbortController();

describe('a common start', () => {
  it.each([
    ['record', { ...RECORD, duration: 1000, evenIfBusy: true }],
    ['stat', { ...STAT, duration: 2000, evenIfBusy: true }],
  ])('of %s is as close as it says, whatever the clocks', async (_kind, spec) => {
    const { id } = await app.submit(request(spec, 5000));
    const job = await app.run(id, { signal: new AbortController().signal, onEvent: () => undefined });
    const runs = await app.hostRuns(id);
    expect(runs.map(({ state, failure }) => failure?.message ?? state)).toEqual(names.map(() => 'succeeded'));
    expect(job.state).toBe('succeeded');
    const [together, ...more] = commonStarts(runs);
    expect(more).toEqual([]);
    expect(together).toMatchObject({ hosts: 3, apart: [] });
    // All three are on this machine, so what their clocks really say is known.
    const truth = names.map((name, i) => (agreedOf(runs[i]).told?.time ?? Number.NaN) - offsets[name]);
    const spread = Math.max(...truth) - Math.min(...truth);
    expect(Math.abs((together?.spread ?? Number.NaN) - spread)).toBeLessThanOrEqual(together?.uncertainty ?? 0);
    for (const [i, name] of names.entries()) {
      const { moment, clockOffset, clockUncertainty } = agreedOf(runs[i]);
      expect(Math.abs(clockOffset - offsets[name])).toBeLessThanOrEqual(clockUncertainty);
      expect(truth[i]).toBeGreaterThanOrEqual(moment - clockUncertainty);
      const { before, after } = runs[i].checks ?? {};
      expect(before && after && clockDrift(before, after)).toBe(0);
    }
  });

  it('is stopped, and cancelled, while all wait for it', async () => {
    for (const how of ['stop', 'cancel'] as const) {
      stop = new AbortController();
      const { id } = await app.submit(request({ ...RECORD, evenIfBusy: true }, 600_000));
      let cancelled: Promise<unknown> | undefined;
      const state = await runUntilArmed(id, () => {
        if (how === 'stop') stop.abort();
        else cancelled = app.cancel(id, new AbortController().signal);
      });
      await cancelled;
      expect(state).toBe('cancelled');
      const runs = await app.hostRuns(id);
      expect(runs.map((run) => run.state)).toEqual(names.map(() => 'cancelled'));
      expect(runs.flatMap(({ commandLines }) => commandLines)).toEqual([]);
      expect(await perfOfAgents()).toEqual([]);
    }
  });
});
