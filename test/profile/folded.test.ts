// Folded stacks: names as the classic collapse script has them, lines in the order of their bytes, weights conserved.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { eventsOf, type FoldOptions, foldedStacks } from '../../profile/folded.js';
import { drawProfile } from './draw-profile.js';

const fold = (drawing: string, options: FoldOptions = {}, event = 'page-faults'): string[] =>
  Array.from(foldedStacks(drawProfile(drawing, { event }), options), ({ stack, weight }) => `${stack} ${weight}`);

describe('frames', () => {
  test.each([
    ['foo(int,char)', 'foo'],
    ['ns::foo(int)::{lambda(int)#1}', 'ns::foo'],
    ['ns::(anonymous_namespace)::foo(int)', 'ns::'],
    ['net/http.(*Client).Do', 'net/http.(*Client).Do'],
    [`RegExp:["']x`, 'RegExp:[]x'],
    ['a->b->c', 'a;b_[i];c_[i]'],
    ['Box::operator->', 'Box::operator->'],
    ['Box::operator->()', 'Box::operator->'],
    ['Lorg/a/B::c', 'Lorg/a/B::c'],
  ])('%s is %s', (name, folded) => {
    expect(fold(`main;${name}  3`)).toEqual([`app;main;${folded} 3`]);
  });

  test('blanks in names stay, anonymous namespaces stay, semicolons become colons', () => {
    const drawn = drawProfile('main;x 1');
    const strings = drawn.strings.map((text) => (text === 'x' ? '(anonymous namespace)::f;g (char)' : text));
    expect([...foldedStacks({ ...drawn, strings })]).toEqual([
      { stack: 'app;main;(anonymous namespace)::f:g ', weight: 1 },
    ]);
  });

  test('Java types lose their L below a java process only', () => {
    expect(fold('{comm=java_worker} Lorg/a/B::c;Lx 1\nLorg/a/B::c 1')).toEqual([
      'app;Lorg/a/B::c 1',
      'java_worker;org/a/B::c;Lx 1',
    ]);
  });

  test('inlined functions are frames, the outermost first', () => {
    expect(fold('main;outer>inner 2')).toEqual(['app;main;outer;inner 2']);
  });

  test('frames without a name are called by their object', () => {
    expect(fold('?0x10@/usr/lib/libc.so.6;?0x20@-;?0x30@[kernel.kallsyms] 1')).toEqual([
      'app;[libc.so.6];[unknown];[[kernel.kallsyms]] 1',
    ]);
    const drawn = drawProfile('?0x10@/tmp/gone 1');
    const strings = drawn.strings.map((text) => (text === '/tmp/gone' ? '/tmp/gone (deleted)' : text));
    expect([...foldedStacks({ ...drawn, strings })]).toEqual([{ stack: 'app;[gone]', weight: 1 }]);
    expect(fold('?0x10@/lib/libc.so;?0x20@- 1', { addressOf: (location) => `${location}f` })).toEqual([
      'app;[libc.so <0f>];[unknown <1f>] 1',
    ]);
  });

  test('kernel and generated code are marked on request', () => {
    const drawing = 'run@/tmp/perf-12.map;gettimeofday@[vdso];sys_read@[kernel.kallsyms];ext4_read@[ext4];?0x1@- 1';
    expect(fold(drawing, { marksKernel: true })).toEqual([
      'app;run;gettimeofday_[k];sys_read_[k];ext4_read_[k];[unknown] 1',
    ]);
    expect(fold(drawing, { marksJit: true })).toEqual(['app;run_[j];gettimeofday;sys_read;ext4_read;[unknown] 1']);
  });
});

describe('processes', () => {
  const drawing = '{comm=V8_Worker pid=7 tid=9} main 1\n{comm=V8_Worker pid=7 tid=8} main 2';

  test('blanks become underscores; threads of a name count together', () => {
    expect(fold(drawing)).toEqual(['V8_Worker;main 3']);
  });

  test('split by pid or tid on request', () => {
    expect(fold(drawing, { withPid: true })).toEqual(['V8_Worker-7;main 3']);
    expect(fold(drawing, { withTid: true })).toEqual(['V8_Worker-7/8;main 2', 'V8_Worker-7/9;main 1']);
    expect(fold('main 1', { withPid: true })).toEqual(['app-?;main 1']);
  });

  test('a sample without frames counts for its process', () => {
    expect(fold('- 4\nmain 1')).toEqual(['app 4', 'app;main 1']);
  });
});

describe('events', () => {
  const profile = drawProfile('main 12/3', {
    event: 'cycles',
    more: { 'sched:sched_switch': 'wait 50/5', 'cycles:u': 'user 7/1' },
  });

  test('the first by default, others by name', () => {
    expect(eventsOf(profile)).toEqual(['cycles', 'sched:sched_switch', 'cycles:u']);
    expect([...foldedStacks(profile)]).toEqual([{ stack: 'app;main', weight: 12 }]);
    expect([...foldedStacks(profile, { event: 'cycles:u' })]).toEqual([{ stack: 'app;user', weight: 7 }]);
    expect([...foldedStacks(profile, { event: 'instructions' })]).toEqual([]);
  });

  test('tracepoints count one each', () => {
    expect([...foldedStacks(profile, { event: 'sched:sched_switch' })]).toEqual([{ stack: 'app;wait', weight: 5 }]);
  });
});

describe('order', () => {
  test('by bytes, also where a name goes on with what sorts before a semicolon', () => {
    const lines = fold('a;c 1\na 1\na!b 1\na;a 1\na;a;a 1\na= 1\nab;a 1');
    expect(lines).toEqual([...lines].sort((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y))));
    expect(lines).toEqual(['app;a 1', 'app;a!b 1', 'app;a;a 1', 'app;a;a;a 1', 'app;a;c 1', 'app;a= 1', 'app;ab;a 1']);
  });

  test('any profile: sorted, each stack once, weight conserved', () => {
    const name = fc.stringMatching(/^[a-c!~:;]{1,3}$/);
    const comm = fc.stringMatching(/^[a-b;]{1,3}$/);
    const stack = fc.record({
      comm,
      frames: fc.array(name, { minLength: 1, maxLength: 4 }),
      weight: fc.integer({ min: 1, max: 9 }),
    });
    fc.assert(
      fc.property(fc.array(stack, { maxLength: 30 }), (stacks) => {
        // The drawing has its own use of semicolons: `,` stands for them until it is drawn.
        const drawn = drawProfile(
          stacks
            .map(
              ({ comm: c, frames, weight }) =>
                `{comm=${c}} ${frames.map((f) => f.replaceAll(';', ',')).join(';')} ${weight}`,
            )
            .join('\n'),
        );
        const profile = { ...drawn, strings: drawn.strings.map((text) => text.replaceAll(',', ';')) };
        const expected = new Map<string, number>();
        for (const { comm: c, frames, weight } of stacks) {
          const line = [c, ...frames.map((frame) => frame.replaceAll(';', ':'))].join(';');
          expected.set(line, (expected.get(line) ?? 0) + weight);
        }
        const sorted = [...expected]
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([line, weight]) => ({ stack: line, weight }));
        expect([...foldedStacks(profile)]).toEqual(sorted);
      }),
      { numRuns: 300 },
    );
  });
});
