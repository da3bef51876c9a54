// How a pull goes, on stderr: one line that is drawn over on a terminal; otherwise files from agents, failures, and every quarter of the way.
import type { PullEvent } from '../pull/pull.js';
import { weightText, withCommas } from '../views/number-text.js';
import { printable } from '../views/printable.js';
import type { CliIo } from './io.js';
import { colours } from './render/colours.js';
import { failureText } from './render/failure-text.js';
import { shorten } from './render/fit-table.js';

export interface PullView {
  event(event: PullEvent): void;
  /** Leave nothing half drawn on the screen. */
  end(): void;
}

type ViewIo = Pick<CliIo, 'stderr' | 'isStderrTty' | 'progressColumns' | 'env' | 'now'>;

const REDRAW_INTERVAL = 100;
const STEPS = 4;

export function pullView(io: ViewIo): PullView {
  return new TallyView(io, io.isStderrTty && io.env.TERM !== 'dumb');
}

class TallyView implements PullView {
  readonly #io: ViewIo;
  readonly #isLive: boolean;
  #jobs = 0;
  #parts = 0;
  #done = 0;
  #failed = 0;
  #kept = 0;
  #bytes = 0;
  #drawnAt = Number.NEGATIVE_INFINITY;

  constructor(io: ViewIo, isLive: boolean) {
    this.#io = io;
    this.#isLive = isLive;
  }

  event(event: PullEvent): void {
    switch (event.kind) {
      case 'planned':
        this.#jobs = event.jobs;
        this.#parts = event.parts;
        if (!this.#isLive) this.#print(this.#tally());
        break;
      case 'bytes':
        this.#bytes += event.bytes;
        break;
      case 'part':
        this.#part(event);
        break;
    }
    if (this.#isLive && Math.abs(this.#io.now() - this.#drawnAt) >= REDRAW_INTERVAL) this.#draw();
  }

  end(): void {
    if (this.#isLive) this.#io.stderr.write('\r\x1b[K');
  }

  #part({ part, outcome }: PullEvent & { readonly kind: 'part' }): void {
    const { job, run, format, name } = part;
    const what = `${job.id} ${run?.host ?? 'merged'}: ${name === '' ? format : name}`;
    this.#done++;
    if (outcome.kind === 'kept') this.#kept++;
    if (outcome.kind === 'failed') {
      this.#failed++;
      const { yellow } = colours(this.#isLive, this.#io.env);
      this.#print(yellow(`${printable(what)}: ${failureText(outcome.failure)}`));
    } else if (outcome.kind === 'made' && name !== '' && !this.#isLive) {
      const size = outcome.files.reduce((sum, file) => sum + file.size, 0);
      const from = outcome.resumedAt === 0 ? '' : `, gone on with at ${weightText(outcome.resumedAt, 'bytes')}`;
      this.#print(printable(`${what}: ${weightText(size, 'bytes')}${from}`));
    }
    const step = Math.floor((STEPS * this.#done) / this.#parts);
    const isStep = step > Math.floor((STEPS * (this.#done - 1)) / this.#parts);
    if (isStep && !this.#isLive) this.#print(this.#tally());
  }

  /** `2 jobs: 312 of 3,000 parts, 290 of them there already, 1.2 GiB from agents, 1 failed`. */
  #tally(): string {
    const jobs = `${withCommas(this.#jobs)} ${this.#jobs === 1 ? 'job' : 'jobs'}`;
    return [
      `${jobs}: ${withCommas(this.#done)} of ${withCommas(this.#parts)} parts`,
      ...(this.#kept === 0 ? [] : [`${withCommas(this.#kept)} of them there already`]),
      ...(this.#bytes === 0 ? [] : [`${weightText(this.#bytes, 'bytes')} from agents`]),
      ...(this.#failed === 0 ? [] : [`${withCommas(this.#failed)} failed`]),
    ].join(', ');
  }

  #draw(): void {
    this.#io.stderr.write(`\r\x1b[K${shorten(this.#tally(), this.#io.progressColumns - 1)}`);
    this.#drawnAt = this.#io.now();
  }

  #print(line: string): void {
    this.#io.stderr.write(`${this.#isLive ? '\r\x1b[K' : ''}${line}\n`);
  }
}
