// Submit a job, show how it goes, and let Ctrl-C end it: once to keep what there is, twice to discard it.
import { hostname } from 'node:os';
import type { CaptureSpec, Milliseconds } from '../../proto/capture.js';
import { fail } from '../../proto/failure.js';
import { timeoutSignal } from '../../proto/timeout-signal.js';
import type { App, Host, Job, JobEvent, Rollout } from '../api.js';
import { parseAdHocHosts } from '../fleet/ad-hoc-hosts.js';
import { drawSample } from '../fleet/sample.js';
import { matchesSelector, parseSelector } from '../fleet/selector.js';
import { CommandEnd } from './command-end.js';
import type { CommandContext } from './context.js';
import { EXIT } from './exit-codes.js';
import { writeJson, writeLines } from './io.js';
import { jobView } from './job-view.js';
import { parseDuration } from './options/duration.js';
import { parseWhole } from './options/numbers.js';
import { parseQueue, type QueueFlags, type QueueOptions } from './options/queue.js';
import { parseRollout, parseSample, type RolloutFlags, type SampleOptions } from './options/rollout.js';
import { parseSync, type SyncFlags, type SyncOptions, syncOf } from './options/sync.js';
import { UsageError } from './usage-error.js';

/** How long a cancelled job may take to tell all its hosts. */
const CANCEL_DEADLINE: Milliseconds = 30_000;

/** Which hosts a command is for. */
export interface HostChoice {
  /** A selector; '' for all hosts. */
  readonly on: string;
  /** Named on the command line and reached by ssh, in place of the inventory. */
  readonly hosts: string | undefined;
}

/** As commander hands them over. */
export interface HostFlags {
  readonly on: string;
  readonly hosts?: string | undefined;
}

export function parseHostChoice({ on, hosts }: HostFlags): HostChoice {
  return { on, hosts };
}

/** The options that every command which starts a job has. */
export interface JobOptions extends HostChoice {
  readonly maxParallel: number;
  readonly grace: Milliseconds;
  readonly note: string;
  readonly rollout?: Rollout;
  readonly sample?: SampleOptions;
  readonly sync?: SyncOptions;
  readonly queue?: QueueOptions;
  /** Where SystemTap scripts are compiled for all hosts; absent: each host by itself. */
  readonly buildHost?: Host;
}

/** A child process on this machine; it needs no place in the inventory. */
export const THIS_MACHINE: Host = { name: 'localhost', labels: {}, address: { transport: 'local' } };

/** As commander hands them over. */
export interface JobFlags extends HostFlags, RolloutFlags, SyncFlags, QueueFlags {
  readonly maxParallel: string;
  readonly grace: string;
  readonly note: string;
}

export const JOB_DEFAULTS = { on: '', maxParallel: '32', grace: '60s', note: '' } as const;

export function parseJobOptions(flags: JobFlags): JobOptions {
  return {
    ...parseHostChoice(flags),
    maxParallel: parseWhole('--max-parallel', flags.maxParallel, 1, 10_000),
    grace: parseDuration('--grace', flags.grace),
    note: flags.note,
    ...parseRollout(flags),
    ...parseSample(flags),
    ...parseSync(flags),
    queue: parseQueue(flags),
  };
}

/** Hosts that match; @throws FailureError when none does */
export function selectHosts(app: App, choice: HostChoice): readonly Host[] {
  const hosts = choice.hosts === undefined ? app.hosts(choice.on) : chosenOf(choice.hosts, choice.on);
  if (hosts.length === 0) {
    throw fail('not-found', `no host matches '${choice.on}'`, '`perftrawl hosts` lists the hosts and their labels');
  }
  return hosts;
}

function chosenOf(list: string, on: string): readonly Host[] {
  const selector = parseSelector(on);
  return parseAdHocHosts(list).filter((host) => matchesSelector(host, selector));
}

/** As a person wrote it, for the record. */
function choiceText({ on, hosts }: HostChoice): string {
  if (hosts === undefined) return on;
  return on === '' ? `-H ${hosts}` : `-H ${hosts} --on ${on}`;
}

/** A host of the inventory by its name; `localhost` is always one. @throws FailureError */
export function namedHost(app: App, option: string, name: string): Host {
  const host = app.hosts('').find((candidate) => candidate.name === name);
  if (host !== undefined) return host;
  if (name === THIS_MACHINE.name) return THIS_MACHINE;
  throw fail('not-found', `${option}: there is no host '${name}'`, '`perftrawl hosts` lists the hosts');
}

/** Write a job down and run it to its end. */
export async function startJob(
  context: CommandContext,
  app: App,
  spec: CaptureSpec,
  hosts: readonly Host[],
  options: JobOptions,
  isPerHost = false,
): Promise<Job> {
  if (options.queue?.isDetached === true && !context.isRemote) {
    throw new UsageError('--detach: without a server nobody runs the job; give --server, or leave it out');
  }
  const { sample } = options;
  const drawn =
    sample === undefined ? { hosts } : drawSample(hosts, { ...sample, seed: sample.seed ?? String(context.io.now()) });
  const job = await app.submit({
    spec,
    ...drawn,
    selectorText: choiceText(options),
    requester: `${context.io.userName}@${hostname()}`,
    maxParallel: options.maxParallel,
    grace: options.grace,
    note: options.note,
    ...options.queue?.fields,
    ...(options.rollout === undefined ? {} : { rollout: options.rollout }),
    ...syncOf(options.sync, spec, options.buildHost),
    ...(options.buildHost === undefined ? {} : { buildHost: options.buildHost }),
  });
  if (job.state === 'awaiting-approval') {
    const remedy = `somebody else has to run \`perftrawl jobs approve ${job.id}\`; see then \`perftrawl jobs show ${job.id}\``;
    throw fail('refused', `job ${job.id} is written down and waits for approval`, remedy);
  }
  if (options.queue?.isDetached === true) return detach(context, job);
  return followJob(context, app, job, 'run', isPerHost);
}

/** The command ends here: a server goes on with the job. */
async function detach(context: CommandContext, job: Job): Promise<never> {
  if (context.isJson) await writeJson(context.io, { job });
  else await writeLines(context.io.stdout, [job.id]);
  throw new CommandEnd(EXIT.ok);
}

/** Run or resume a job, shown on stderr. @param isPerHost counters of each host apart */
export async function followJob(
  context: CommandContext,
  app: App,
  job: Job,
  how: 'run' | 'resume',
  isPerHost = false,
): Promise<Job> {
  const { io } = context;
  const view = jobView(io, job, isPerHost);
  const { stop, cancel } = io.interrupt;
  const onStop = (): void => view.note('stopping; what there is will be kept. Ctrl-C again discards it.');
  let cancelling: Promise<Job> | undefined;
  const onCancel = (): void => {
    view.note('cancelling');
    cancelling = app.cancel(job.id, timeoutSignal(CANCEL_DEADLINE));
    // Awaited below; this only keeps Node from calling it unhandled before then.
    cancelling.catch(() => undefined);
  };
  stop.addEventListener('abort', onStop, { once: true });
  cancel.addEventListener('abort', onCancel, { once: true });
  const options = { signal: stop, onEvent: (event: JobEvent) => view.event(event) };
  try {
    const ended = how === 'run' ? await app.run(job.id, options) : await app.resume(job.id, options);
    return cancelling === undefined ? ended : await cancelling;
  } finally {
    stop.removeEventListener('abort', onStop);
    cancel.removeEventListener('abort', onCancel);
    view.end();
  }
}
