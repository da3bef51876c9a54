// What the script parser makes of headers, frames and everything else that perf script has printed over the years.
import { describe, expect, test } from 'vitest';
import { parseScript, profileLines } from './script-parser-view.js';

const frames = '\t7f10 read+0x1f (/lib/libc.so.6)\n\t4010 main+0x20 (/bin/app)\n\n';

describe('headers', () => {
  const thread = 'main@/bin/app;read@/lib/libc.so.6';

  test.each([
    // perf 4.1 and later, default fields
    ['bash  4711 158665.570607:     250000 cpu-clock: ', 'cpu-clock {comm=bash tid=4711}', '250000/1'],
    ['bash  4711/4712  158665.570607:     250000 cpu-clock: ', 'cpu-clock {comm=bash pid=4711 tid=4712}', '250000/1'],
    ['bash  4711/4712  [003] 158665.570607:  9 cycles:u: ', 'cycles:u {comm=bash pid=4711 tid=4712}', '9/1'],
    ['bash  4711 [003] 158665.570607123:  9 cycles:u: ', 'cycles:u {comm=bash tid=4711}', '9/1'],
    // perf 3.x: no period
    ['swapper     0 [000] 158665.570607: cpu-clock:', 'cpu-clock {comm=swapper tid=0}', '1/1'],
    ['swapper     0/0     [000] 158665.570607: cpu-clock:', 'cpu-clock {comm=swapper pid=0 tid=0}', '1/1'],
    // a period of 0 is printed by events that have none
    ['bash  4711 158665.570607:     0 dummy: ', 'dummy {comm=bash tid=4711}', '1/1'],
    // -F misc
    ['bash  4711/4712  [003] U     158665.570607:  9 cycles: ', 'cycles {comm=bash pid=4711 tid=4712}', '9/1'],
    // names that look like other fields
    ['V8 Worker Thr  4711 1.000000:  1 cycles: ', 'cycles {comm=V8 Worker Thr tid=4711}', '1/1'],
    ['kworker/0:1-ev  4711 1.000000:  1 cycles: ', 'cycles {comm=kworker/0:1-ev tid=4711}', '1/1'],
    ['12 34 56  4711 [001] 1.000000:  1 cycles: ', 'cycles {comm=12 34 56 tid=4711}', '1/1'],
    ['99/100  4711/4712 [001] 1.000000:  1 cycles: ', 'cycles {comm=99/100 pid=4711 tid=4712}', '1/1'],
    ['tmux: server  4711 1.000000:  1 cycles: ', 'cycles {comm=tmux: server tid=4711}', '1/1'],
    ['(sd-pam)  4711 1.000000:  1 cycles: ', 'cycles {comm=(sd-pam) tid=4711}', '1/1'],
    ['#hash  4711 1.000000:  1 cycles: ', 'cycles {comm=#hash tid=4711}', '1/1'],
    ['x  4711 1.000000:  1 cycles: ', 'cycles {comm=x tid=4711}', '1/1'],
    ['café  4711 1.000000:  1 cycles: ', 'cycles {comm=café tid=4711}', '1/1'],
    ['dead  4711 1.000000:  1 cycles: ', 'cycles {comm=dead tid=4711}', '1/1'],
    // ids of threads that were gone
    [':-1    -1 [000] 1.000000:  1 cycles: ', 'cycles {comm=:-1 tid=-1}', '1/1'],
    [':-1    -1/-1    [000] 1.000000:  1 cycles: ', 'cycles {comm=:-1 pid=-1 tid=-1}', '1/1'],
    // the comm-id of ftrace and trace-cmd
    ['my-app-4711  [000] 1.000000:  1 cycles: ', 'cycles {comm=my-app tid=4711}', '1/1'],
    // events with terms and colons, and one that perf has no name for
    ['a b  7 1.0: 5 cpu/event=0x3c,umask=0x1/ukH: ', 'cpu/event=0x3c,umask=0x1/ukH {comm=a b tid=7}', '5/1'],
    ['bash  7 1.0: sched:sched_switch: prev=a next=b', 'sched:sched_switch {comm=bash tid=7}', '1/1'],
    ['bash  7 1.0: 3 probe:open: (7f00) path="a: b:"', 'probe:open {comm=bash tid=7}', '3/1'],
    ['bash  7 [000] 12.5:', '[unknown] {comm=bash tid=7}', '1/1'],
    // no time
    ['bash 4711 cycles:', 'cycles {comm=bash tid=4711}', '1/1'],
    ['bash 4711/4712 [003] 77 cycles:u: ', 'cycles:u {comm=bash pid=4711 tid=4712}', '77/1'],
    ['bash 4711', '[unknown] {comm=bash tid=4711}', '1/1'],
  ])('%s', (header, names, weight) => {
    const profile = parseScript(`${header}\n${frames}`, { split: 'tid' });
    expect(profileLines(profile)).toEqual([`${names} ${thread} ${weight}`]);
    expect(profile.losses).toEqual([]);
  });

  test.each([
    ['comm', '{comm=java}'],
    ['pid', '{comm=java pid=5}'],
    ['tid', '{comm=java pid=5 tid=6}'],
  ] as const)('split by %s', (split, labels) => {
    const profile = parseScript(`java  5/6  1.0: 1 cycles:\n${frames}`, { split });
    expect(profileLines(profile)).toEqual([`cycles ${labels} ${thread} 1/1`]);
  });

  test('samples of one stack are counted, events apart', () => {
    const text = `a 1 1.0: 10 cycles:\n${frames}a 2 1.1: 2 faults:\n${frames}a 1 1.2: 7 cycles:\n${frames}`;
    expect(profileLines(parseScript(text))).toEqual([
      `cycles {comm=a} ${thread} 17/2`,
      `faults {comm=a} ${thread} 2/1`,
    ]);
  });
});

describe('frames', () => {
  test.each([
    ['7f10 main+0x1f (/bin/app)', 'main@/bin/app'],
    ['ffffffff8103ce3b native_safe_halt ([kernel.kallsyms])', 'native_safe_halt@[kernel.kallsyms]'],
    ['ffffffff81aebbfe start_kernel ([kernel.kallsyms].init.text)', 'start_kernel@[kernel.kallsyms].init.text'],
    ['7d8 ipv4_conntrack_local+0x7f8f80b8 ([nf_conntrack_ipv4])', 'ipv4_conntrack_local@[nf_conntrack_ipv4]'],
    ['7f10 [unknown] (/usr/lib/libkmod.so.2)', '?0x7f10@/usr/lib/libkmod.so.2'],
    ['ffff8800deadbeef [unknown] ([unknown])', '?0xffff8800deadbeef'],
    ['7f10 main (/tmp/gone (deleted))', 'main@/tmp/gone (deleted)'],
    ['7f10 main+0x1 (/opt/My App (x86)/bin/a b)', 'main@/opt/My App (x86)/bin/a b'],
    ['7f10 odd+0x1 (/tmp/a) b)', 'odd@/tmp/a) b'],
    ['7f10 main+0x4 (/usr/lib/libc.so.6+0x29d90)', 'main@/usr/lib/libc.so.6'],
    [
      '7f10 std::function<void (int)>::operator()(int) const+0x3e (/bin/a)',
      'std::function<void (int)>::operator()(int) const@/bin/a',
    ],
    ['7f10 (anonymous namespace)::work(int)+0x3 (/bin/a)', '(anonymous namespace)::work(int)@/bin/a'],
    ['7f10 Shape::operator->() const+0x3 (/bin/a)', 'Shape::operator->() const@/bin/a'],
    ['13a80b608e0a RegExp:[&<>"\'] (/tmp/perf-7539.map)', 'RegExp:[&<>"\']@/tmp/perf-7539.map'],
    [
      '7f10 Lorg/x/A;::call(Lorg/x/B;)Ljava/lang/Object; (/tmp/perf-1.map)',
      'Lorg/x/A;::call(Lorg/x/B;)Ljava/lang/Object;@/tmp/perf-1.map',
    ],
    ['7f10 LazyCompile:*fib /a b/c.js:7 (/tmp/perf-1.map)', 'LazyCompile:*fib /a b/c.js:7@/tmp/perf-1.map'],
    // -F ip,dso and -F ip,sym
    ['7f10 (/bin/app)', '?0x7f10@/bin/app'],
    ['7f10 main+0x1f', 'main'],
    ['7f10', '?0x7f10'],
  ])('%s', (frame, drawn) => {
    const profile = parseScript(`app 1 1.0: 1 cycles:\n\t    ${frame}\n\n`);
    expect(profileLines(profile)).toEqual([`cycles {comm=app} ${drawn} 1/1`]);
  });

  test('inlined functions are lines of the location they were inlined into', () => {
    const text = [
      'app 1 1.0: 1 cycles:',
      '\t e3aa min+0x78a (inlined)',
      '\t e3aa clamp+0x78a (inlined)',
      '\t e3aa scale+0x78a (/bin/app)',
      '\t 1de main+0x1e (/bin/app)',
      '',
    ].join('\n');
    expect(profileLines(parseScript(text))).toEqual(['cycles {comm=app} main@/bin/app;scale>clamp>min@/bin/app 1/1']);
  });

  test('an inlined function without its frame keeps its place', () => {
    const text = 'app 1 1.0: 1 cycles:\n\t e3 min (inlined)\n\t 1de main (/bin/app)\n\n';
    expect(profileLines(parseScript(text))).toEqual(['cycles {comm=app} main@/bin/app;min 1/1']);
  });

  test('source lines of -F +srcline, with inlined functions marked behind them', () => {
    const text = [
      'app 1 1.0: 1 cycles: ',
      '\t e3aa resolve+0x78a',
      '  dl-reloc.c:170 (inlined)',
      '\t e3aa relocate+0x78a (/lib/ld.so)',
      '  dl-reloc.c:301',
      '\t 7f12 read+0x3 (/lib/libc.so.6)',
      '  libc.so.6[16351b]',
      '\t 1bccb start+0x55b (/lib/ld.so)',
      '  rtld.c:497 (discriminator 3)',
      '\t 7f00 [unknown] ([unknown])',
      '  ',
      '\t 1ab77 _start+0x7 (/lib/ld.so)',
      '  :0',
      '',
      '',
    ].join('\n');
    const profile = parseScript(text);
    expect(profileLines(profile)).toEqual([
      'cycles {comm=app} _start@/lib/ld.so;?0x7f00;start(rtld.c:497)@/lib/ld.so;read@/lib/libc.so.6;' +
        'relocate(dl-reloc.c:301)>resolve(dl-reloc.c:170)@/lib/ld.so 1/1',
    ]);
    expect(profile.losses).toEqual([{ kind: 'unsymbolized-frames', count: 1, detail: 'perf script printed no name' }]);
  });
});

describe('text without call graphs', () => {
  test('one frame at the end of an indented header', () => {
    const text = [
      '          shapes  6547  1634.368515:          1 page-faults:  ffffffff817554ea elf_load+0x28a ([kernel.kallsyms])',
      '             cc1  6547  1634.368539:          1 page-faults:      7f00 [unknown] (/bin/cc1)',
      '             bad  6547  1634.368568:          1 page-faults:  7ffe0010     7fc7 _start+0x0 (/lib/ld.so)',
      '            bash  6548  1634.368568:          1 page-faults: ',
      '            bash  6548  1634.368568:     sched:sched_switch: prev_comm=a (b)',
      '',
    ].join('\n');
    const profile = parseScript(text);
    expect(profileLines(profile)).toEqual([
      'page-faults {comm=bad} _start@/lib/ld.so 1/1',
      'page-faults {comm=bash} - 1/1',
      'page-faults {comm=cc1} ?0x7f00@/bin/cc1 1/1',
      'page-faults {comm=shapes} elf_load@[kernel.kallsyms] 1/1',
      'sched:sched_switch {comm=bash} - 1/1',
    ]);
    expect(profile.losses.map((loss) => loss.kind)).toEqual(['unsymbolized-frames']);
  });
});

describe('everything else', () => {
  test('the header comments of perf script --header become comments', () => {
    const text = `# ========\n# hostname : box\n# cmdline : /usr/bin/perf record -g \n# event : name = cycles\n#\na 1 1.0: 1 cycles:\n\n`;
    const profile = parseScript(text);
    expect(profile.comments).toEqual(['cmdline: /usr/bin/perf record -g', 'hostname: box']);
    expect(profile.losses).toEqual([]);
  });

  test('losses that --show-lost-events prints', () => {
    const text = [
      'swapper     0     0.000000: PERF_RECORD_MMAP -1/0: [0xffffffff81000000(0x120bb08) @ 0]: x [kernel.kallsyms]_text',
      'perf-exec     0     0.000000: PERF_RECORD_COMM: perf-exec:6372/6372',
      'app  1     1.500000: PERF_RECORD_LOST lost 64',
      'app  1     1.500000: PERF_RECORD_LOST_SAMPLES lost samples 5',
      'app  1     1.500000: PERF_RECORD_THROTTLE',
      '',
    ].join('\n');
    const profile = parseScript(text);
    expect(profile.sampleTypes).toEqual([]);
    expect(profile.losses).toEqual([
      { kind: 'lost-events', count: 64, detail: 'told by PERF_RECORD_LOST' },
      { kind: 'lost-samples', count: 5, detail: 'told by PERF_RECORD_LOST_SAMPLES' },
      { kind: 'throttled', count: 1, detail: 'told by PERF_RECORD_THROTTLE' },
    ]);
  });

  test('lines that are nothing are counted and named', () => {
    const text = `what is this?\n  12 stray (/bin/x)\n\na 1 1.0: 1 cycles:\n${frames}junk 5\n`;
    const profile = parseScript(text);
    expect(profileLines(profile)).toHaveLength(1);
    expect(profile.losses).toEqual([
      { kind: 'skipped-lines', count: 3, detail: 'not understood as perf script text: lines 1, 2, 8' },
    ]);
  });

  test('text that ends inside a sample is told, and the sample counts', () => {
    const profile = parseScript('a 1 1.0: 1 cycles:\n\t12 f+0x1 (/bin/x)');
    expect(profileLines(profile)).toEqual(['cycles {comm=a} f@/bin/x 1/1']);
    expect(profile.losses).toEqual([{ kind: 'truncated-input', count: 1, detail: 'the text ends inside a sample' }]);
  });

  test('a line of two megabytes is skipped without the ones around it', () => {
    const long = `\t12 ${'f'.repeat(2 << 20)} (/bin/x)\n`;
    for (const chunkBytes of [1 << 16, Number.POSITIVE_INFINITY]) {
      const profile = parseScript(`a 1 1.0: 1 cycles:\n${long}${frames}`, { chunkBytes });
      expect(profileLines(profile)).toEqual(['cycles {comm=a} main@/bin/app;read@/lib/libc.so.6 1/1']);
      expect(profile.losses).toEqual([
        { kind: 'skipped-lines', count: 1, detail: 'not understood as perf script text: line 2' },
      ]);
    }
  });

  test('line ends of another system', () => {
    const text = `a 1 1.0: 1 cycles: \n${frames}`.replaceAll('\n', '\r\n');
    const profile = parseScript(text);
    expect(profileLines(profile)).toEqual(['cycles {comm=a} main@/bin/app;read@/lib/libc.so.6 1/1']);
    expect(profile.losses).toEqual([]);
  });

  test('no text at all', () => {
    const profile = parseScript('');
    expect(profile.samples.length).toBe(0);
    expect(profile.losses).toEqual([]);
  });

  test('weights that cannot be added up are lost, not rounded', () => {
    const text = `a 1 1.0: ${2 ** 53} cycles:\n${frames}a 1 1.0: 5 cycles:\n${frames}`;
    const profile = parseScript(text);
    expect(profileLines(profile)).toEqual(['cycles {comm=a} main@/bin/app;read@/lib/libc.so.6 5/1']);
    expect(profile.losses).toEqual([{ kind: 'skipped-samples', count: 1, detail: 'weight too large to add up' }]);
  });

  test('times are kept in order, from the earliest, with CPU and weight', () => {
    const text =
      `a 1/2 [003] 100.000002:  7 cycles:\n${frames}` +
      `a 1/2 [001] 99.999999500:  5 cycles:\n${frames}` +
      `b 3/3 [000] 100.000003:  9 faults:\n${frames}`;
    const { timed, clockStart, duration } = parseScript(text, { keepTimestamps: true });
    expect(timed).toEqual({
      length: 3,
      sample: Int32Array.of(0, 0, 1),
      event: Int32Array.of(0, 0, 1),
      time: Float64Array.of(0, 2500, 3500),
      cpu: Int32Array.of(1, 3, 0),
      weight: Float64Array.of(5, 7, 9),
    });
    expect(clockStart).toBe(99_999_999_500);
    expect(duration).toBeCloseTo(0.0035);
  });
});
