// How a job goes, on stderr: redrawn lines on a terminal, one line per change otherwise.
import type { CounterPoint } from '../../profile/counter-series.js';
import type { CaptureEventBody, CaptureState } from '../../proto/capture.js';
import type { HostRun, HostRunState, Job, JobEvent, QueuePlace } from '../api.js';
import { valueText, weightText, withCommas } from '../views/number-text.js';
import { printable } from '../views/printable.js';
import type { CliIo } from './io.js';
import { LiveCounters } from './live-counters.js';
import { LiveHistograms, pointLine } from './live-histograms.js';
import { colours } from './render/colours.js';
import { accountText } from './render/cost-text.js';
import { deliveryStep, deliveryText } from './render/delivery-text.js';
import { failureText } from './render/failure-text.js';
import { firingLine } from './render/firing-lines.js';
import { shorten } from './render/fit-table.js';
import { waveText } from './render/rollout-text.js';
import { durationText } from './render/time-text.js';

export interface JobView {
  event(event: JobEvent): void;
  /** Something the person should know, apart from the hosts' states. */
  note(text: string): void;
  /** Leave the last state on the screen. */
  end(): void;
}

/** Terminals are redrawn at most this often. */
const REDRAW_INTERVAL = 100;
const MOST_LINES = 16;
/** Histograms, and lines that scripts print, in the redrawn view. */
const MOST_HISTOGRAMS = 12;
const MOST_TEXT = 8;
/** Lines of scripts in a log; a script that floods is read afterwards. */
const MOST_LOGGED = 2_000;

export function jobView(io: CliIo, job: Job, isPerHost: boolean): JobView {
  return io.isStderrTty && io.env.TERM !== 'dumb' ? new LiveView(io, job, isPerHost) : new LineView(io, job);
}

/** One line per change of a host's state, per interval of counters and histograms, and per line of a script: for logs and pipes. */
class LineView implements JobView {
  readonly #io: CliIo;
  readonly #job: Job;
  readonly #last = new Map<string, { readonly state: HostRunState; readonly step: string | undefined }>();
  readonly #firings = new FiringsTold();
  #logged = 0;

  constructor(io: CliIo, job: Job) {
    this.#io = io;
    this.#job = job;
    this.note(`${job.request.hosts.length} ${job.request.hosts.length === 1 ? 'host' : 'hosts'}`);
  }

  event(event: JobEvent): void {
    if (event.kind === 'host-run') {
      for (const line of this.#firings.news(event.run)) this.#print(line);
      const { host, state, delivery, waitsFor } = event.run;
      const last = this.#last.get(host);
      const step = deliveryStep(delivery) ?? (state === 'connecting' && waitsFor ? 'waits' : undefined);
      if (last?.state === state && (step === undefined || step === last.step)) return;
      this.#last.set(host, { state, step });
      this.#print(hostLine(event.run, this.#job));
    }
    if (event.kind === 'wave') this.note(waveText(event));
    if (event.kind === 'job' && event.job.queue !== undefined) this.note(queueText(event.job.queue));
    if (event.kind === 'capture' && event.body.kind === 'counters') {
      for (const point of event.body.points) this.#print(`${event.host}: ${pointText(point)}`);
    } else if (event.kind === 'capture') {
      for (const line of scriptLines(event.host, event.body)) this.#log(line);
    }
  }

  #log(line: string): void {
    this.#logged++;
    if (this.#logged <= MOST_LOGGED) this.#print(line);
    if (this.#logged === MOST_LOGGED) this.note('its scripts print more than is shown here; it is kept with the job');
  }

  note(text: string): void {
    this.#print(`job ${this.#job.id}: ${text}`);
  }

  end(): void {
    this.#last.clear();
  }

  #print(line: string): void {
    this.#io.stderr.write(`${printable(line)}\n`);
  }
}

/** Lines that are drawn over: a heading, the hosts that matter most now, and counters as they come. */
class LiveView implements JobView {
  readonly #io: CliIo;
  readonly #job: Job;
  readonly #runs = new Map<string, HostRun>();
  readonly #counters: LiveCounters;
  readonly #histograms = new LiveHistograms();
  readonly #text: string[] = [];
  readonly #firings = new FiringsTold();
  #note = '';
  #wave = '';
  #queue = '';
  #drawn = 0;
  #drawnAt = Number.NEGATIVE_INFINITY;

  constructor(io: CliIo, job: Job, isPerHost: boolean) {
    this.#io = io;
    this.#job = job;
    this.#counters = new LiveCounters(isPerHost);
    this.#draw();
  }

  event(event: JobEvent): void {
    if (event.kind === 'host-run') {
      this.#runs.set(event.run.host, event.run);
      this.#tell(this.#firings.news(event.run));
    }
    if (event.kind === 'wave') this.#wave = `  ${waveText(event)}`;
    if (event.kind === 'job') this.#queue = event.job.queue === undefined ? '' : `  ${queueText(event.job.queue)}`;
    if (event.kind === 'capture' && event.body.kind === 'counters') this.#counters.add(event.host, event.body);
    else if (event.kind === 'capture' && event.body.kind === 'histograms')
      this.#histograms.add(event.host, event.body.points);
    else if (event.kind === 'capture') {
      this.#tell(scriptLines(event.host, event.body));
    }
    // However the clock was set meanwhile.
    if (Math.abs(this.#io.now() - this.#drawnAt) >= REDRAW_INTERVAL) this.#draw();
  }

  note(text: string): void {
    this.#note = text;
    this.#draw();
  }

  end(): void {
    this.#draw();
  }

  #draw(): void {
    const { progressColumns: columns, env } = this.#io;
    const paint = colours(true, env);
    const runs = [...this.#runs.values()].sort((a, b) => URGENCY[a.state] - URGENCY[b.state]);
    const shown = runs.slice(0, MOST_LINES);
    const lines = [
      paint.bold(shorten(this.#heading(), columns - 1)),
      ...shown.map((run) => {
        const line = shorten(printable(`  ${hostLine(run, this.#job)}`), columns - 1);
        return run.failure === undefined ? line : paint.red(line);
      }),
      ...(runs.length > shown.length ? [`  … and ${runs.length - shown.length} more`] : []),
      ...this.#counters.lines(columns - 1),
      ...this.#histograms.lines(columns - 1, MOST_HISTOGRAMS),
      ...this.#text.map((line) => shorten(line, columns - 1)),
      ...(this.#note === '' ? [] : [paint.yellow(shorten(this.#note, columns - 1))]),
    ];
    const back = this.#drawn === 0 ? '' : `\x1b[${this.#drawn}A\x1b[J`;
    this.#io.stderr.write(`${back}${lines.join('\n')}\n`);
    this.#drawn = lines.length;
    this.#drawnAt = this.#io.now();
  }

  /** The latest lines stay to be seen. */
  #tell(lines: readonly string[]): void {
    this.#text.push(...lines.slice(-MOST_TEXT));
    this.#text.splice(0, this.#text.length - MOST_TEXT);
  }

  #heading(): string {
    const states = new Map<HostRunState, number>();
    for (const run of this.#runs.values()) states.set(run.state, (states.get(run.state) ?? 0) + 1);
    const total = this.#job.request.hosts.length;
    const parts = [...states].map(([state, hosts]) => `${hosts} ${state}`);
    return `job ${this.#job.id}  ${total} ${total === 1 ? 'host' : 'hosts'}${parts.length === 0 ? '' : `: ${parts.join(', ')}`}${this.#queue}${this.#wave}`;
  }
}

function queueText({ position, of, waitsFor }: QueuePlace): string {
  return `queued, ${position} of ${of}; waits for ${waitsFor}`;
}

/** Which firings of a watch were told. */
class FiringsTold {
  readonly #told = new Map<string, number>();

  /** A line for each that was not. */
  news({ host, firings = [] }: HostRun): string[] {
    const told = this.#told.get(host) ?? 0;
    this.#told.set(host, Math.max(told, firings.length));
    return firings.slice(told).map((firing) => firingLine(host, firing));
  }
}

/** What a person looks for first: trouble, then what runs, then the rest. */
const URGENCY: Record<HostRunState, number> = {
  failed: 0,
  lost: 0,
  cancelled: 1,
  skipped: 7,
  fetching: 2,
  running: 3,
  connecting: 4,
  waiting: 5,
  succeeded: 6,
};

/** `running` and `done` are told by the host run itself. */
const TOLD_STATES: ReadonlySet<CaptureState> = new Set(['compiling', 'armed', 'symbolizing']);

/** `web1: running  3.0 s, 1,234 samples, 56.0 KiB, 0.6 % of this host's CPU (0.4 s of 2.2 s; budget 1 %)` or `web1: failed  why (remedy)`. */
function hostLine(run: HostRun, job: Job): string {
  const head = `${run.host}: ${run.state}`;
  if (run.failure !== undefined) {
    const { message, remedy } = run.failure;
    return `${head}  ${message}${remedy === '' ? '' : ` (${remedy})`}`;
  }
  if (run.delivery !== undefined) return `${head}  ${deliveryText(run.delivery)}`;
  if (run.state === 'connecting' && run.waitsFor) return `${head}  waits: ${run.waitsFor}`;
  const { elapsed, samples, bytes: size, lost } = run.progress;
  const doing = run.captureState !== undefined && TOLD_STATES.has(run.captureState) ? ` (${run.captureState})` : '';
  if (elapsed === 0 && samples === 0) return `${head}${run.state === 'succeeded' ? '' : doing}`;
  const parts = [
    durationText(elapsed),
    ...(job.request.spec.kind === 'watch' ? [firingsText(run.firings?.length ?? 0)] : []),
    ...(samples === 0 || job.request.spec.kind === 'stat' ? [] : [`${withCommas(samples)} samples`]),
    ...(size === 0 ? [] : [weightText(size, 'bytes')]),
    ...(lost === 0 ? [] : [`${withCommas(lost)} lost`]),
    ...(run.cost?.budget === undefined ? [] : [accountText(run.cost.budget)]),
  ];
  return `${head}${doing}  ${parts.join(', ')}`;
}

function firingsText(firings: number): string {
  return firings === 1 ? '1 firing' : `${firings === 0 ? 'no' : firings} firings`;
}

/** What a script told, and parts of a kit that cannot be had: `web1: line`. */
function scriptLines(host: string, body: Exclude<CaptureEventBody, { kind: 'profile-chunk' }>): string[] {
  switch (body.kind) {
    case 'text':
      return body.lines.map(({ text }) => printable(`${host}: ${text}`));
    case 'histograms':
      return body.points.map((point) => pointLine(printable(host), point));
    case 'part':
      return body.failure === undefined ? [] : [`${printable(host)}: no ${body.part}: ${failureText(body.failure)}`];
    default:
      return [];
  }
}

/** `1.000 s  page-faults  1,234` or `1.000 s  cycles  <not supported>`. */
function pointText(point: CounterPoint): string {
  const value =
    point.status === 'counted'
      ? `${valueText(point.value)} ${point.unit}`.trimEnd()
      : `<${point.status.replace('-', ' ')}>`;
  const scope = point.scope === '' ? '' : `  ${point.scope}`;
  return `${(point.time / 1000).toFixed(3)} s  ${point.event}${scope}  ${value}`;
}
