// Captions, figures, rounds, stacks and the lines of the catalogue: what belongs to what, and what stays text.
import { describe, expect, it } from 'vitest';
import { StapOutputParser } from '../../../../agent/stap/output/output-parser.js';
import { drawCount, drawHistogram, drawLosses, drawStacks, readOutput } from './read-output.js';

/** 4, 5 and 20: a histogram of three values. */
const HISTOGRAM = [
  'value |-------------------------------------------------- count',
  '    1 |                                                   0',
  '    2 |                                                   0',
  '    4 |@@                                                 2',
  '    8 |                                                   0',
  '   16 |@                                                  1',
  '   32 |                                                   0',
  '   64 |                                                   0',
  '',
  '',
].join('\n');

function caption(...before: string[]) {
  const { points, lines } = readOutput(`${before.map((line) => `${line}\n`).join('')}${HISTOGRAM}`);
  const drawn = drawHistogram(points[0].histogram).replace(' log2: 4..8=2 16..32=1', '');
  return { drawn, text: lines.map(({ text }) => text) };
}

describe('captions', () => {
  it.each([
    ['MINOR:', 'MINOR'],
    ['== page faults ==', 'page faults'],
    ['page faults (us):', 'page faults us'],
    ['fault latency in nanoseconds', 'fault latency in nanoseconds ns'],
    ['latency fault_type=MINOR op="a b":', 'latency {fault_type=MINOR op=a b}'],
    ['bytes["node worker:1",2]', 'bytes {key1=node worker:1 key2=2}'],
    ['reads[sda,0]:', 'reads {key1=sda key2=0}'],
    ['12:', '12'],
    ['write [wal] 0:', 'write [wal] 0'],
    ['faults: @count=3 @sum=29 @min=4 @max=20 @avg=9', 'faults sum 29 min 4 max 20'],
    ['a time 10:20:30 is no title', ''],
  ])('%s', (line, drawn) => {
    const { drawn: read, text } = caption(line);
    expect(read.replace(/^log2.*$/, '')).toBe(drawn);
    expect(text).toEqual(drawn === '' ? [line] : []);
  });

  it('a line that says more than a histogram holds is its title and stays text', () => {
    expect(caption('faults n=3 variance=12').text).toEqual(['faults n=3 variance=12']);
    expect(caption('faults n=3 variance=12').drawn).toBe('faults');
    expect(caption('faults n=4').text).toEqual(['faults n=4']);
  });

  it('only the line directly before is a title; the others and the empty ones are text', () => {
    const { drawn, text } = caption('round 7', '', 'by type', 'MINOR:');
    expect(drawn).toBe('MINOR');
    expect(text).toEqual(['round 7', '', 'by type']);
    expect(caption('MINOR:', '').text).toEqual(['MINOR:', '']);
  });

  it('options name what the script does not', () => {
    const { points } = readOutput(HISTOGRAM, { title: 'mine', unit: 'us' });
    expect(drawHistogram(points[0].histogram)).toBe('mine us log2: 4..8=2 16..32=1');
  });
});

describe('figures of @count, @sum, @min, @max, @avg', () => {
  const FIGURES = 'sum 29 min 4 max 20';
  it.each([
    ['in one line', ['count=3 sum=29 min=4 max=20 avg=9']],
    ['with colons and tabs', ['count: 3\tsum: 29\tmin: 4\tmax: 20']],
    ['with blanks and commas', ['count 3, sum 29, min 4, max 20']],
    ['with @', ['@count=3 @sum=29 @min=4 @max=20']],
    ['a line each', ['count: 3', 'sum: 29', 'min: 4', 'max: 20']],
    ['as a table', ['count    sum  min  max', '    3     29    4   20']],
  ])('%s: before, before the title, behind', (_, lines) => {
    for (const place of [lines, [...lines, 'title:']]) {
      const { drawn, text } = caption(...place);
      expect(drawn.replace('title ', '').replace(/^log2: 4..8=2 16..32=1 /, '')).toBe(FIGURES);
      expect(text).toEqual([]);
    }
    const behind = readOutput(`title:\n${HISTOGRAM}${lines.join('\n')}\nnext\n`);
    expect(drawHistogram(behind.points[0].histogram)).toBe(`title log2: 4..8=2 16..32=1 ${FIGURES}`);
    expect(behind.lines.map(({ text }) => text)).toEqual(['next']);
  });

  it.each([
    ['another count', 'count=4 sum=29 min=4 max=20'],
    ['a least value of another bucket', 'count=3 min=3 max=20'],
    ['a greatest value of another bucket', 'count=3 min=4 max=32'],
    ['a sum that these buckets cannot have', 'count=3 sum=1000'],
    ['a mean that is not that of the sum', 'count=3 sum=29 avg=20'],
  ])('%s: they are of something else and stay text', (_, line) => {
    const { drawn, text } = caption(line, 'title:');
    expect([drawn, text]).toEqual(['title', [line]]);
    const behind = readOutput(`title:\n${HISTOGRAM}${line}\n`);
    expect(drawHistogram(behind.points[0].histogram)).toBe('title log2: 4..8=2 16..32=1');
    expect(behind.lines.map(({ text }) => text)).toEqual([line]);
  });

  it('figures behind one histogram that are those of the next one', () => {
    const other = HISTOGRAM.replace('2\n    8', '1\n    8').replace('|@@ ', '|@  ');
    const { points, lines } = readOutput(`a:\n${HISTOGRAM}count=2 min=7 max=20\nb:\n${other}`);
    expect(points.map(({ histogram }) => drawHistogram(histogram))).toEqual([
      'a log2: 4..8=2 16..32=1',
      'b log2: 4..8=1 16..32=1 min 7 max 20',
    ]);
    expect(lines).toEqual([]);
  });
});

describe('time', () => {
  const round = (...titles: string[]) => titles.map((title) => `${title}:\n${HISTOGRAM}`).join('');
  const draw = (output: ReturnType<typeof readOutput>) =>
    output.points.map(({ time, histogram }) => `${time} ${histogram.title}`);

  it('saved text: rounds are numbered', () => {
    const text = round('all', 'minor') + round('all', 'minor', 'major') + round('all');
    expect(draw(readOutput(text))).toEqual([
      '1000 all',
      '1000 minor',
      '2000 all',
      '2000 minor',
      '2000 major',
      '3000 all',
    ]);
    expect(draw(readOutput(text, { interval: 250 }))[5]).toBe('750 all');
  });

  it('live: one time for what is printed together', () => {
    const pieces = [round('all'), round('minor'), round('all'), round('minor'), round('x')].map((text) =>
      Buffer.from(text),
    );
    const times = [1000, 1003, 2000, 2004, 2900, 2900];
    const output = readOutput(pieces, { clock: 'arrival', interval: 1000 }, (piece) => times[piece]);
    expect(draw(output)).toEqual(['1000 all', '1000 minor', '2000 all', '2000 minor', '2900 x']);
  });

  it('the script`s own clock, shifted to the capture`s once', () => {
    const block = (time: number) => `#pt1 begin t_ms=${time}\n${round('all')}#pt1 end\n`;
    const pieces = [block(1000), block(2000), block(3001)].map((text) => Buffer.from(text));
    const times = [1500, 2650, 3510];
    const output = readOutput(pieces, { clock: 'arrival' }, (piece) => times[piece] ?? 4000);
    expect(draw(output)).toEqual(['1500 all', '2500 all', '3501 all']);
  });

  it('idle: what waits is shown, and the result stays the same', () => {
    const parser = new StapOutputParser({ interval: 0, clock: 'arrival' });
    const first = parser.push(Buffer.from(`a\n${HISTOGRAM}title:\n`), 5);
    const waited = parser.idle(6);
    expect([...first.points, ...waited.points].map(({ histogram }) => drawCount(histogram))).toEqual(['a n=3']);
    expect(waited.lines.map(({ text }) => text)).toEqual(['title:']);
    expect(parser.idle(7)).toEqual({ points: [], lines: [], losses: [] });
    const rest = parser.push(Buffer.from(HISTOGRAM), 8);
    const { points, lines } = parser.end(9);
    expect([...rest.points, ...points].map(({ histogram }) => drawCount(histogram))).toEqual(['title n=3']);
    expect([...rest.lines, ...lines]).toEqual([]);
  });
});

describe('the lines of the catalogue', () => {
  const block = (...lines: string[]) =>
    ['#pt1 start name=x interval_ms=1000', '#pt1 begin t_ms=1000', ...lines, '#pt1 end', ''].join('\n');

  it('histograms, empty ones too, with labels in quotes', () => {
    const output = readOutput(
      block(
        `#pt1 hist title="page fault latency" unit=ns count=3 sum=29 min=4 max=20 comm="a \\"b\\\\ \\303\\251" type=MINOR\n${HISTOGRAM.replace(/\n$/, '')}`,
        '#pt1 hist title="page fault latency" unit=ns count=0 type=MAJOR',
        'a line of text',
      ),
    );
    expect(output.points.map(({ time, histogram }) => `${time} ${drawHistogram(histogram)}`)).toEqual([
      '1000 page fault latency {comm=a "b\\ é type=MINOR} ns log2: 4..8=2 16..32=1 sum 29 min 4 max 20',
      '1000 page fault latency {type=MAJOR} ns log2:',
    ]);
    expect(output.lines.map(({ text }) => text)).toEqual(['a line of text']);
    expect([output.interval, drawLosses(output)]).toEqual([1000, []]);
  });

  it('a count that is not that of the rows is damage', () => {
    const output = readOutput(`#pt1 hist title=x count=4\n${HISTOGRAM}`);
    expect([output.points, drawLosses(output)]).toEqual([
      [],
      ['damaged-histograms 1: line 10: its rows add up to 3, its header says 4 (the histogram begins in line 2)'],
    ]);
    expect(output.lines).toHaveLength(10);
  });

  it('a header without rows is damage', () => {
    const output = readOutput('#pt1 hist title=x count=4\nsomething\n#pt1 hist title=y count=1\n');
    expect(drawLosses(output)).toEqual([
      'damaged-histograms 1: line 1: another line stands where its rows have to be',
      'damaged-histograms 1: line 3: the output ends before its rows',
    ]);
    expect(output.lines).toHaveLength(3);
  });

  it('stacks with counts and values, added up over intervals', () => {
    const stack = [
      '#pt1 stack count=2 value=3 type=off-cpu unit=us comm="postgres" pid=12',
      ' 0xffffffff81234567 : schedule+0x12/0x90 [kernel]',
      ' 0xffffffffc0001234 : ext4_read+0x12/0x90 [ext4] (inexact)',
      '<no user backtrace at kprobe.function("x")>',
      '#pt1 stack count=1 value=7 type=off-cpu unit=us',
      '0x7f3a11223344 0x401136 ',
    ];
    const output = readOutput(block(...stack) + block(...stack));
    expect(output.profile?.sampleTypes).toEqual([
      { type: 'samples:off-cpu', unit: 'count' },
      { type: 'off-cpu', unit: 'nanoseconds' },
    ]);
    expect(drawStacks(output.profile)).toEqual([
      '4/6000 schedule ([kernel.kallsyms]) < ext4_read ([ext4]) [comm=postgres pid=12]',
      '2/14000 0x7f3a11223344 < 0x401136',
    ]);
    expect(output.lines).toEqual([]);
    expect(drawLosses(output)).toEqual([
      'truncated-stacks 4: stap could not walk the stack',
      'unsymbolized-frames 4: stap printed no name',
    ]);
  });

  it('what the script skipped, what is cut, and what cannot be read are losses', () => {
    const output = readOutput(
      [
        '#pt1 skipped what="entries" count=12',
        '#pt1 skipped what=none count=0',
        '#pt1 hist count=1',
        '#pt1 what',
        '#pt1 begin t_ms=5',
        '',
      ].join('\n'),
    );
    expect(drawLosses(output)).toEqual([
      'skipped-lines 1: line 3: #pt1: title= is missing',
      'skipped-lines 1: line 4: #pt1: the word "what" is not known',
      'skipped-probes 12: entries',
      'dropped-lines 1: the output ends inside the print that began in line 5',
    ]);
    expect(output.lines.map(({ number }) => number)).toEqual([3, 4]);
  });
});

describe('stacks of any script', () => {
  const FRAMES =
    ' 0xffffffff81234567 : schedule+0x12/0x90 [kernel]\n 0x401136 : main+0x1f/0x60 at main.c:12 [/usr/bin/x]\n';
  const DRAWN = 'schedule ([kernel.kallsyms]) < main (/usr/bin/x)';
  it.each([
    ['no count', `${FRAMES}\n${FRAMES}`, [`2 ${DRAWN}`], []],
    ['the count before', `17\n${FRAMES}\n3\n${FRAMES}`, [`20 ${DRAWN}`], []],
    ['the count behind', `${FRAMES}count: 17\n${FRAMES}[3] times\n`, [`20 ${DRAWN}`], []],
    ['labels', `comm=x count=17\n${FRAMES}`, [`17 ${DRAWN} [comm=x]`], []],
    [
      'a line that says more',
      `fault of x(1): count=2\n${FRAMES}after\n`,
      [`2 ${DRAWN}`],
      ['fault of x(1): count=2', 'after'],
    ],
    ['a return probe', `Returning from: ${FRAMES}`, [`1 ${DRAWN}`], []],
    ['short forms', 'schedule+0x12 [kernel]\nmain+0x1f\n', ['1 schedule ([kernel.kallsyms]) < main'], []],
    ['no symbol', ' 0x401136 [/usr/bin/x+0x1136/0x2000]\n', ['1 0x1136 (/usr/bin/x)'], []],
    ['no end of the unwinding', ` 0xffffffff81234567\n 0x0 (inexact)\n`, ['1 0xffffffff81234567'], []],
    ['numbers are no stacks', '0x10 0x20\nx=0x7f3a11223344\n 0x12\n', [], ['0x10 0x20', 'x=0x7f3a11223344', ' 0x12']],
    ['a part without frames', `${FRAMES}user:\nhello\n`, [`1 ${DRAWN}`], ['user:', 'hello']],
  ])('%s', (_, text, stacks, lines) => {
    const output = readOutput(text);
    expect(drawStacks(output.profile)).toEqual(stacks);
    expect(output.lines.map((line) => line.text)).toEqual(lines);
  });

  it('user part printed first: the kernel`s frames are the inner ones', () => {
    const output = readOutput(
      'user:\n 0x401136 : main+0x1 [/x]\nkernel:\n 0xffffffff81234567 : schedule+0x1 [kernel]\n5\n',
    );
    expect(drawStacks(output.profile)).toEqual(['5 schedule ([kernel.kallsyms]) < main (/x)']);
    expect(output.lines).toEqual([]);
  });

  it('source lines of the _fileline forms', () => {
    const { profile } = readOutput(FRAMES);
    expect(profile?.strings).toContain('main.c');
    expect([...(profile?.lines.line ?? [])]).toContain(12);
  });
});

it('lines: carriage returns, a last line without an end, the bound', () => {
  const output = readOutput('a\r\nb\n\nc', { limits: { lines: 3, lineBytes: 4 } });
  expect(output.lines.map(({ number, text }) => `${number} ${text}`)).toEqual(['1 a', '2 b', '3 ']);
  expect(drawLosses(output)).toEqual(['dropped-lines 1: printed after 3 lines of text, the most that are kept']);
  const long = readOutput('abcdef\nabcd\r\n', { limits: { lineBytes: 4 } });
  expect(long.lines.map(({ text }) => text)).toEqual(['abcd', 'abcd']);
  expect(drawLosses(long)).toEqual(['dropped-lines 1: cut after 4 bytes']);
});
