// Options in perf's spelling, by table: what is taken, and how what is not taken is refused.
import { describe, expect, it } from 'vitest';
import { parseCallGraph } from '../../../controller/cli/options/call-graph.js';
import { parseDuration, parseInterval, parsePrintInterval } from '../../../controller/cli/options/duration.js';
import { type EventArgument, parseEvents } from '../../../controller/cli/options/events.js';
import { parseHistogramFilter } from '../../../controller/cli/options/histogram-filter.js';
import { parseCpuList, parseIds, parsePercent, parseWhole } from '../../../controller/cli/options/numbers.js';
import {
  isScriptFile,
  parseCatalogueScript,
  parseOverhead,
  parseOwnScript,
} from '../../../controller/cli/options/script.js';
import { parseTarget } from '../../../controller/cli/options/target.js';
import { UsageError } from '../../../controller/cli/usage-error.js';

describe('durations', () => {
  it.each([
    ['500ms', 500],
    ['30s', 30_000],
    ['1.5s', 1500],
    ['5m', 300_000],
    ['1h', 3_600_000],
  ])('%s is %d ms', (text, expected) => {
    expect(parseDuration('--for', text)).toBe(expected);
  });

  it.each(['', '30', '30 s', 's', '-5s', '0s', '0.1ms', '1e3s', '1d', '5mm', 'NaNs', '25h'])(
    'refuses %j and names the option',
    (text) => {
      expect(() => parseDuration('--for', text)).toThrow(UsageError);
      expect(() => parseDuration('--for', text)).toThrow(/^--for: /);
    },
  );

  it('takes bare milliseconds for intervals, as perf stat -I does', () => {
    expect(parseInterval('-I', '1000')).toBe(1000);
    expect(parseInterval('-I', '2s')).toBe(2000);
    expect(() => parseInterval('-I', '5')).toThrow(/10 ms/);
  });
});

describe('scripts', () => {
  const text = Buffer.from('probe begin { exit() }\n');

  it('are a name with parameters, or a file with arguments', () => {
    expect(parseCatalogueScript('runq-latency', { param: ['by=cpu', 'note=a=b c', 'empty='] })).toEqual({
      ...{ from: 'catalogue', name: 'runq-latency' },
      parameters: { by: 'cpu', note: 'a=b c', empty: '' },
    });
    expect(parseOwnScript('/x/top.stp', text, { arg: ['1', "a'; rm"], guru: true })).toEqual({
      ...{ from: 'request', name: 'top.stp', text: text.toString(), arguments: ['1', "a'; rm"], isGuru: true },
    });
    expect(['top.stp', './top', '/x/y', 'runq-latency'].map(isScriptFile)).toEqual([true, true, true, false]);
  });

  it.each<[string, () => unknown, RegExp]>([
    ['a name that is none', () => parseCatalogueScript('Runq', {}), /^stap: 'Runq'/],
    ['an option as a name', () => parseCatalogueScript('-x', {}), /^stap: /],
    ['a parameter without a value', () => parseCatalogueScript('a', { param: ['by'] }), /^-p: 'by' is not of the form/],
    ['a parameter twice', () => parseCatalogueScript('a', { param: ['x=1', 'x=2'] }), /^-p: x is given twice/],
    ['a NUL', () => parseCatalogueScript('a', { param: ['x=\0'] }), /^-p x: /],
    ['a novel', () => parseCatalogueScript('a', { param: [`x=${'y'.repeat(5000)}`] }), /^-p x: .*4096/],
    ['guru mode for the catalogue', () => parseCatalogueScript('a', { guru: true }), /^-g: /],
    ['arguments for the catalogue', () => parseCatalogueScript('a', { arg: ['1'] }), /^--arg: /],
    ['parameters for a file', () => parseOwnScript('a.stp', text, { param: ['x=1'] }), /^-p: .*--arg/],
    ['an empty file', () => parseOwnScript('a.stp', Buffer.from(' \n'), {}), /^a\.stp: .*empty/],
    ['a binary', () => parseOwnScript('a.stp', Buffer.from([0x7f, 0x45, 0xff]), {}), /^a\.stp: this is no text/],
    ['NULs in a file', () => parseOwnScript('a.stp', Buffer.from('a\0b'), {}), /^a\.stp: this is no text/],
    ['a huge file', () => parseOwnScript('a.stp', Buffer.alloc(2 << 20, 32), {}), /^a\.stp: a script of more than/],
    ['no overhead', () => parseOverhead('--overhead', '0%'), /^--overhead: with '0%'/],
    ['too much overhead', () => parseOverhead('--overhead', '101%'), /^--overhead: /],
    ['short intervals', () => parsePrintInterval('--interval', '50ms'), /^--interval: .*100 ms/],
    ['bare intervals', () => parsePrintInterval('--interval', '5'), /^--interval: /],
    ['a label without a value', () => parseHistogramFilter({ label: ['MINOR'] }), /^--label: 'MINOR'/],
    ['a title that is no pattern', () => parseHistogramFilter({ title: '(' }), /^--title: /],
  ])('refuse %s', (_what, parse, message) => {
    expect(parse).toThrow(UsageError);
    expect(parse).toThrow(message);
  });

  it('have an overhead in percent, and intervals of which 0 is none', () => {
    expect([parseOverhead('--overhead', '10%'), parseOverhead('--overhead', '2.5')]).toEqual([10, 2.5]);
    expect(['0', '0s', '100ms', '10s'].map((given) => parsePrintInterval('--interval', given))).toEqual([
      0, 0, 100, 10_000,
    ]);
  });
});

describe('numbers', () => {
  it('are whole, decimal and in range', () => {
    expect(parseWhole('-F', '99', 1, 100)).toBe(99);
    for (const text of ['', '0', '101', '1.5', '0x10', '1e2', ' 5', '٣']) {
      expect(() => parseWhole('-F', text, 1, 100)).toThrow(/^-F: .* from 1 to 100/);
    }
  });

  it('come as lists of ids', () => {
    expect(parseIds('-p', '1,22,1')).toEqual([1, 22]);
    for (const text of ['', '1,', '0', '-1', '1 2', '99999999']) {
      expect(() => parseIds('-p', text)).toThrow(/^-p: /);
    }
  });

  it('come as CPU lists', () => {
    expect(parseCpuList('-C', '0-3,8')).toBe('0-3,8');
    for (const text of ['', '3-1', '0-', 'a', '0,,1']) expect(() => parseCpuList('-C', text)).toThrow(/^-C: /);
  });

  it('come as percentages', () => {
    expect(parsePercent('--min-percent', '0.5')).toBe(0.5);
    for (const text of ['', '-1', '101', '5%']) expect(() => parsePercent('--min-percent', text)).toThrow(UsageError);
  });
});

describe('events', () => {
  const event = (text: string): EventArgument => ({ kind: 'event', text });
  const filter = (text: string): EventArgument => ({ kind: 'filter', text });

  it.each([
    [['page-faults'], ['page-faults']],
    [['page-faults,cpu-clock:u'], ['page-faults', 'cpu-clock:u']],
    [
      ['page-faults', 'r01c4'],
      ['page-faults', 'r01c4'],
    ],
    [['cpu/event=0x3c,umask=0x1/u,sched:sched_*'], ['cpu/event=0x3c,umask=0x1/u', 'sched:sched_*']],
  ])('%j are %j', (texts, names) => {
    expect(parseEvents(texts.map(event)).map(({ name }) => name)).toEqual(names);
  });

  it('give a filter to the event before it', () => {
    const list = [event('a:b,c:d'), filter('x > 1'), event('e:f'), filter('y == "$(reboot)"')];
    expect(parseEvents(list)).toEqual([
      { name: 'a:b' },
      { name: 'c:d', filter: 'x > 1' },
      { name: 'e:f', filter: 'y == "$(reboot)"' },
    ]);
    expect(() => parseEvents([filter('x > 1')])).toThrow(/after the -e/);
    expect(() => parseEvents([event('a:b'), filter('x'), filter('y')])).toThrow(/&&/);
    expect(() => parseEvents([event('a:b'), filter('x\ny')])).toThrow(UsageError);
  });

  it.each(['', 'a,,b', '; rm -rf /', '$(reboot)', '`x`', 'a b', '--help', '-o/etc/passwd', 'a\nb', 'a\0b', '{a,b}:S'])(
    'refuse %j',
    (text) => {
      expect(() => parseEvents([event(text)])).toThrow(/^-e: /);
    },
  );

  it('refuse the same event twice', () => {
    expect(() => parseEvents([event('page-faults,page-faults')])).toThrow(/twice/);
  });
});

describe('targets', () => {
  it.each([
    [{}, { kind: 'system' }],
    [
      { allCpus: true as const, cpu: '0-1' },
      { kind: 'system', cpus: '0-1' },
    ],
    [{ pid: '1,2' }, { kind: 'pids', pids: [1, 2] }],
    [{ tid: '7' }, { kind: 'tids', tids: [7] }],
    [{ cgroup: 'system.slice/x.service' }, { kind: 'cgroup', path: 'system.slice/x.service' }],
    [
      { comm: ['nginx'], unit: 'nginx' },
      { kind: 'processes', selector: { comms: ['nginx'], unit: 'nginx' } },
    ],
    [{ comm: ['; reboot'] }, { kind: 'processes', selector: { comms: ['; reboot'] } }],
  ])('%j is %j', (flags, target) => {
    expect(parseTarget(flags)).toEqual(target);
  });

  it.each([
    [{ pid: '1', allCpus: true as const }, /-p and -a\/-C exclude each other/],
    [{ cgroup: 'x', comm: ['a'] }, /exclude each other/],
    [{ cmdline: '(' }, /^--cmdline: /],
    [{ comm: ['a-name-that-is-far-too-long'] }, /'a-name-that-is-'/],
    [{ unit: '' }, /^--unit: /],
  ])('refuses %j', (flags, message) => {
    expect(() => parseTarget(flags)).toThrow(message);
  });
});

describe('call graphs', () => {
  it.each([
    [undefined, { mode: 'fp' }],
    ['fp', { mode: 'fp' }],
    ['lbr', { mode: 'lbr' }],
    ['none', { mode: 'none' }],
    ['dwarf', { mode: 'dwarf', stackBytes: 8192 }],
    ['dwarf,16384', { mode: 'dwarf', stackBytes: 16384 }],
  ])('%s is %j', (text, expected) => {
    expect(parseCallGraph(text)).toEqual(expected);
  });

  it.each(['', 'fp,8', 'dwarf,7', 'dwarf,12', 'dwarf,65536', 'dwarf,8,8', 'x'])('refuses %j', (text) => {
    expect(() => parseCallGraph(text)).toThrow(/^--call-graph/);
  });
});
