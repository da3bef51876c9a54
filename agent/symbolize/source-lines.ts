// Source lines and inlined functions of addresses in one object, from addr2line in one batch.
import type { Milliseconds } from '../../proto/capture.js';
import type { SymbolHost } from './symbol-host.js';

/** One frame, innermost first in its list; '' and 0 where addr2line does not know. */
export interface SourceFrame {
  /** As the debug information has it: mangled. */
  readonly name: string;
  readonly filename: string;
  readonly line: number;
}

export interface SourceLines {
  /** In the order of the addresses; empty where nothing is known. */
  readonly frames: readonly (readonly SourceFrame[])[];
  /** Why some are missing; '' when addr2line answered all. */
  readonly problem: string;
}

const MAX_OUTPUT = 1 << 28;

/** @param path a file that addr2line can open  @param addresses as the object was linked, not file offsets */
export async function findSourceLines(
  host: SymbolHost,
  path: string,
  addresses: readonly number[],
  timeout: Milliseconds,
): Promise<SourceLines> {
  const input = Buffer.from(addresses.map((address) => `0x${address.toString(16)}\n`).join(''));
  const limits = { timeout, maxOutput: MAX_OUTPUT };
  const result = await host.run(['addr2line', '-e', path, '-a', '-i', '-f'], input, limits);
  const frames = parseAnswers(Buffer.from(result.output).toString('utf8'), addresses.length);
  if (result.state === 'missing') return { frames, problem: 'addr2line is missing: install binutils' };
  if (result.state === 'stopped') return { frames, problem: 'addr2line ran out of time' };
  return { frames, problem: result.state === 'failed' ? 'addr2line failed' : '' };
}

/**
 * Each answer is its address, then a name and a place per frame:
 *
 *     0x0000000000001139
 *     inner
 *     /src/a.c:3 (discriminator 2)
 *     main
 *     ??:?
 */
function parseAnswers(text: string, count: number): SourceFrame[][] {
  const answers: SourceFrame[][] = [];
  let name: string | undefined;
  for (const line of text.split('\n')) {
    if (name === undefined && /^0x[0-9a-f]{16}$/.test(line)) {
      answers.push([]);
    } else if (name === undefined) {
      name = line;
    } else {
      answers.at(-1)?.push({ name: name === '??' ? '' : name, ...parsePlace(line) });
      name = undefined;
    }
  }
  const known = answers.map((frames) => (frames.some((frame) => frame.filename !== '') ? frames : []));
  return Array.from({ length: count }, (_, index) => known[index] ?? []);
}

function parsePlace(text: string): { filename: string; line: number } {
  const parts = /^(.*):(\d+|\?)(?: \(discriminator \d+\))?$/.exec(text);
  if (parts === null || parts[1] === '??') return { filename: '', line: 0 };
  return { filename: parts[1], line: parts[2] === '?' ? 0 : Number(parts[2]) };
}
