// `perftrawl fold` against `perf script --no-inline | collapse` on real recordings: stack for stack, weight for weight.
// Where the classic script loses something, the test says what and applies that loss to our lines before comparing.
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { foldedFrames } from '../../../profile/folded-frame.js';
import { collapse, mountTracefs, output, writePerfScript } from '../../oracle/perf-tools.js';
import { type Recording, type RecordOptions, recordWorkload, type WorkloadName } from '../../oracle/record-workload.js';
import { recordForks } from '../perf/record-forks.js';
import { foldIn } from './run-fold.js';

/** What the classic script makes of our lines: `frame` maps one frame to frames. Equal lines are added up again. */
function withLoss(folded: string, frame: (name: string) => readonly string[]): string {
  const weights = new Map<string, number>();
  for (const line of folded.trimEnd().split('\n')) {
    const end = line.lastIndexOf(' ');
    const stack = line.slice(0, end).split(';').flatMap(frame).join(';');
    weights.set(stack, (weights.get(stack) ?? 0) + Number(line.slice(end + 1)));
  }
  return [...weights]
    .sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    .map(([stack, weight]) => `${stack} ${weight}\n`)
    .join('');
}

/** Fails with the lines that differ, each cut to its end: whole stacks would bury what happened. */
function expectSame(ours: string, classic: string): void {
  const [a, b] = [new Set(ours.split('\n')), new Set(classic.split('\n'))];
  const only = (lines: Set<string>, others: Set<string>) => [...lines].filter((line) => !others.has(line)).slice(0, 5);
  const difference = { ours: only(a, b), classic: only(b, a) };
  const cut = (lines: string[]) =>
    lines.map((line) => (line.length > 300 ? `${line.slice(0, 20)}…${line.slice(-280)}` : line));
  expect({ ours: cut(difference.ours), classic: cut(difference.classic) }).toEqual({ ours: [], classic: [] });
  expect(ours === classic, 'the same lines in the same order').toBe(true);
}

/** Names, as folded stacks have them, of the entries of a perf map whose addresses another entry has as well. */
function overlapping(perfMap: string): Set<string> {
  const entries = Array.from(
    perfMap.matchAll(/^([0-9a-f]+) ([0-9a-f]+) (.*)$/gm),
    ([, start = '', size = '', name = '']) => {
      const from = Number.parseInt(start, 16);
      return { from, to: from + Number.parseInt(size, 16), name };
    },
  ).sort((a, b) => a.from - b.from);
  const names = new Set<string>();
  let last = entries[0];
  for (const entry of entries.slice(1)) {
    if (last !== undefined && entry.from < last.to) {
      for (const { name } of [last, entry]) for (const frame of foldedFrames(name, '', false, PLAIN)) names.add(frame);
    }
    if (last === undefined || entry.to > last.to) last = entry;
  }
  return names;
}

const PLAIN = { marksKernel: false, marksJit: false };

async function withRecording(
  name: WorkloadName,
  options: RecordOptions,
  use: (recording: Recording) => Promise<void>,
): Promise<void> {
  const recording = await recordWorkload(name, options);
  try {
    await use(recording);
  } finally {
    await recording.dispose();
  }
}

async function collapsed(
  recording: Pick<Recording, 'directory' | 'perfData'>,
  options: readonly string[] = [],
  scriptOptions: readonly string[] = [],
): Promise<string> {
  return collapse(
    await writePerfScript(recording.perfData, path.join(recording.directory, 'script.txt'), scriptOptions),
    options,
  );
}

describe('equal to perf script and collapse', () => {
  test.each<{ title: string; name: WorkloadName; options?: RecordOptions }>([
    { title: 'C', name: 'faults', options: { program: ['5000', '20', '300'] } },
    {
      title: 'C, fixed period',
      name: 'faults',
      options: { record: ['-e', 'page-faults', '-c', '7', '-g'], program: ['5000', '20', '300'] },
    },
    {
      title: 'C, compressed',
      name: 'faults',
      options: { record: ['-z', '-e', 'page-faults', '-c', '1', '-g'], program: ['5000', '20', '300'] },
    },
    { title: 'system calls', name: 'syscalls' },
    { title: 'Java', name: 'java' },
  ])('$title', ({ name, options = {} }) =>
    withRecording(name, options, async (recording) => {
      const { stdout, status } = await foldIn([recording.perfData]);
      expect(status).toBe(0);
      expect(stdout.split('\n').length).toBeGreaterThan(5);
      expectSame(stdout, await collapsed(recording));
    }),
  );

  test('forks and execs', async () => {
    const recording = await recordForks();
    try {
      const { stdout } = await foldIn([recording.perfData]);
      expect(stdout).toMatch(/^sed;/m);
      expectSame(stdout, await collapsed(recording));
    } finally {
      await recording.dispose();
    }
  });

  test('node, but for code that V8 moved: of several functions at one address we name the latest, perf one by chance', () =>
    withRecording('node', {}, async (recording) => {
      const pid = (await output('perf', ['script', '-i', recording.perfData, '-F', 'pid']))
        .toString()
        .trim()
        .split(/\s/)[0];
      const moved = overlapping(await readFile(`/tmp/perf-${pid}.map`, 'utf8'));
      const unmoved = (folded: string) => withLoss(folded, (frame) => [moved.has(frame) ? 'moved' : frame]);
      const ours = unmoved((await foldIn([recording.perfData])).stdout);
      expect(ours).toMatch(/;JS:.fibonacci /);
      expectSame(ours, unmoved(await collapsed(recording)));
    }));

  test('C++, but for frames of anonymous namespaces, which the classic drops, and operator->, which it cuts', () =>
    withRecording('shapes', {}, async (recording) => {
      const { stdout } = await foldIn([recording.perfData]);
      expect(stdout).toMatch(/;\(anonymous namespace\)::/);
      const classic = withLoss(stdout, (frame) =>
        frame.startsWith('(anonymous namespace)') ? [] : [frame.replace(/(\boperator)->.*/, '$1')],
      );
      expectSame(classic, await collapsed(recording));
    }));

  test('names of threads, where the classic needs two characters and takes a number inside of a name for the pid', () =>
    withRecording('names', {}, async (recording) => {
      const { stdout } = await foldIn([recording.perfData]);
      const isLegible = (line: string): boolean =>
        /^[^ ;]{2,};/.test(line) && !/^(#|[^;]*_\d+(_|;)|[\d_]+;)/.test(line);
      const ours = stdout.split('\n').filter(isLegible);
      const classic = new Set((await collapsed(recording)).split('\n'));
      expect(ours.length).toBeGreaterThan(50);
      expect(ours.filter((line) => !classic.has(line))).toEqual([]);
      const roots = new Set(stdout.split('\n').map((line) => line.slice(0, line.indexOf(';'))));
      for (const root of ['x', '1', '12_34_56', '#hash', 'pool_7_thread_3', 'café']) expect([...roots]).toContain(root);
    }));
});

describe('options', () => {
  let java: Recording;
  beforeAll(async () => {
    java = await recordWorkload('java', {
      record: ['-e', 'page-faults,cpu-clock', '-c', '200000', '-g'],
      program: ['500'],
    });
  });
  afterAll(() => java.dispose());

  test.each([
    ['--kernel'],
    ['--jit'],
    ['--all'],
    ['--addrs'],
    ['--event-filter=page-faults'],
    ['--event-filter', 'cpu-clock'],
  ])('%s', async (...options) => {
    const { stdout } = await foldIn([...options, java.perfData]);
    expectSame(stdout, await collapsed(java, options));
  });

  test.each(['--pid', '--tid'])('%s', async (option) => {
    const { stdout } = await foldIn([option, java.perfData]);
    expect(stdout).toBe(await collapsed(java, [option], ['-F', 'comm,pid,tid,time,event,ip,sym,symoff,dso,period']));
  });

  test('without a filter the first event counts, and the others are named', async () => {
    const { stdout, stderr } = await foldIn([java.perfData]);
    expectSame(stdout, await collapsed(java));
    expect(stderr).toMatch(/counting (page-faults|cpu-clock) only; .* page-faults, cpu-clock/);
  });
});

describe('inputs', () => {
  let recording: Recording;
  let folded: string;
  beforeAll(async () => {
    recording = await recordWorkload('faults', { program: ['3000', '10', '100'] });
    folded = (await foldIn([recording.perfData])).stdout;
  });
  afterAll(() => recording.dispose());

  test('the pipe form, from a file and from standard input', async () => {
    const pipe = await output('perf', ['inject', '-i', recording.perfData, '-o', '-']);
    const file = path.join(recording.directory, 'pipe.data');
    await writeFile(file, pipe);
    expect((await foldIn([file])).stdout).toBe(folded);
    expect((await foldIn(['-'], pipe)).stdout).toBe(folded);
  });

  test('the file form from standard input', async () => {
    expect((await foldIn(['-'], await readFile(recording.perfData))).stdout).toBe(folded);
  });

  test('the text of perf script', async () => {
    const text = await writePerfScript(recording.perfData, path.join(recording.directory, 'script.txt'));
    expect((await foldIn([text])).stdout).toBe(folded);
    expect((await foldIn(['-'], await readFile(text))).stdout).toBe(folded);
  });

  test('user stacks that need unwinding are left to perf', () =>
    withRecording(
      'faults',
      { record: ['-e', 'page-faults', '-c', '50', '--call-graph', 'dwarf,4096'], program: ['500', '5', '5'] },
      async (dwarf) => {
        const { stdout } = await foldIn([dwarf.perfData]);
        expect(stdout).toMatch(/;main;/);
        expectSame(stdout, await collapsed(dwarf));
      },
    ));
});

test('tracepoints count one each, whatever their period', async () => {
  await mountTracefs();
  await withRecording(
    'syscalls',
    { record: ['-e', 'syscalls:sys_enter_read', '-c', '3', '-g'], program: ['20'] },
    async (recording) => {
      const { stdout } = await foldIn([recording.perfData]);
      expectSame(stdout, await collapsed(recording));
    },
  );
});

test('samples without a call graph are stacks of one frame, where the classic has nothing', () =>
  withRecording(
    'faults',
    { record: ['-e', 'page-faults', '-c', '1'], program: ['1000', '5', '5'] },
    async (recording) => {
      expect((await foldIn([recording.perfData])).stdout).toMatch(/^faults;touch 10\d\d$/m);
      expect(await collapsed(recording)).toBe('');
    },
  ));
