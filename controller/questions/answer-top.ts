// Answers a TopQuestion: finds the captures that it is about, page by page, and has the store add them up.
import { setImmediate } from 'node:timers/promises';
import { fail } from '../../proto/failure.js';
import type { Host, HostRun } from '../api.js';
import { matchesSelector, nameLabel, parseSelector } from '../fleet/selector.js';
import { givesOf, partsOf } from '../jobs/capture-gives.js';
import { isEnded } from '../jobs/job-run.js';
import type { ControlStore, StoredJob } from '../store/control-store.js';
import type { SampleStore } from '../store/sample-store.js';
import { addLeftOut } from '../store/top-of-profiles.js';
import type { LeftOut, TopCapture, TopOptions, TopQuery } from '../store/top-query.js';
import { rateOf, recordPart } from '../views/comparable.js';
import type { Questions, SamplingCount, TopAnswered, TopBy, TopQuestion } from './top-question.js';

/** Jobs that are read at a time: each may have thousands of hosts. */
const pageSize = 50;
/** Each is some hundred bytes of memory, and some milliseconds of reading. */
const mostCaptures = 500_000;
const mostGroups = 1000;

export function storedQuestions(control: ControlStore, samples: SampleStore): Questions {
  return {
    async top(question, options) {
      const plan = await planTop(control, question, options);
      const { captures, event } = plan;
      const { sortBy, of } = ROWS[question.by];
      const query: TopQuery = {
        ...{ captures, event, of, sortBy },
        ...{ eachHostEqual: question.eachHostEqual, limit: question.limit },
      };
      const answer = await samples.topFunctions(query, options);
      return withPlan(answer, plan);
    },
  };
}

const ROWS: Record<TopBy, Pick<TopQuery, 'of' | 'sortBy'>> = {
  self: { of: 'functions', sortBy: 'self' },
  total: { of: 'functions', sortBy: 'total' },
  comm: { of: 'comms', sortBy: 'self' },
  dso: { of: 'objects', sortBy: 'self' },
};

interface Plan {
  readonly captures: TopCapture[];
  readonly event: string | undefined;
  readonly leftOut: ReadonlyMap<string, LeftOut>;
  readonly sampling: readonly SamplingCount[];
  readonly firstJob: number;
  readonly lastJob: number;
}

async function planTop(control: ControlStore, question: TopQuestion, { signal }: TopOptions): Promise<Plan> {
  const selector = parseSelector(question.selectorText);
  const captures: TopCapture[] = [];
  const leftOut = new Map<string, LeftOut>();
  const events = new Map<string, number>();
  const sampling = new Map<string, number>();
  const groups = new Set<string>();
  let [firstJob, lastJob] = [0, 0];
  for await (const job of jobsIn(control, question)) {
    // Others have to be served meanwhile: a database in this process is read without waiting for anything.
    await setImmediate();
    signal.throwIfAborted();
    const hosts = job.request.hosts.filter((host) => matchesSelector(host, selector));
    if (hosts.length === 0) continue;
    const runs = new Map((await control.hostRuns(job.id)).map((run) => [run.host, run]));
    const added = hosts.filter((host) => {
      const reason = reasonToLeaveOut(runs.get(host.name));
      if (reason !== undefined) addLeftOut(leftOut, reason.reason, reason.detail);
      return reason === undefined;
    });
    if (added.length === 0) continue;
    for (const host of added) {
      const group = groupOf(host, question.groupBy);
      groups.add(group);
      captures.push({ jobId: job.id, host: host.name, group });
    }
    for (const event of eventsAsked(job)) events.set(event, (events.get(event) ?? 0) + added.length);
    const rate = rateAsked(job);
    sampling.set(rate, (sampling.get(rate) ?? 0) + added.length);
    firstJob = job.created;
    lastJob ||= job.created;
    checkSize(captures.length, groups.size);
  }
  const event = question.event ?? mostFrequent(events);
  return {
    ...{ captures, event, leftOut, firstJob, lastJob },
    sampling: [...sampling].map(([rate, count]) => ({ rate, captures: count })),
  };
}

/** Those that may have a profile, the newest first. */
async function* jobsIn(control: ControlStore, { since, until }: TopQuestion): AsyncGenerator<StoredJob> {
  let after: StoredJob | undefined;
  for (;;) {
    const page = await control.jobs({ limit: pageSize, since, until, ...(after === undefined ? {} : { after }) });
    for (const job of page) if (givesOf(job.request.spec).profile !== 'never') yield job;
    after = page.at(-1);
    if (page.length < pageSize) return;
  }
}

function reasonToLeaveOut(run: HostRun | undefined): Pick<LeftOut, 'reason' | 'detail'> | undefined {
  if (run === undefined || !isEnded(run)) return { reason: 'not-ended', detail: '' };
  if (run.state === 'succeeded') return undefined;
  return { reason: 'failed', detail: run.failure?.code ?? run.state };
}

function groupOf(host: Host, groupBy: string | undefined): string {
  if (groupBy === undefined) return '';
  if (groupBy === nameLabel) return host.name;
  return Object.hasOwn(host.labels, groupBy) ? host.labels[groupBy] : '';
}

/** None where only the result tells. */
function eventsAsked({ request }: StoredJob): readonly string[] {
  return partsOf(request.spec).flatMap((part) => (part.kind === 'record' ? part.events.map(({ name }) => name) : []));
}

function rateAsked({ request }: StoredJob): string {
  const record = recordPart(request.spec);
  return record === undefined ? 'not known' : rateOf(record, record.events[0]?.name ?? '').text;
}

/** Of equal ones the newest. */
function mostFrequent(events: ReadonlyMap<string, number>): string | undefined {
  let found: string | undefined;
  for (const [event, count] of events) {
    if (found === undefined || count > (events.get(found) ?? 0)) found = event;
  }
  return found;
}

/** @throws FailureError 'bad-request' */
function checkSize(captures: number, groups: number): void {
  if (captures > mostCaptures) {
    throw fail(
      'bad-request',
      `the question is about more than ${mostCaptures} captures`,
      'ask about fewer hosts (--on) or a shorter span (--since, --until)',
    );
  }
  if (groups > mostGroups) {
    throw fail(
      'bad-request',
      `there are more than ${mostGroups} groups`,
      'choose another label, or fewer hosts (--on)',
    );
  }
}

function withPlan(answer: Omit<TopAnswered, 'sampling' | 'firstJob' | 'lastJob'>, plan: Plan): TopAnswered {
  const { leftOut, sampling, firstJob, lastJob } = plan;
  const all = [...answer.leftOut, ...leftOut.values()].sort((a, b) => b.captures - a.captures);
  return { ...answer, ...{ sampling, firstJob, lastJob }, leftOut: all };
}
