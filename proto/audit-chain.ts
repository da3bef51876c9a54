// The hash chain of an audit log: each line is a JSON object that holds the SHA-256 of the line before, so that whoever changes, removes,
// adds or reorders lines is found out. Agents and controllers write the same chain.
import { createHash } from 'node:crypto';

/** Of the line before the first. */
export const CHAIN_START = '0'.repeat(64);

export interface ChainEnd {
  /** Of the last line; lines are numbered from 1. 0: no line yet. */
  readonly sequence: number;
  /** Lower-case SHA-256 of the last line's text, without its line feed. */
  readonly hash: string;
}

export const EMPTY_CHAIN: ChainEnd = { sequence: 0, hash: CHAIN_START };

/** The next line for `event`, without a line feed. @param time milliseconds since 1970 UTC */
export function chainLine(
  end: ChainEnd,
  time: number,
  event: object,
): { readonly line: string; readonly end: ChainEnd } {
  const sequence = end.sequence + 1;
  const line = JSON.stringify({ sequence, time, ...event, before: end.hash });
  return { line, end: { sequence, hash: lineHash(line) } };
}

export function lineHash(line: string | Uint8Array): string {
  return createHash('sha256').update(line).digest('hex');
}

/** What every line has; the rest is the event. undefined when the text is no such line. */
export interface ChainedLine {
  readonly sequence: number;
  readonly time: number;
  readonly before: string;
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export function parseLine(line: string): ChainedLine | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const fields: Record<string, unknown> = Object.fromEntries(Object.entries(value));
  const { sequence, time, before, event } = fields;
  const isNumbered = typeof sequence === 'number' && Number.isSafeInteger(sequence) && sequence > 0;
  if (!isNumbered || typeof time !== 'number' || typeof before !== 'string' || typeof event !== 'string')
    return undefined;
  return { sequence, time, before, event, fields };
}

export interface ChainReport {
  /** Lines that hold. */
  readonly lines: number;
  readonly end: ChainEnd;
  /** Each with the number of the line; empty when the chain holds. */
  readonly problems: readonly string[];
}

/** Problems of one log that are told; the others are counted. */
const MOST_PROBLEMS = 100;

/** Walks a chain line by line. What a killed writer left of a line (`torn`) is covered by the line after it. */
export class ChainCheck {
  #end: ChainEnd | undefined;
  #lines = 0;
  #readLines = 0;
  #pending: string | undefined;
  readonly #problems: string[] = [];
  #untold = 0;

  push(line: string): void {
    const parsed = parseLine(line);
    const torn = this.#pending;
    this.#pending = undefined;
    if (torn !== undefined && !(parsed?.event === 'torn' && parsed.fields.sha256 === lineHash(torn))) {
      this.#judge(torn);
    }
    // Only the next line tells whether this one is what a killed writer left.
    this.#pending = line;
  }

  /** @param stored where the writer says that the chain ends; absent when it is not known */
  end(stored?: ChainEnd): ChainReport {
    if (this.#pending !== undefined) this.#judge(this.#pending);
    this.#pending = undefined;
    const end = this.#end ?? EMPTY_CHAIN;
    if (stored !== undefined && end.sequence < stored.sequence) {
      this.#tell(`the log ends at ${end.sequence}, but ${stored.sequence} entries were written: its end was cut off`);
    } else if (stored !== undefined && end.sequence === stored.sequence && end.hash !== stored.hash) {
      this.#tell(`entry ${end.sequence} is not the one that was written`);
    }
    const more = this.#untold === 0 ? [] : [`and ${this.#untold} more problems`];
    return { lines: this.#lines, end, problems: [...this.#problems, ...more] };
  }

  #tell(problem: string): void {
    if (this.#problems.length < MOST_PROBLEMS) this.#problems.push(problem);
    else this.#untold++;
  }

  #judge(line: string): void {
    this.#readLines++;
    const parsed = parseLine(line);
    if (parsed === undefined) {
      this.#tell(`line ${this.#readLines} is no entry`);
      return;
    }
    const end = this.#end;
    // What is older was deleted after its time: the first entry that is left says by itself where it comes from.
    const isFirst = end === undefined;
    if (isFirst && parsed.sequence === 1 && parsed.before !== CHAIN_START) {
      this.#tell(`line ${this.#readLines}: entry 1 does not begin the chain`);
    }
    if (!isFirst && parsed.sequence !== end.sequence + 1) {
      this.#tell(`line ${this.#readLines}: entry ${parsed.sequence} follows entry ${end.sequence}`);
    } else if (!isFirst && parsed.before !== end.hash) {
      this.#tell(
        `line ${this.#readLines}: entry ${end.sequence} was changed after entry ${parsed.sequence} was written`,
      );
    } else {
      this.#lines++;
    }
    this.#end = { sequence: parsed.sequence, hash: lineHash(line) };
  }
}
