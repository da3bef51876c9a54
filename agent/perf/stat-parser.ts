// The lines of `perf stat -x ; -I N`, any chunking, perf 3.x to 6.x. Pure: text in, counter points out.
//
//   time ; [CPUn ;] value ; [unit ;] event ; [cgroup ;] running time ; running % ; [metric ; metric unit]
//
// perf up to 3.14 prints neither unit nor (unless multiplexed) running time; perf 5.x and later add metrics. Which column holds the
// event is told by the events that were asked for.
import type { CounterPoint } from '../../profile/counter-series.js';
import type { Loss } from '../../profile/loss.js';

export interface StatParserOptions {
  readonly separator: string;
  /** Names as given to perf. */
  readonly events: readonly string[];
  readonly perCpu: boolean;
  /** The cgroup column is there. */
  readonly cgroup: string | undefined;
}

/** A line longer than this is no line of perf's. */
const MAX_LINE = 64 * 1024;

export class StatParser {
  readonly #options: StatParserOptions;
  readonly #names: ReadonlySet<string>;
  readonly #notCounted = new Map<string, number>();
  readonly #notSupported = new Set<string>();
  #rest = '';
  #isSkippingLine = false;
  #skippedLines = 0;
  #firstSkipped = '';
  #decoder = new Utf8Joiner();

  constructor(options: StatParserOptions) {
    this.#options = options;
    this.#names = new Set(options.events.flatMap((name) => [name, bareName(name)]));
  }

  /** Points of the lines that this chunk completes, in perf's order. */
  push(chunk: Uint8Array): CounterPoint[] {
    const text = this.#rest + this.#decoder.push(chunk);
    const lines = text.split('\n');
    this.#rest = lines.pop() ?? '';
    const points = this.#parse(lines);
    if (this.#rest.length > MAX_LINE) {
      if (!this.#isSkippingLine) this.#skip(this.#rest);
      this.#isSkippingLine = true;
      this.#rest = '';
    }
    return points;
  }

  /** Points of a last line without a line end, and what was missing. */
  end(): { readonly points: CounterPoint[]; readonly losses: Loss[] } {
    const points = this.#rest === '' ? [] : this.#parse([this.#rest]);
    this.#rest = '';
    return { points, losses: this.#losses() };
  }

  #parse(lines: readonly string[]): CounterPoint[] {
    const points: CounterPoint[] = [];
    for (const line of lines) {
      if (this.#isSkippingLine) {
        this.#isSkippingLine = false;
        continue;
      }
      if (isDecoration(line)) continue;
      const point = this.#parseLine(line);
      if (point === 'metric') continue;
      if (point === undefined) this.#skip(line);
      else points.push(point);
    }
    return points;
  }

  #parseLine(line: string): CounterPoint | 'metric' | undefined {
    const fields = line.split(this.#options.separator).map((field) => field.trim());
    const time = decimal(fields[0]);
    if (time === undefined) return undefined;
    let at = 1;
    let cpu = '';
    if (this.#options.perCpu) {
      const found = /^(?:CPU)?(\d+)$/.exec(fields[at++] ?? '');
      if (found === null) return undefined;
      cpu = `CPU${found[1]}`;
    }
    const value = fields[at++];
    // A further metric of the event before: no value, no event.
    if (value === '' && fields.slice(at, at + 2).every((field) => field === '')) return 'metric';
    const isWithoutUnit = this.#isEvent(fields[at]) && !this.#isEvent(fields[at + 1]);
    const unit = isWithoutUnit ? '' : (fields[at++] ?? '');
    const event = fields[at++] ?? '';
    if (event === '' || !this.#isEvent(event)) return undefined;
    const { cgroup } = this.#options;
    if (cgroup !== undefined) at++;
    // The running time is at `at`; perf before 3.16 leaves both out when nothing was multiplexed.
    const runningPercent = fields[at + 1] === undefined || fields[at + 1] === '' ? 100 : decimal(fields[at + 1]);
    const counted = value === '<not counted>' || value === '<not supported>' ? 0 : decimal(value);
    if (counted === undefined || runningPercent === undefined) return undefined;
    const scope = cgroup === undefined ? cpu : cpu === '' ? cgroup : `${cgroup} ${cpu}`;
    const common = { time: Math.round(time * 1e6) / 1e3, event, scope };
    if (value === '<not supported>') {
      this.#notSupported.add(event);
      return { ...common, status: 'not-supported', value: 0, unit: '', runningPercent: 0 };
    }
    if (value === '<not counted>') {
      this.#notCounted.set(event, (this.#notCounted.get(event) ?? 0) + 1);
      return { ...common, status: 'not-counted', value: 0, unit: '', runningPercent: 0 };
    }
    return { ...common, status: 'counted', value: counted, unit, runningPercent };
  }

  /** perf adds modifiers (`cycles` becomes `cycles:u` without privilege) and spreads globs and groups: letters decide then. */
  #isEvent(field: string | undefined): boolean {
    if (field === undefined || field === '') return false;
    if (this.#names.has(field) || this.#names.has(bareName(field))) return true;
    return (
      this.#options.events.some((name) => /[*?{}~]/.test(name)) &&
      /^[A-Za-z_][\w:./,=@-]*$/.test(field) &&
      !UNITS.has(field)
    );
  }

  #skip(line: string): void {
    if (this.#skippedLines++ === 0) this.#firstSkipped = line.slice(0, 80);
  }

  #losses(): Loss[] {
    const losses: Loss[] = [];
    for (const [event, count] of this.#notCounted) {
      losses.push({ kind: 'not-counted', count, detail: `${event}: it never ran in these intervals` });
    }
    for (const event of this.#notSupported) {
      losses.push({ kind: 'not-supported', count: 1, detail: `${event}: this host has no such counter` });
    }
    if (this.#skippedLines > 0) {
      const detail = `perf stat lines of unknown form, the first: ${JSON.stringify(this.#firstSkipped)}`;
      losses.push({ kind: 'skipped-lines', count: this.#skippedLines, detail });
    }
    return losses;
  }
}

/** Units that perf prints beside a value; needed only where event names were given as patterns. */
const UNITS = new Set(['msec', 'nsec', 'ns', 'Joules', 'MiB', 'Bytes', 'bytes', 'C', 'Watts']);

/** `cpu-clock:u` is `cpu-clock`; `sched:sched_switch` stays. */
function bareName(name: string): string {
  return name.replace(/:[ukhHGDpPSIWeb]+$/, '');
}

function isDecoration(line: string): boolean {
  return line.trim() === '' || line.trimStart().startsWith('#');
}

function decimal(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d+(?:\.\d+)?%?$/.test(text)) return undefined;
  const value = Number.parseFloat(text);
  return Number.isFinite(value) ? value : undefined;
}

/** UTF-8 whose characters may be cut between chunks. */
class Utf8Joiner {
  readonly #decoder = new TextDecoder('utf-8');

  push(chunk: Uint8Array): string {
    return this.#decoder.decode(chunk, { stream: true });
  }
}
