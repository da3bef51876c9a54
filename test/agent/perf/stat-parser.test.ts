// Lines of perf stat of several ages to counter points.
import { describe, expect, it } from 'vitest';
import { StatParser, type StatParserOptions } from '../../../agent/perf/stat-parser.js';
import type { CounterPoint } from '../../../profile/counter-series.js';

const options: StatParserOptions = {
  separator: ';',
  events: ['page-faults', 'cycles', 'task-clock'],
  perCpu: false,
  cgroup: undefined,
};

function parse(text: string, change: Partial<StatParserOptions> = {}) {
  const parser = new StatParser({ ...options, ...change });
  const points = parser.push(Buffer.from(text));
  const { points: last, losses } = parser.end();
  return { points: [...points, ...last].map(draw), losses };
}

/** `200.28 page-faults@CPU0 = 5 msec 100%` */
function draw({ time, event, scope, status, value, unit, runningPercent }: CounterPoint): string {
  const where = scope === '' ? event : `${event}@${scope}`;
  const what = status === 'counted' ? `${value}${unit === '' ? '' : ` ${unit}`} ${runningPercent}%` : status;
  return `${time} ${where} = ${what}`;
}

describe('perf 6', () => {
  it('tells values, units, running shares and what is no value apart', () => {
    const { points, losses } = parse(
      [
        '     0.200280881;1837;;page-faults;401023326;100.00;4.581;K/sec',
        '     0.200280881;<not supported>;;cycles;0;100.00;;',
        '     0.200280881;401.03;msec;task-clock;401030587;75.50;2.005;CPUs utilized',
        '     0.400000000;<not counted>;;page-faults;0;0.00;;',
        '',
      ].join('\n'),
    );
    expect(points).toEqual([
      '200.281 page-faults = 1837 100%',
      '200.281 cycles = not-supported',
      '200.281 task-clock = 401.03 msec 75.5%',
      '400 page-faults = not-counted',
    ]);
    expect(losses.map(({ kind, count }) => `${kind} ${count}`)).toEqual(['not-counted 1', 'not-supported 1']);
  });

  it('per CPU, and per cgroup and CPU', () => {
    const perCpu = parse('0.2;CPU0;974;;page-faults;200437628;100.00;4.859;K/sec\n', { perCpu: true });
    expect(perCpu.points).toEqual(['200 page-faults@CPU0 = 974 100%']);
    const both = parse('0.1;CPU1;7;;page-faults;a/b;2566405633930;100.00;1.007;x\n', { perCpu: true, cgroup: 'a/b' });
    expect(both.points).toEqual(['100 page-faults@a/b CPU1 = 7 100%']);
  });

  it('takes modifiers that perf adds, patterns, and further metrics of an event', () => {
    const text = '1.0;5;;cycles:u;9;100.00;;\n1.0;;;;;;0.5;insn per cycle\n1.0;3;;sched:sched_switch;9;100.00;;\n';
    const { points, losses } = parse(text, { events: ['cycles', 'sched:*'] });
    expect(points).toEqual(['1000 cycles:u = 5 100%', '1000 sched:sched_switch = 3 100%']);
    expect(losses).toEqual([]);
  });
});

describe('perf 3', () => {
  it('had no unit column', () => {
    expect(parse('1.000153;1837;page-faults\n2.0;99;cycles;5000;50.00\n').points).toEqual([
      '1000.153 page-faults = 1837 100%',
      '2000 cycles = 99 50%',
    ]);
  });

  it('had one from 3.15 on', () => {
    expect(parse('1.0;1837;;page-faults;1000;100.00\n').points).toEqual(['1000 page-faults = 1837 100%']);
  });
});

it('counts lines of unknown form, but not comments', () => {
  const { points, losses } = parse('# started on Mon\n\nnonsense\n1.0;x;;page-faults;1;1\n1.0;1;;unheard-of;1;1\n');
  expect(points).toEqual([]);
  expect(losses).toEqual([
    { kind: 'skipped-lines', count: 3, detail: 'perf stat lines of unknown form, the first: "nonsense"' },
  ]);
});

it('gives the same for any chunking', () => {
  const text = Buffer.from(
    '0.2;1837;;page-faults;401;100.00;;\n0.4;<not counted>;msec;task-clock;0;100.00;;\n0.6;1;;cycles;1;9.5',
  );
  const whole = parse(text.toString());
  for (const size of [1, 2, 3, 7]) {
    const parser = new StatParser(options);
    const points: CounterPoint[] = [];
    for (let at = 0; at < text.length; at += size) points.push(...parser.push(text.subarray(at, at + size)));
    const { points: last, losses } = parser.end();
    expect({ points: [...points, ...last].map(draw), losses }).toEqual(whole);
  }
});

it('skips an endless line in bounded memory', () => {
  const parser = new StatParser(options);
  for (let i = 0; i < 100; i++) parser.push(Buffer.alloc(10_000, 'x'));
  expect(parser.push(Buffer.from('\n0.2;5;;cycles;1;100\n')).map(draw)).toEqual(['200 cycles = 5 100%']);
  expect(parser.end().losses).toMatchObject([{ kind: 'skipped-lines', count: 1 }]);
});
