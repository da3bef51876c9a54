// What stap and staprun say on stderr: text in order, and losses.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { StapMessages } from '../../../../agent/stap/output/stap-messages.js';

const directory = join(dirname(fileURLToPath(import.meta.url)), '../../../fixtures/stap');

function read(pieces: readonly Uint8Array[], options = {}) {
  const messages = new StapMessages(options);
  const lines = pieces.flatMap((piece) => messages.push(piece, 0));
  const { lines: last, losses } = messages.end(0);
  return {
    lines: [...lines, ...last].map(({ text }) => text),
    losses: losses.map(({ kind, count, detail }) => `${kind} ${count}: ${detail}`),
    text: messages.text,
  };
}

const readText = (text: string, options = {}) => read([Buffer.from(text)], options);
const readSample = (name: string) => read([readFileSync(join(directory, name))]);

describe.each(readdirSync(directory).filter((name) => name.endsWith('.stderr')))('%s', (name) => {
  it('every line is text, byte by byte the same', () => {
    const bytes = readFileSync(join(directory, name));
    const whole = read([bytes]);
    const text = bytes.toString('utf8').replace(/\n$/, '');
    expect(whole.lines).toEqual(text === '' ? [] : text.split('\n'));
    expect(read(Array.from(bytes, (_, i) => bytes.subarray(i, i + 1)))).toEqual(whole);
    const skipped = /skipped probes: (\d+)/.exec(text)?.[1] ?? '0';
    const told = whole.losses.filter((loss) => loss.includes('overload, reentrancy')).join();
    expect(told).toBe(
      skipped === '0' ? '' : `skipped-probes ${skipped}: stap: overload, reentrancy or no free return slot`,
    );
  });
});

it('a probe that the kernel refused, and lost output', () => {
  expect(readSample('63b_refused_kprobe.stderr').losses).toEqual([
    'skipped-probes 1: stap: the kernel refused the probe kprobe.function("exc_int3") (exc_int3+0) (rc -22)',
  ]);
  const [lost] = readSample('64_transport_failures.stderr').losses;
  expect(lost).toMatch(/^dropped-lines [1-9]\d*: stap: its buffers were full \(transport failures\)$/);
});

it('errors of probe handlers are hits that did not count', () => {
  expect(readText('WARNING: Number of errors: 5, skipped probes: 0\n').losses).toEqual([
    'skipped-probes 5: stap: errors in probe handlers',
  ]);
});

it('the breakdown of the total is not counted twice', () => {
  const { losses } = readText(
    [
      'WARNING: Number of errors: 0, skipped probes: 10',
      'WARNING: Skipped due to missed kprobe on \'kprobe.function("x")\': 4',
      'WARNING: Skipped due to low stack: 3',
      '',
    ].join('\n'),
  );
  expect(losses).toEqual([
    `skipped-probes 4: stap: missed kprobe on 'kprobe.function("x")'`,
    'skipped-probes 3: stap: low stack',
    'skipped-probes 3: stap: overload, reentrancy or no free return slot',
  ]);
});

it('is bounded', () => {
  const { lines, losses, text } = readText('something went wrong\n'.repeat(50_000), { lines: 10 });
  expect([lines.length, losses]).toEqual([10, ['dropped-lines 49990: messages of stap, behind the first 10']]);
  expect(text.length).toBeLessThan(200_000);
});
