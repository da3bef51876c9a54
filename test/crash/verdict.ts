// What a round must come to: each result that was told is there once, and no capture was begun twice.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { auditLines, verifyAudit } from '../../agent/audit/audit-reader.js';
import type { App, HostRun, Job } from '../../controller/api.js';
import { parseLine } from '../../proto/audit-chain.js';
import type { TestHost } from '../fleet/test-host.js';
import { WORKSTATION, type Workstation } from '../fleet/workstation.js';

export interface Report {
  readonly job: Job;
  readonly hosts: readonly HostRun[];
}

/** Problems of each kind, in words; none in a round that went well. */
export interface Verdict {
  /** Host runs that ended with a result, or with a failure that says what happened. */
  readonly told: number;
  /** Weight of all hosts together. */
  readonly weight: number;
  readonly doubled: readonly string[];
  readonly missing: readonly string[];
  /** Anything else that is not as promised. */
  readonly wrong: readonly string[];
}

const ENDS = ['succeeded', 'failed', 'lost', 'cancelled'];

export async function judge(workstation: Workstation, report: Report): Promise<Verdict> {
  const { job, hosts } = report;
  const missing: string[] = [];
  const doubled: string[] = [];
  const wrong = [...checkStates(workstation, report)];
  let sum = 0;
  const weight = await workstation.withStore(async (app) => {
    for (const { host, state } of hosts) {
      const own = await totalOf(app, job.id, host);
      if (state === 'succeeded' && own === undefined) missing.push(`${host} succeeded without a result`);
      if (state === 'succeeded') sum += own ?? 0;
    }
    return (await totalOf(app, job.id)) ?? 0;
  });
  if (weight < sum) missing.push(`the merged result weighs ${weight}, those of the hosts ${sum}`);
  if (weight > sum) doubled.push(`the merged result weighs ${weight}, those of the hosts ${sum}`);
  for (const { host, captureId, state } of hosts) {
    const { begun, problems } = await auditOf(workstation.fleet.host(host), captureId);
    wrong.push(...problems.map((problem) => `the audit log of ${host}: ${problem}`));
    if (begun > 1) doubled.push(`${host} began ${captureId} ${begun} times`);
    if (state === 'succeeded' && begun === 0) missing.push(`${host} has not written down that it began ${captureId}`);
  }
  const told = hosts.filter(({ state, failure }) => ENDS.includes(state) && failure?.code !== 'internal').length;
  return { told, weight, doubled, missing, wrong };
}

function* checkStates({ fleet }: Workstation, { job, hosts }: Report): Generator<string> {
  if (!['succeeded', 'partial', 'failed', 'cancelled'].includes(job.state)) yield `the job is ${job.state}`;
  const names = hosts.map(({ host }) => host).sort();
  const expected = [...fleet.hosts.keys()].sort();
  if (names.join() !== expected.join()) yield `host runs of ${names.join()} instead of ${expected.join()}`;
  for (const { host, state, failure } of hosts) {
    if (!ENDS.includes(state)) yield `the host run of ${host} is ${state}`;
    if ((state === 'succeeded') !== (failure === undefined)) yield `${host} ${state} with failure ${failure?.code}`;
    if (failure?.code === 'internal') yield `${host} failed as a defect: ${failure.message}`;
    if (failure?.message === '') yield `${host} ${state} without a word`;
  }
}

/** undefined when there is no such result. */
async function totalOf(app: App, jobId: string, host?: string): Promise<number | undefined> {
  const profile = await app.profile(jobId, host);
  const series = await app.series(jobId, host);
  if (profile === undefined && series === undefined) return undefined;
  const weights = profile?.samples.values.reduce((sum, column) => sum + column.reduce((a, b) => a + b, 0), 0) ?? 0;
  return weights + (series?.points.reduce((sum, { value }) => sum + (value ?? 0), 0) ?? 0);
}

/** How often the host says that it began this capture, and what is wrong with the chain of its audit log. */
async function auditOf(host: TestHost, captureId: string) {
  const directories =
    host.name === WORKSTATION
      ? [join(host.home, 'data', 'agents', WORKSTATION, 'audit')]
      : ['agent', 'ssh'].map((name) => join(host.state, name, 'audit'));
  let begun = 0;
  const problems: string[] = [];
  for (const directory of directories.filter((each) => existsSync(each))) {
    problems.push(...(await verifyAudit(directory)).problems);
    for await (const line of auditLines(directory)) if (isBegun(line, captureId)) begun++;
  }
  return { begun, problems };
}

function isBegun(line: string, captureId: string): boolean {
  const entry = parseLine(line);
  const fields = entry?.fields;
  return entry?.event === 'asked' && fields?.captureId === captureId && fields.decision === 'started';
}
