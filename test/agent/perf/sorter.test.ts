// Whose sample it was and what was mapped then: the order of time across CPUs, forks, exec, names, maps.
import { describe, expect, test } from 'vitest';
import { parse, stackLines } from './parsed-stacks.js';
import {
  attr,
  Bit,
  bytesOf,
  comm,
  exit,
  fork,
  kernelMmap,
  mmap2,
  PLAIN,
  pipeHeader,
  record,
  round,
  sample,
  text,
  USER,
  u32,
  u64,
} from './perf-stream.js';

const run = (...records: Uint8Array[]) => parse(bytesOf(pipeHeader, attr({ sampleType: PLAIN }), ...records));
const lines = (...records: Uint8Array[]) => stackLines(run(...records));
const at = (time: number, pid: number, address: number, tid = pid) => sample(time, pid, [USER, address], { tid });
const map = (time: number, pid: number, start: number, file: string, offset = 0) =>
  mmap2({ time, pid, start, length: 0x1000, offset, file });

describe('names', () => {
  test('a sample has the name of its moment, though the rename came in an earlier buffer of the round', () => {
    expect(lines(comm(5, 7, 7, 'old'), comm(50, 7, 7, 'new'), at(40, 7, 0x10), at(60, 7, 0x10), round, round)).toEqual([
      'new;10([unknown]) 1',
      'old;10([unknown]) 1',
    ]);
  });

  test('a rename one round later than the sample leaves the sample alone', () => {
    expect(lines(comm(5, 7, 7, 'old'), at(40, 7, 0x10), round, comm(50, 7, 7, 'new'), round, round)).toEqual([
      'old;10([unknown]) 1',
    ]);
  });

  test('the first name holds for everything before it', () => {
    expect(lines(at(5, 7, 0x10), comm(50, 7, 7, 'late'), round)).toEqual(['late;10([unknown]) 1']);
  });

  test('nameless threads are called by their tid, the idle task is swapper', () => {
    expect(lines(at(5, 7, 0x10, 8), at(6, 0, 0x10), at(7, -1, 0x10))).toEqual([
      ':-1;10([unknown]) 1',
      ':8;10([unknown]) 1',
      'swapper;10([unknown]) 1',
    ]);
  });

  test('a fork has its parent’s name until it takes its own', () => {
    expect(
      lines(comm(5, 7, 7, 'shell'), fork(10, 8, 7), at(11, 8, 0x10), comm(20, 8, 8, 'ls'), at(21, 8, 0x10), round),
    ).toEqual(['ls;10([unknown]) 1', 'shell;10([unknown]) 1']);
  });

  test('threads are named one by one and share their process’s maps', () => {
    const thread = record(7, 0, u32(7, 7, 9, 7), u64(6), u32(7, 9), u64(6));
    expect(
      lines(
        comm(5, 7, 7, 'main'),
        thread,
        comm(7, 7, 9, 'worker'),
        map(8, 7, 0x1000, '/lib/a'),
        at(9, 7, 0x1010, 9),
        at(9, 7, 0x1010),
      ),
    ).toEqual(['main;10(/lib/a) 1', 'worker;10(/lib/a) 1']);
  });
});

describe('maps', () => {
  test('addresses become offsets in the file', () => {
    expect(lines(map(5, 7, 0x1000, '/lib/a', 0x500), at(6, 7, 0x1010), at(7, 7, 0x2000), at(8, 7, 0xfff))).toEqual([
      ':7;2000([unknown]) 1',
      ':7;510(/lib/a) 1',
      ':7;fff([unknown]) 1',
    ]);
  });

  test('a map laid over another cuts it; older samples keep the old one', () => {
    const records = [
      mmap2({ time: 5, pid: 7, start: 0x1000, length: 0x3000, file: '/lib/a' }),
      at(6, 7, 0x2010),
      round,
      map(10, 7, 0x2000, '/lib/b'),
      at(11, 7, 0x1010),
      at(11, 7, 0x2010),
      at(11, 7, 0x3010),
      round,
    ];
    expect(lines(...records)).toEqual([':7;10(/lib/a) 1', ':7;10(/lib/b) 1', ':7;1010(/lib/a) 1', ':7;2010(/lib/a) 1']);
  });

  test('exec keeps the old maps, as perf does', () => {
    const exec = record(3, 1 << 13, u32(7, 7), text('new'), u32(7, 7), u64(10));
    expect(lines(comm(4, 7, 7, 'old'), map(5, 7, 0x1000, '/bin/old'), exec, at(11, 7, 0x1010))).toEqual([
      'new;10(/bin/old) 1',
    ]);
  });

  test('a fork inherits maps and then goes its own way', () => {
    expect(
      lines(
        map(5, 7, 0x1000, '/lib/a'),
        fork(10, 8, 7),
        map(11, 8, 0x2000, '/lib/child'),
        map(12, 7, 0x2000, '/lib/parent'),
        at(13, 8, 0x1010),
        at(13, 8, 0x2010),
        at(13, 7, 0x2010),
        round,
      ),
    ).toEqual([':7;10(/lib/parent) 1', ':8;10(/lib/a) 1', ':8;10(/lib/child) 1']);
  });

  test('forks that perf made up for running processes inherit nothing', () => {
    const madeUp = record(7, 1 << 13, u32(8, 7, 8, 7), u64(0), u32(0, 0), u64(0));
    expect(lines(map(5, 7, 0x1000, '/lib/a'), round, round, madeUp, at(13, 8, 0x1010))).toEqual([
      ':8;1010([unknown]) 1',
    ]);
  });

  test('a process that ended and came again under the same pid starts anew, and its last samples keep their maps', () => {
    expect(
      lines(
        fork(4, 8, 1),
        map(5, 8, 0x1000, '/lib/a'),
        at(6, 8, 0x1010),
        exit(7, 8),
        round,
        round,
        round,
        fork(100, 8, 1),
        at(101, 8, 0x1010),
        round,
      ),
    ).toEqual([':8;10(/lib/a) 1', ':8;1010([unknown]) 1']);
  });

  test('a process keeps its maps while one of its threads lives, though ended ones’ tids come again elsewhere', () => {
    const thread = (time: number, tid: number) => record(7, 0, u32(7, 7, tid, 7), u64(time), u32(7, tid), u64(time));
    const threadExit = (time: number, tid: number) =>
      record(4, 0, u32(7, 7, tid, tid), u64(time), u32(7, tid), u64(time));
    expect(
      lines(
        map(1, 7, 0x1000, '/lib/a'),
        thread(2, 8),
        thread(3, 9),
        threadExit(4, 8),
        fork(5, 8, 1),
        threadExit(6, 9),
        round,
        round,
        round,
        at(100, 7, 0x1010),
        round,
      ),
    ).toEqual([':7;10(/lib/a) 1']);
  });

  test('executable memory without a file is generated code, and keeps its addresses', () => {
    expect(lines(map(5, 7, 0x1000, '//anon'), fork(6, 8, 7), at(7, 7, 0x1010), at(8, 8, 0x1020))).toEqual([
      ':7;1010(/tmp/perf-7.map) 1',
      ':8;1020(/tmp/perf-7.map) 1',
    ]);
  });

  test('the vDSO counts from its start', () => {
    const vdso = map(5, 7, 0x7ffd00001000, '[vdso]', 0x9000);
    expect(lines(vdso, at(6, 7, 0x7ffd00001800))).toEqual([':7;800([vdso]) 1']);
  });

  test('build ids come with the map', () => {
    const mapped = mmap2({
      time: 5,
      pid: 7,
      start: 0x1000,
      length: 0x1000,
      file: '/lib/a',
      buildId: Buffer.from('c0ffee', 'hex'),
    });
    const { profile, objects } = run(mapped, at(6, 7, 0x1010));
    expect(profile.strings[profile.mappings.buildId[0]]).toBe('c0ffee');
    expect(objects).toEqual([
      {
        mapping: 0,
        kind: 'elf',
        path: '/lib/a',
        buildId: 'c0ffee',
        pids: [7],
        memoryStart: { lo: 0, hi: 0 },
        isLive: false,
      },
    ]);
  });
});

describe('kernel', () => {
  const KERNEL_MARK = 0xffff_ffff_ffff_ff80n;
  const inKernel = (time: number, address: bigint) => sample(time, 7, [KERNEL_MARK, address]);

  test('modules and BPF programs are objects of their own', () => {
    const program = record(17, 0, u64(0xffffffffc0200000n), u32(0x100, 1), text('bpf_prog_1_count'), u32(0, 0), u64(6));
    const { objects, kernelSymbols, ...collected } = run(
      kernelMmap(0xffffffff81000000n, 0x1000000, '[kernel.kallsyms]_text'),
      kernelMmap(0xffffffffc0100000n, 0x10000, '/lib/modules/6.1.0/kernel/net/nf-tables.ko.xz'),
      program,
      inKernel(7, 0xffffffff83000010n),
      inKernel(8, 0xffffffffc0100010n),
      inKernel(9, 0xffffffffc0200010n),
      inKernel(10, 0xffff800000000010n),
    );
    expect(stackLines({ objects, kernelSymbols, ...collected })).toEqual([
      ':7;ffff800000000010([unknown]) 1',
      ':7;ffffffff83000010([kernel.kallsyms]) 1',
      ':7;ffffffffc0100010([nf_tables]) 1',
      ':7;ffffffffc0200010(bpf_prog_1_count) 1',
    ]);
    expect(objects.map(({ kind, path }) => [kind, path])).toEqual([
      ['kernel', '[kernel.kallsyms]'],
      ['module', '/lib/modules/6.1.0/kernel/net/nf-tables.ko.xz'],
      ['bpf', 'bpf_prog_1_count'],
    ]);
    expect(kernelSymbols).toEqual([{ lo: 0xc0200000, hi: 0xffffffff, length: 0x100, name: 'bpf_prog_1_count' }]);
  });
});

describe('splitting and times', () => {
  const parts = [comm(1_000, 7, 7, 'a b'), at(5_000, 7, 0x10), at(3_000, 7, 0x10, 9), at(4_000, 8, 0x10), round];
  const bytes = bytesOf(pipeHeader, attr({ sampleType: PLAIN }), ...parts);

  test('by comm, pid, tid', () => {
    expect(stackLines(parse(bytes, { split: 'pid' }))).toEqual([
      ':8/8;10([unknown]) 1',
      ':9/7;10([unknown]) 1',
      'a b/7;10([unknown]) 1',
    ]);
    expect(stackLines(parse(bytes, { split: 'tid' }))[1]).toBe(':9/7/9;10([unknown]) 1');
  });

  test('times are kept in order, counted from the first sample', () => {
    const { profile } = parse(bytes, { keepTimestamps: true });
    expect(profile.clockStart).toBe(3_000);
    expect(profile.duration).toBe(0.002);
    expect(profile.timed).toMatchObject({
      length: 3,
      time: Float64Array.of(0, 1_000, 2_000),
      cpu: Int32Array.of(-1, -1, -1),
    });
    expect(
      Array.from(profile.timed?.sample ?? [], (row) => profile.labelSets[profile.samples.labels[row]].at(-1)?.value),
    ).toEqual(['9', '8', '7']);
  });
});

test('stacks as deep as the kernel records are told, and memory for stacks is bounded', () => {
  const deep = Array.from({ length: 127 }, (_, i) => i + 1);
  expect(run(sample(1, 7, [USER, ...deep])).profile.losses).toMatchObject([{ kind: 'truncated-stacks', count: 1 }]);
  const distinct = Array.from({ length: 3000 }, (_, i) =>
    sample(i + 1, 7, [USER, ...deep.map((address) => address * 7919 + i)]),
  );
  const bytes = bytesOf(pipeHeader, attr({ sampleType: PLAIN }), ...distinct);
  const { profile } = parse(bytes, { mostChainBytes: 1 << 20 });
  const told = profile.losses.find(({ kind }) => kind === 'out-of-budget');
  expect(told?.count).toBe(3000 - Math.floor((1 << 20) / (128 * 8)));
  expect(profile.samples.values[1].reduce((sum, weight) => sum + weight, 0)).toBe(3000);
});

test('more events than memory allows: the most sampled are kept, the others are told', () => {
  const sampleType = PLAIN | Bit.IDENTIFIER;
  const one = (id: number, address: number) => record(9, 2, u64(id, address), u32(7, 7), u64(1, 1, 2, USER, address));
  const ids = Array.from({ length: 3000 }, (_, i) => i + 1);
  const attrs = ids.map((id) => attr({ sampleType, type: 4, config: id, ids: [id] }));
  const samples = ids.map((id) => one(id, 0x1000 + id));
  const rare = Array.from({ length: 5_000 }, (_, i) => one(1, 0x10_0000 + i));
  const { profile } = parse(bytesOf(pipeHeader, ...attrs, ...samples, ...rare));
  expect(profile.sampleTypes.length * profile.samples.length).toBeLessThanOrEqual(2 ** 24);
  let counted = 0;
  for (const [column, values] of profile.samples.values.entries()) {
    if (column % 2 === 0) for (const value of values) counted += value;
  }
  const dropped = profile.losses.find(({ kind }) => kind === 'out-of-budget');
  expect(counted + (dropped?.count ?? 0)).toBe(8_000);
});

test('recordings that perf itself has to unwind are told', () => {
  const lbr = Buffer.from(attr({ sampleType: PLAIN | (1 << 11) }));
  lbr.writeUInt32LE(1 << 11, 8 + 72);
  expect(parse(bytesOf(pipeHeader, lbr)).needsUnwinding).toBe(true);
  expect(parse(bytesOf(pipeHeader, attr({ sampleType: PLAIN | (3 << 12) }))).needsUnwinding).toBe(true);
  expect(run().needsUnwinding).toBe(false);
});
