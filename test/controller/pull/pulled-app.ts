// Apps to pull from: two hosts with a profile and a perf.data, one that fails; in this process, or a server over HTTPS.
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { App, Host, Job, JobEvent, JobRequest } from '../../../controller/api.js';
import { jobHtmlReport } from '../../../controller/cli/html-report.js';
import { processOwners } from '../../../controller/jobs/owner.js';
import type { PullEvent, PullOptions } from '../../../controller/pull/pull.js';
import type { Failure } from '../../../proto/failure.js';
import { drawProfile } from '../../profile/draw-profile.js';
import { finished, profileLog, type Script } from '../fake-agent.js';
import { RECORD } from '../specs.js';
import { type ServedApp, servedApp } from '../web/served-app.js';

export const DATA = Buffer.from(Array.from({ length: 100_000 }, (_, i) => (i * 7919) % 251));
export const SHA256 = createHash('sha256').update(DATA).digest('hex');
const STACKS = Buffer.from('app 7/7 [000] 1.000000: 1 page-faults: \n\t 1 main (/bin/app)\n');

const recorded: Script = async ({ emit }) => {
  const log = profileLog(drawProfile('main;touch 5'));
  const artifact = { name: 'perf.data', size: DATA.length, sha256: SHA256, mediaType: 'application/x-perf-data' };
  emit(...log.slice(0, -1), { kind: 'artifact', artifact }, finished);
};
const refused: Script = async ({ emit }) => {
  const failure: Failure = { code: 'permission', message: 'perf may not', remedy: 'be root' };
  emit({ kind: 'done', outcome: 'failed', failure, commandLines: [] });
};

export interface Ground {
  readonly served: ServedApp;
  readonly app: App;
  /** Temporary; its `out` is where pulls go, and is not there yet. */
  readonly directory: string;
  readonly out: string;
  record(hosts?: readonly Host[], onEvent?: (event: JobEvent) => void): Promise<Job>;
  /** A job that a schedule asked for on the controller. */
  recordBySchedule(name: string): Promise<Job>;
  close(): Promise<void>;
}

/** @param isRemote pull from a server */
export async function ground(isRemote: boolean, scripts: Record<string, Script> = {}): Promise<Ground> {
  const served = await servedApp({ web1: recorded, web2: recorded, web3: refused, ...scripts });
  for (const host of ['web1', 'web2']) hold(served, host, DATA);
  const app = isRemote ? await served.remote(await served.token('root', 'operator')) : served.app;
  const directory = await mkdtemp(join(tmpdir(), 'perftrawl-pull-'));
  return {
    ...{ served, app, directory, out: join(directory, 'out') },
    record: (hosts = app.hosts('name in (web1,web2)'), onEvent) => recordOn(app, hosts, {}, onEvent),
    recordBySchedule: (name) =>
      recordOn(served.app, served.app.hosts('name=web1'), { schedule: { name, due: Date.now() } }),
    async close() {
      await served.close();
      await rm(directory, { recursive: true });
    },
  };
}

async function recordOn(
  app: App,
  hosts: readonly Host[],
  more: Partial<JobRequest>,
  onEvent: (event: JobEvent) => void = () => undefined,
): Promise<Job> {
  const { id } = await app.submit({
    ...{ spec: { ...RECORD, keepRaw: true }, hosts, selectorText: 'role=web', requester: 'me@here' },
    ...{ maxParallel: 8, grace: 30_000, note: 'to be pulled' },
    ...more,
  });
  return app.run(id, { signal: new AbortController().signal, onEvent });
}

/** What the agent keeps. */
export function hold(served: ServedApp, host: string, data: Buffer): void {
  const facts = (bytes: Buffer) => ({ data: bytes, sha256: createHash('sha256').update(bytes).digest('hex') });
  served.agents[host].artifacts.set('perf.data', facts(data));
  served.agents[host].artifacts.set('perf-script.txt', facts(STACKS));
}

export function pullOptions(directory: string, jobs: readonly string[], more: Partial<PullOptions> = {}): PullOptions {
  return {
    directory,
    choice: { names: jobs, since: undefined, until: undefined, on: '' },
    ...{ formats: [], scope: 'all', isForced: false, maxParallel: 3, signing: undefined },
    ...{ puller: 'me@here', from: 'this machine', version: '1.2.3', now: Date.now },
    makeReport: (app, job) => jobHtmlReport(app, job, { title: 'Report', version: '1.2.3', notes: [] }),
    owners: processOwners({ random: Math.random, pid: process.pid, procRoot: '/proc' }),
    ...{ signal: new AbortController().signal, onEvent: () => undefined },
    ...more,
  };
}

/** Keeps what a pull tells. */
export function told(): { readonly events: PullEvent[]; readonly onEvent: (event: PullEvent) => void } {
  const events: PullEvent[] = [];
  return { events, onEvent: (event) => void events.push(event) };
}

/** All files below, in order. */
export async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => !entry.isDirectory());
  return files.map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1)).sort();
}
