// Reads what a SystemTap script prints, as it comes: histograms, stacks, and all other lines as text, in order. Pure: bytes in, values out.
//
//   title or figures         held back until the next line tells whether they are a histogram's caption      histogram-caption.ts
//   value |---- count        a histogram, to its empty line                                                  histogram-text.ts, -rows.ts
//    0x… : name+0x… [obj]    a stack, with a count in the line before or behind it                           frame-line.ts, stack-collector.ts
//   #pt1 …                   what the scripts of the catalogue say                                           structured-line.ts
//
// A histogram that is cut or garbled is a loss with its line, and its lines are text. docs/stap-output.md says all of it in words.
import { countOf, type Histogram } from '../../../profile/histogram.js';
import type { HistogramPoint } from '../../../profile/histogram-series.js';
import type { Loss } from '../../../profile/loss.js';
import type { Profile } from '../../../profile/profile.js';
import type { ProfileMeta } from '../../../profile/profile-builder.js';
import type { TextLine } from '../../../profile/text-line.js';
import type { Milliseconds } from '../../../proto/capture.js';
import { LossTally } from '../../perf/loss-tally.js';
import type { ObjectContext } from '../../symbolize/object-context.js';
import { type Body, captionOf, figuresBehind, fitting, mayBeFigures } from './histogram-caption.js';
import { readRows } from './histogram-rows.js';
import { HistogramText, readHeader } from './histogram-text.js';
import { LineCutter } from './line-cutter.js';
import { RoundClock, type RoundClockOptions } from './round-clock.js';
import { StackCollector } from './stack-collector.js';
import type { CodePlaces } from './stack-profile.js';
import { readStructured, STRUCTURED, type StructuredLine } from './structured-line.js';

export interface StapOutputLimits {
  /** Lines of text given out; what comes after is counted. */
  readonly lines: number;
  /** Of one line; the rest of a longer one is cut off. */
  readonly lineBytes: number;
  /** Rows of one histogram. */
  readonly rows: number;
  /** Distinct stacks. */
  readonly stacks: number;
  /** Frames of one stack. */
  readonly frames: number;
}

export interface StapOutputOptions extends RoundClockOptions {
  /** Title of histograms that have none; '' to leave them without. */
  readonly title?: string;
  /** Unit of histograms whose script tells none. */
  readonly unit?: string;
  /** Sample type of stacks whose script names none; `samples` when left out. */
  readonly sampleType?: string;
  /** Whom to ask where addresses lie; left out for output that was saved. */
  readonly places?: CodePlaces;
  readonly limits?: Partial<StapOutputLimits>;
}

/** What the whole output comes to, behind its last lines. */
export interface StapStacks {
  /** Undefined when there were no stacks. */
  readonly profile: Profile | undefined;
  /** Of its mappings, where there was somebody to ask; for the symbolizer. */
  readonly objects: readonly ObjectContext[];
}

/** What the bytes of one call completed. */
export interface StapOutput {
  readonly points: readonly HistogramPoint[];
  readonly lines: readonly TextLine[];
  readonly losses: readonly Loss[];
}

export const DEFAULT_LIMITS: StapOutputLimits = {
  lines: 100_000,
  lineBytes: 4096,
  rows: 1024,
  stacks: 65_536,
  frames: 1024,
};
/** Losses that name their line; those behind them are counted together. */
const MOST_NAMED = 20;
/** Lines that wait to become a caption. */
const MOST_HELD = 8;

/** A line that waits for what comes next. `isGiven`: it is among the text already. */
interface HeldLine {
  readonly line: TextLine;
  isGiven: boolean;
}

type HistHeader = StructuredLine & { readonly kind: 'hist' };

interface OpenHistogram {
  readonly text: HistogramText;
  readonly before: readonly HeldLine[];
  readonly lines: TextLine[];
  /** The script's own header of it. */
  readonly told: HistHeader | undefined;
}

/** A histogram that may get figures from the lines behind it. */
interface WaitingHistogram {
  readonly histogram: Histogram;
  readonly arrival: Milliseconds;
  readonly behind: TextLine[];
}

export class StapOutputParser {
  readonly #options: StapOutputOptions;
  readonly #limits: StapOutputLimits;
  readonly #cutter: LineCutter;
  readonly #clock: RoundClock;
  readonly #stacks: StackCollector;
  readonly #losses = new LossTally();
  #time: Milliseconds = 0;
  #number = 0;
  #given = 0;
  #named = 0;
  #out: { points: HistogramPoint[]; lines: TextLine[]; losses: Loss[] } = { points: [], lines: [], losses: [] };

  #held: HeldLine[] = [];
  #open: OpenHistogram | undefined;
  #waiting: WaitingHistogram | undefined;
  /** The `#pt1 hist` line whose rows have to come next. */
  #expected: { readonly told: HistHeader; readonly line: TextLine } | undefined;
  /** Line of a `#pt1 begin` without its end. */
  #began = 0;

  constructor(options: StapOutputOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#cutter = new LineCutter(this.#limits.lineBytes, (text, isCut) => this.#line(text, isCut));
    this.#clock = new RoundClock(options);
    this.#stacks = new StackCollector(options.sampleType ?? 'samples', this.#limits, options.places);
  }

  /** Length of an interval as the options or the script told it; 0 when nobody did. */
  get interval(): Milliseconds {
    return this.#clock.interval;
  }

  /** Bytes as they come; `time`: when, milliseconds since the capture began. */
  push(chunk: Uint8Array, time: Milliseconds): StapOutput {
    this.#time = time;
    this.#cutter.push(chunk);
    return this.#give();
  }

  /** Nothing has come for a while: gives out what waits for a next line. Never needed for the result, only to show it sooner. */
  idle(time: Milliseconds): StapOutput {
    this.#time = time;
    this.#settle();
    for (const held of this.#held) this.#giveHeld(held);
    return this.#give();
  }

  /** The output is over. Stacks become a profile; the parser must not be used afterwards. */
  end(time: Milliseconds, meta: ProfileMeta = {}): StapOutput & StapStacks {
    this.#time = time;
    this.#cutter.end();
    if (this.#open !== undefined) this.#damage(this.#open, 'the output ends inside it', this.#number);
    this.#endExpected('the output ends before its rows');
    this.#settle();
    this.#release();
    this.#endStack(true);
    if (this.#began > 0) {
      this.#losses.add('dropped-lines', `the output ends inside the print that began in line ${this.#began}`);
    }
    const profile = this.#stacks.isEmpty ? undefined : this.#stacks.freeze(meta);
    const { points, lines, losses } = this.#give();
    const stackLosses = profile === undefined ? this.#stacks.losses() : [];
    return {
      points,
      lines,
      losses: [...losses, ...this.#losses.list(), ...stackLosses],
      profile,
      objects: this.#stacks.objects(),
    };
  }

  #give(): StapOutput {
    const out = this.#out;
    this.#out = { points: [], lines: [], losses: [] };
    return out;
  }

  #line(text: string, isCut: boolean): void {
    const line: TextLine = { time: this.#time, number: ++this.#number, stream: 'stdout', text };
    if (isCut) this.#losses.add('dropped-lines', `cut after ${this.#limits.lineBytes} bytes`);
    if (this.#open !== undefined && this.#pushRow(this.#open, line)) return;
    if (text.startsWith(STRUCTURED)) {
      this.#readStructured(line);
      return;
    }
    const header = readHeader(text);
    if (header !== undefined) {
      this.#settle();
      this.#endStack(false);
      const told = this.#expected?.told;
      const lines = this.#expected === undefined ? [line] : [this.#expected.line, line];
      this.#expected = undefined;
      const rows = new HistogramText(header, line.number, this.#limits.rows);
      this.#open = { text: rows, before: this.#held.splice(0), lines, told };
      return;
    }
    if (this.#expected !== undefined) this.#endExpected('another line stands where its rows have to be');
    if (this.#readStack(line)) return;
    if (this.#waiting !== undefined && this.#readBehind(this.#waiting, line)) return;
    this.#hold(line);
  }

  // --- text ---

  #hold(line: TextLine): void {
    if (line.text.trim() === '') {
      this.#release();
      this.#giveText(line);
      return;
    }
    this.#held.push({ line, isGiven: false });
    if (this.#held.length > MOST_HELD) {
      const oldest = this.#held.shift();
      if (oldest !== undefined) this.#giveHeld(oldest);
    }
  }

  /** Nothing that is held is a caption: it is text. */
  #release(): void {
    for (const held of this.#held) this.#giveHeld(held);
    this.#held = [];
  }

  #giveHeld(held: HeldLine): void {
    if (!held.isGiven) this.#giveText(held.line);
    held.isGiven = true;
  }

  #giveText(line: TextLine): void {
    if (this.#given >= this.#limits.lines) {
      this.#losses.add('dropped-lines', `printed after ${this.#limits.lines} lines of text, the most that are kept`);
      return;
    }
    this.#given++;
    this.#out.lines.push(line);
  }

  #tell(kind: 'damaged-histograms' | 'skipped-lines', line: number, problem: string): void {
    if (this.#named < MOST_NAMED) this.#out.losses.push({ kind, count: 1, detail: `line ${line}: ${problem}` });
    else this.#losses.add(kind, `more of them, behind the first ${MOST_NAMED} that are named`);
    this.#named++;
  }

  // --- histograms ---

  /** Whether the line belongs to the open histogram. */
  #pushRow(open: OpenHistogram, line: TextLine): boolean {
    const result = open.text.push(line.text, line.number);
    if (result === 'taken') {
      open.lines.push(line);
      return true;
    }
    if (result !== 'ended') {
      this.#damage(open, result.problem, line.number);
      return false;
    }
    open.lines.push(line);
    this.#endHistogram(open, line.number);
    return true;
  }

  #endHistogram(open: OpenHistogram, lastLine: number): void {
    const unfit = open.text.check();
    if (unfit !== undefined) {
      this.#damage(open, unfit.problem, unfit.line);
      return;
    }
    const { rows } = open.text;
    const reading = readRows(rows, open.told?.scale);
    if (!reading.isWhole) {
      this.#damage(open, reading.problem, reading.line || lastLine);
      return;
    }
    if (!open.text.hasItsWidth(reading.shown)) {
      this.#damage(open, 'its first column has not the width that these rows need: some are missing', lastLine);
      return;
    }
    const { scale, buckets, underflow, overflow } = reading;
    const body: Body = { scale, buckets, underflow, overflow };
    if (!Number.isSafeInteger(countOf(draft(body)))) {
      this.#damage(open, 'its counts add up to more than 2^53', lastLine);
      return;
    }
    this.#open = undefined;
    if (open.told === undefined) this.#captionHistogram(open, body);
    else this.#endToldHistogram(open, open.told, body, lastLine);
  }

  #endToldHistogram(open: OpenHistogram, told: HistHeader, body: Body, lastLine: number): void {
    const count = countOf(draft(body));
    if (count !== told.figures.count) {
      this.#damage(open, `its rows add up to ${count}, its header says ${told.figures.count}`, lastLine);
      return;
    }
    for (const held of open.before) this.#giveHeld(held);
    this.#giveTold(told, body, open.text.line - 1);
  }

  #giveTold(told: HistHeader, body: Body, line: number): void {
    const figures = fitting(told.figures, body);
    if (figures === undefined)
      this.#tell('skipped-lines', line, 'sum, min and max do not fit the rows and are left out');
    const { title, labels } = told;
    const unit = told.unit || (this.#options.unit ?? '');
    this.#givePoint({ title, labels, unit, ...body, ...exact(figures ?? {}) }, this.#time);
  }

  #captionHistogram({ before, lines }: OpenHistogram, body: Body): void {
    const caption = captionOf(
      before.map(({ line }) => line.text),
      body,
    );
    for (const [i, held] of before.entries()) if (!caption.used.has(i)) this.#giveHeld(held);
    const histogram: Histogram = {
      title: caption.title || (this.#options.title ?? ''),
      labels: caption.labels,
      unit: caption.unit || (this.#options.unit ?? ''),
      ...body,
      ...exact(caption.figures),
    };
    const arrival = lines[lines.length - 1].time;
    this.#waiting = { histogram, arrival, behind: [] };
    if (caption.figures.count !== undefined) this.#settle();
  }

  /** Whether the line waits with the histogram above it. */
  #readBehind(waiting: WaitingHistogram, line: TextLine): boolean {
    if (waiting.behind.length < MOST_HELD && mayBeFigures(line.text)) {
      waiting.behind.push(line);
      return true;
    }
    const last = waiting.behind[waiting.behind.length - 1];
    // the row of a table whose columns the line above names
    if (last !== undefined && figuresBehind([last.text, line.text], waiting.histogram) !== undefined) {
      waiting.behind.push(line);
      return true;
    }
    this.#settle();
    return false;
  }

  /** The waiting histogram gets what is known now. */
  #settle(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    this.#waiting = undefined;
    const { histogram, behind } = waiting;
    const found =
      behind.length === 0
        ? undefined
        : figuresBehind(
            behind.map(({ text }) => text),
            histogram,
          );
    this.#givePoint(found === undefined ? histogram : { ...histogram, ...exact(found.figures) }, waiting.arrival);
    if (found?.isWhole !== true) for (const line of behind) this.#hold(line);
  }

  #givePoint(histogram: Histogram, arrival: Milliseconds): void {
    const key = JSON.stringify([histogram.title, histogram.labels, histogram.unit, histogram.scale.kind]);
    this.#out.points.push({ time: this.#clock.timeOf(key, arrival), histogram });
  }

  #damage(open: OpenHistogram, problem: string, line: number): void {
    this.#open = undefined;
    this.#tell('damaged-histograms', line, `${problem} (the histogram begins in line ${open.text.line})`);
    for (const held of open.before) this.#giveHeld(held);
    for (const own of open.lines) this.#giveText(own);
  }

  #endExpected(problem: string): void {
    const expected = this.#expected;
    if (expected === undefined) return;
    this.#expected = undefined;
    this.#tell('damaged-histograms', expected.line.number, problem);
    this.#giveText(expected.line);
  }

  // --- stacks ---

  #readStack(line: TextLine): boolean {
    const stacks = this.#stacks;
    if (stacks.isOpen) {
      if (stacks.push(line)) return true;
      this.#endStack(false);
      if (stacks.takeBehind(line.text)) return true;
    }
    const reading = stacks.read(line.text);
    if (reading === undefined || !reading.isSure) return false;
    this.#settle();
    const before = this.#held.filter(({ isGiven }) => !isGiven).map(({ line }) => line.text);
    const used = stacks.open(reading, line, before);
    if (used > 0) this.#held.splice(this.#held.length - used, used);
    this.#release();
    return true;
  }

  /** The open stack, if any, is over. */
  #endStack(isEnd: boolean): void {
    for (const line of this.#stacks.close(isEnd)) this.#giveText(line);
  }

  // --- what the scripts of the catalogue say ---

  #readStructured(line: TextLine): void {
    this.#endExpected('another line stands where its rows have to be');
    this.#settle();
    this.#release();
    this.#endStack(false);
    const said = readStructured(line.text);
    switch (said.kind) {
      case 'start':
        if (said.interval !== undefined) this.#clock.tellInterval(said.interval);
        return;
      case 'begin':
        this.#clock.begin(said.time, line.time);
        this.#began = line.number;
        return;
      case 'end':
        this.#clock.end();
        this.#began = 0;
        return;
      case 'hist':
        if (said.figures.count > 0) this.#expected = { told: said, line };
        else
          this.#giveTold(
            { ...said, figures: { count: 0 } },
            { scale: said.scale, buckets: [], underflow: 0, overflow: 0 },
            line.number,
          );
        return;
      case 'stack':
        this.#stacks.openTold(said);
        return;
      case 'skipped':
        this.#losses.add('skipped-probes', said.what, said.count);
        return;
      case 'unreadable':
        this.#tell('skipped-lines', line.number, `${STRUCTURED.trim()}: ${said.problem}`);
        this.#giveText(line);
    }
  }
}

function draft(body: Body): Histogram {
  return { title: '', labels: [], unit: '', ...body };
}

/** What a histogram holds of the figures. */
function exact({ sum, min, max }: { readonly sum?: number; readonly min?: number; readonly max?: number }) {
  return {
    ...(sum === undefined || !Number.isSafeInteger(sum) ? {} : { sum }),
    ...(min === undefined ? {} : { min }),
    ...(max === undefined ? {} : { max }),
  };
}
