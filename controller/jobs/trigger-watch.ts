// Has the watch of a job fire on its hosts, whether a controller follows it or not.
import type { AgentApi } from '../../proto/agent-api.js';
import type { Firing } from '../../proto/capture.js';
import { fail } from '../../proto/failure.js';
import type { Answer, Host, TriggerCause } from '../api.js';
import type { ControlStore } from '../store/control-store.js';
import { findJob } from './job-lookup.js';
import { isEnded } from './job-run.js';

export interface TriggerTools {
  readonly control: ControlStore;
  readonly ask: <T>(
    hosts: readonly Host[],
    doing: string,
    signal: AbortSignal,
    question: (api: AgentApi, signal: AbortSignal, host: Host) => Promise<T>,
  ) => Promise<readonly Answer<T>[]>;
  /** Numbers from 0 up to, not including, 1. */
  readonly random: () => number;
}

/** @param names of hosts of the job; none: all of them @throws FailureError 'not-found', 'bad-request' for a job that is no watch */
export async function triggerWatch(
  jobId: string,
  names: readonly string[],
  { who, reason, request }: TriggerCause,
  { control, ask, random }: TriggerTools,
  signal: AbortSignal,
): Promise<readonly Answer<Firing>[]> {
  const named = await findJob(control, jobId);
  const job = request === undefined ? named : await findJob(control, await control.noteRequest(request, named.id));
  const { spec, hosts: all } = job.request;
  if (spec.kind !== 'watch') {
    throw fail('bad-request', `job ${job.id} is a ${spec.kind} job: only a watch fires`, 'start one: perftrawl watch');
  }
  const unknown = names.find((name) => !all.some((host) => host.name === name));
  if (unknown !== undefined)
    throw fail('not-found', `host ${unknown} is not in job ${job.id}`, 'see its hosts: perftrawl jobs show');
  const hosts = names.length === 0 ? all : all.filter(({ name }) => names.includes(name));
  const runs = new Map((await control.hostRuns(job.id)).map((run) => [run.host, run]));
  // One for all attempts: asked again over a new connection, it fires once.
  const requestId = request?.key ?? Math.floor(random() * 2 ** 48).toString(36);
  return ask(hosts, 'triggering the watch on', signal, async (api, limited, host) => {
    const run = runs.get(host.name);
    if (run === undefined || isEnded(run)) {
      throw fail('refused', `the watch on ${host.name} ${run?.state ?? 'is not there'}`, 'start another one');
    }
    return api.triggerCapture({ captureId: run.captureId, who, reason, requestId }, limited);
  });
}

/** Every watch that runs on one of these hosts fires there. A host whose watch does not fire says so in the job of the watch. */
export async function fireWatches(
  names: ReadonlySet<string>,
  cause: TriggerCause,
  tools: TriggerTools,
  signal: AbortSignal,
): Promise<void> {
  for (const job of await tools.control.jobs({ states: ['running'], limit: 10_000 })) {
    if (job.request.spec.kind !== 'watch') continue;
    const meant = job.request.hosts.map((host) => host.name).filter((name) => names.has(name));
    if (meant.length > 0) await triggerWatch(job.id, meant, cause, tools, signal);
  }
}
