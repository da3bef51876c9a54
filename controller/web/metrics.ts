// What Prometheus may scrape of a server: its queue, jobs, host runs, captures, schedules, requests, and the process itself.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { HostRun, Job, JobEvent } from '../api.js';
import { isEnded } from '../jobs/job-run.js';
import type { QueueState } from '../store/job-queue-store.js';

export interface MetricsOptions {
  readonly version: string;
  /** Of all servers of the store. */
  readonly queue: () => Promise<QueueState>;
  /** Jobs that this server runs, and followers of events. */
  readonly running: () => number;
  /** Agents that have dialed in; undefined where none may. */
  readonly agents: (() => number) | undefined;
}

export interface AnsweredRequest {
  readonly method: string;
  /** With its `:parameters`; '' for one that is unknown. */
  readonly route: string;
  readonly status: number;
  readonly seconds: number;
}

export interface Metrics {
  readonly contentType: string;
  /** In the text format of Prometheus. */
  text(): Promise<string>;
  onRequest(request: AnsweredRequest): void;
  /** Of a job that this server runs. */
  onJobEvent(event: JobEvent): void;
  onSchedulesDecided(count: number): void;
}

const seconds = 1000;

export function openMetrics({ version, queue, running, agents }: MetricsOptions): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  new Gauge({ name: 'perftrawl_build_info', help: 'Always 1.', labelNames: ['version'], registers }).set(
    { version },
    1,
  );
  const store = new Gauge({ name: 'perftrawl_store_up', help: 'Whether the store answered this scrape.', registers });
  const jobs = new Gauge({
    ...{ name: 'perftrawl_jobs', labelNames: ['state', 'team'], registers },
    help: 'Jobs of the store that wait in the queue or run, on whatever server.',
  });
  new Gauge({
    ...{ name: 'perftrawl_running_jobs', help: 'Jobs that this server runs.', registers },
    collect() {
      this.set(running());
    },
  });
  if (agents !== undefined) {
    new Gauge({
      ...{ name: 'perftrawl_agents_connected', help: 'Agents that have dialed in to this server.', registers },
      collect() {
        this.set(agents());
      },
    });
  }
  const jobsEnded = new Counter({
    ...{
      name: 'perftrawl_jobs_ended_total',
      help: 'Jobs that ended on this server.',
      labelNames: ['state'],
      registers,
    },
  });
  const waited = new Histogram({
    ...{ name: 'perftrawl_job_queue_seconds', help: 'How long jobs waited in the queue.', registers },
    buckets: [0.1, 1, 10, 60, 600, 3600, 21_600],
  });
  const runsEnded = new Counter({
    ...{ name: 'perftrawl_host_runs_ended_total', labelNames: ['state', 'failure'], registers },
    help: 'Host runs that ended on this server; `failure` is the code of why.',
  });
  const samples = new Counter({ name: 'perftrawl_samples_total', help: 'Samples that hosts have sent.', registers });
  const lost = new Counter({ name: 'perftrawl_lost_events_total', help: 'Events that were lost on hosts.', registers });
  const cpu = new Counter({
    ...{ name: 'perftrawl_capture_cpu_seconds_total', labelNames: ['of'], registers },
    help: 'CPU time that captures cost their hosts.',
  });
  const bytes = new Counter({
    name: 'perftrawl_result_bytes_total',
    help: 'Bytes of results as hosts sent them.',
    registers,
  });
  const decided = new Counter({
    ...{
      name: 'perftrawl_schedules_decided_total',
      help: 'Schedules that were due and decided on by this server.',
      registers,
    },
  });
  const requests = new Histogram({
    ...{ name: 'perftrawl_http_request_duration_seconds', labelNames: ['method', 'route', 'status'], registers },
    ...{
      help: 'Requests by route; streams of events last as long as their jobs.',
      buckets: [0.01, 0.1, 1, 10, 60, 600],
    },
  });
  const readQueue = async (): Promise<void> => {
    jobs.reset();
    try {
      const { queued, running: all } = await queue();
      for (const { team } of queued) jobs.inc({ state: 'queued', team });
      for (const { team } of all) jobs.inc({ state: 'running', team });
      store.set(1);
    } catch {
      // That is what there is to tell: the rest of the figures stands.
      store.set(0);
    }
  };
  const runEnded = ({ state, failure, progress, cost }: HostRun) => {
    runsEnded.inc({ state, failure: failure?.code ?? '' });
    samples.inc(sound(progress.samples));
    lost.inc(sound(progress.lost));
    if (cost === undefined) return;
    cpu.inc({ of: 'tools' }, sound(cost.toolCpu / seconds));
    cpu.inc({ of: 'agent' }, sound(cost.agentCpu / seconds));
    bytes.inc(sound(cost.spooledBytes));
  };
  const jobEnded = ({ state, created, started }: Job) => {
    jobsEnded.inc({ state });
    if (started > 0) waited.observe(Math.max(0, (started - created) / seconds));
  };
  return {
    contentType: registry.contentType,
    async text() {
      await readQueue();
      return registry.metrics();
    },
    onRequest: ({ method, route, status, seconds: took }) => requests.observe({ method, route, status }, took),
    onJobEvent(event) {
      if (event.kind === 'host-run' && isEnded(event.run)) runEnded(event.run);
      if (event.kind === 'job') jobEnded(event.job);
    },
    onSchedulesDecided: (count) => decided.inc(count),
  };
}

/** What a host says of itself may be anything. */
function sound(value: number): number {
  return Number.isFinite(value) && value > 0 ? value : 0;
}
