// The binary reader on hand-made streams: forms, record types, oddities; and that damage never does more than cost samples.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FailureError } from '../../../proto/failure.js';
import { parse, stackLines } from './parsed-stacks.js';
import {
  type AttrFields,
  attr,
  Bit,
  bytesOf,
  comm,
  fileForm,
  fork,
  KERNEL,
  kernelMmap,
  mmap2,
  PLAIN,
  pipeHeader,
  record,
  round,
  SAMPLE_ID_ALL,
  sample,
  text,
  USER,
  u32,
  u64,
} from './perf-stream.js';

const plainAttr: AttrFields = { sampleType: PLAIN };
const records = bytesOf(
  kernelMmap(0xffffffff81000000n, 0x1000000, '[kernel.kallsyms]_text'),
  comm(10, 7, 7, 'server'),
  mmap2({ time: 11, pid: 7, start: 0x400000, length: 0x1000, offset: 0x2000, file: '/bin/server' }),
  sample(20, 7, [KERNEL, 0xffffffff81000abcn, USER, 0x400123, 0x400456], { period: 3 }),
  sample(21, 7, [USER, 0x400123, 0x900000]),
  round,
  fork(30, 8, 7),
  sample(31, 8, [USER, 0x400123]),
  round,
  comm(40, 8, 8, 'child two'),
  sample(41, 8, [USER, 0x400123]),
  sample(42, 7, [KERNEL, 0xffffffff81000abcn, USER, 0x400123, 0x400456], { period: 3 }),
  round,
);
const stacks = [
  'child two;2123(/bin/server) 1',
  'server;2123(/bin/server) 1',
  'server;2456(/bin/server);2123(/bin/server);ffffffff81000abc([kernel.kallsyms]) 6',
  'server;900000([unknown]);2123(/bin/server) 1',
];
const pipe = bytesOf(pipeHeader, attr(plainAttr), records);
const file = fileForm([plainAttr], records, [{ id: 3, bytes: bytesOf(u32(16), text('db-1'), text('')) }]);

describe('forms', () => {
  test.each([64, 72, 80, 96, 104, 112, 120, 128, 136])(
    'pipe and file form agree with attributes of %i bytes',
    (size) => {
      expect(stackLines(parse(bytesOf(pipeHeader, attr({ ...plainAttr, size }), records)))).toEqual(stacks);
      expect(stackLines(parse(fileForm([{ ...plainAttr, size }], records)))).toEqual(stacks);
    },
  );

  test.each([
    ['pipe', pipe],
    ['file', file],
  ])('%s form: any chunking gives the same profile', (_form, bytes) => {
    const whole = parse(bytes);
    expect(parse(bytes, {}, 1)).toEqual(whole);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: bytes.length }), (chunk) => {
        expect(parse(bytes, {}, chunk)).toEqual(whole);
      }),
      { numRuns: 50 },
    );
  });

  test('facts of the header are kept', () => {
    const names = bytesOf(u32(1, 144), Buffer.alloc(144), u32(1, 16), text('my-event'), text(''), [1]);
    const buildId = Buffer.alloc(36);
    buildId.writeUInt16LE(36 + 16, 6);
    buildId.fill(0xab, 12, 32);
    const { profile, hostname } = parse(
      fileForm([plainAttr], records, [
        { id: 2, bytes: bytesOf(buildId, text('/bin/server'), text('').subarray(0, 0)) },
        { id: 3, bytes: bytesOf(u32(16), text('db-1'), text('')) },
        { id: 11, bytes: bytesOf(u32(2, 8), text('perf'), u32(8), text('record')) },
        { id: 12, bytes: names },
      ]),
    );
    expect(hostname).toBe('db-1');
    expect(profile.comments).toEqual(['command: perf record']);
    expect(profile.sampleTypes.map(({ type }) => type)).toEqual(['samples:my-event', 'my-event']);
    expect(profile.strings[profile.mappings.buildId[1]]).toBe('ab'.repeat(20));
  });

  test('a file whose header was never completed is read to its end', () => {
    const cut = Buffer.from(fileForm([plainAttr], records));
    cut.writeBigUInt64LE(0n, 48);
    const collected = parse(cut);
    expect(stackLines(collected)).toEqual(stacks);
    expect(collected.profile.losses).toMatchObject([{ kind: 'truncated-input' }]);
  });
});

describe('records', () => {
  const run = (...parts: Uint8Array[]) => parse(bytesOf(pipeHeader, attr(plainAttr), ...parts));

  test('lost records, lost samples, throttling, unknown records are told as losses', () => {
    const idle = u64(0, 0);
    const { profile } = run(
      record(2, 0, u64(1, 5), idle),
      record(13, 0, u64(4), idle),
      record(5, 0, u64(9, 1, 1), idle),
      record(99, 0, u64(1)),
      record(6, 0, u64(9, 1, 1), idle),
    );
    expect(profile.losses.map(({ kind, count }) => [kind, count])).toEqual([
      ['lost-events', 5],
      ['lost-samples', 4],
      ['skipped-records', 1],
      ['throttled', 1],
    ]);
  });

  test('payloads behind a record are skipped, whatever they look like', () => {
    const tracing = bytesOf(record(66, 0, u32(11)), Buffer.alloc(16, 0xff));
    const aux = bytesOf(record(71, 0, u64(24, 0, 0), u32(0, 0, 0, 0)), Buffer.alloc(24, 9));
    expect(stackLines(run(tracing, aux, records))).toEqual(stacks);
  });

  test('events are told apart by id, and named by later records', () => {
    const sampleType = PLAIN | Bit.IDENTIFIER;
    const named = (id: number, name: string) => record(78, 0, u64(2, id), text(name));
    const one = (id: number, time: number) => record(9, 2, u64(id, 0x10), u32(7, 7), u64(time, 2, 2, USER, 0x10));
    const collected = parse(
      bytesOf(
        pipeHeader,
        attr({ sampleType, ids: [21, 22] }),
        attr({ sampleType, ids: [31] }),
        named(22, 'first'),
        named(31, 'second'),
        one(21, 1),
        one(22, 2),
        one(31, 3),
        one(77, 4),
      ),
    );
    expect(collected.profile.sampleTypes.map(({ type }) => type)).toEqual([
      'samples:first',
      'first',
      'samples:second',
      'second',
    ]);
    expect(stackLines(collected, 0)).toEqual([':7;10([unknown]) 4']);
    expect(stackLines(collected, 1)).toEqual([':7;10([unknown]) 2']);
    expect(collected.profile.losses).toMatchObject([{ kind: 'skipped-samples', count: 1 }]);
  });

  test('a sample with the id of another session is of the one event there is, beside the dummy that -a adds', () => {
    const sampleType = PLAIN | Bit.IDENTIFIER;
    const one = (id: number, time: number) => record(9, 2, u64(id, 0x10), u32(7, 7), u64(time, 2, 2, USER, 0x10));
    const dummy = attr({ sampleType, config: 9, ids: [41] });
    const collected = parse(bytesOf(pipeHeader, attr({ sampleType, ids: [21] }), dummy, one(21, 1), one(77, 2)));
    expect(stackLines(collected, 0)).toEqual([':7;10([unknown]) 4']);
    expect(collected.profile.losses).toEqual([]);
  });

  test('READ values come before the call chain; a group gives each of its events what it counted', () => {
    const sampleType = Bit.IP | Bit.TID | Bit.TIME | Bit.READ | Bit.CALLCHAIN | Bit.IDENTIFIER;
    const fields = { sampleType, readFormat: 4 | 8 };
    const one = (time: number, a: number, b: number) =>
      record(9, 2, u64(1, 0x10), u32(7, 7), u64(time, 2, a, 1, b, 2, 2, USER, 0x10), u64(0xdead));
    const collected = parse(
      bytesOf(
        pipeHeader,
        attr({ ...fields, ids: [1] }),
        attr({ ...fields, config: 3, ids: [2] }),
        one(1, 10, 4),
        one(2, 25, 4),
      ),
    );
    expect(stackLines(collected, 0)).toEqual([':7;10([unknown]) 25']);
    expect(stackLines(collected, 1)).toEqual([':7;10([unknown]) 4']);
  });

  test('a sample without a call chain is a stack of one frame, by its mode', () => {
    const sampleType = Bit.IP | Bit.TID | Bit.TIME;
    const one = (misc: number, ip: number | bigint) => record(9, misc, u64(ip), u32(7, 7), u64(50));
    const lines = stackLines(
      parse(
        bytesOf(
          pipeHeader,
          attr({ sampleType, samplePeriod: 100 }),
          kernelMmap(0xffffffff81000000n, 0x1000000, '[kernel.kallsyms]_text'),
          comm(10, 7, 7, 'server'),
          one(1, 0xffffffff81000abcn),
          one(2, 0x1234),
        ),
      ),
    );
    expect(lines).toEqual(['server;1234([unknown]) 100', 'server;ffffffff81000abc([kernel.kallsyms]) 100']);
  });

  test('a call chain with an unknown marker counts without frames', () => {
    const collected = run(sample(1, 7, [KERNEL, 1, 0xffff_ffff_ffff_fff0n, 2]));
    expect(stackLines(collected)).toEqual([':7 1']);
    expect(collected.profile.losses).toMatchObject([{ kind: 'skipped-samples', count: 1 }]);
  });

  test('compressed records are unpacked, and refused when they are no zstd or want gigabytes', () => {
    const half = records.length >> 1;
    // A size that is no multiple of anything, as zstd makes it.
    const packed = bytesOf(
      record(81, 0, records.subarray(0, half - 3)),
      record(83, 0, u64(records.length - half + 3), records.subarray(half - 3), Buffer.alloc(5)),
    );
    const bytes = bytesOf(pipeHeader, attr(plainAttr), packed, round);
    const decoder = { decode: (piece: Uint8Array) => piece };
    expect(stackLines(parse(bytes, { decoder }))).toEqual(stacks);
    expect(stackLines(parse(bytes, { decoder }, 1))).toEqual(stacks);
    expect(() => parse(bytes)).toThrow(/perf record -z.*cannot be read/);
    const wide = Buffer.from('28b52ffd00f80000000000000000000000000000', 'hex');
    expect(() => parse(bytesOf(pipeHeader, attr(plainAttr), record(81, 0, wide), round))).toThrow(
      /window of \d+ bytes/,
    );
  });
});

describe('refusals name the byte and what to do', () => {
  const refusal = (bytes: Uint8Array): string => {
    try {
      parse(bytes);
    } catch (error) {
      if (error instanceof FailureError && error.failure.code === 'bad-data') return error.failure.message;
      throw error;
    }
    return 'not refused';
  };

  test.each([
    ['big-endian', bytesOf(Buffer.from('2ELIFREP'), [104]), /big-endian/],
    ['perf 2.x', bytesOf(Buffer.from('PERFFILE'), [104]), /before 3\.0/],
    ['anything else', Buffer.from('hello, is this perf.data?'), /^byte 0: /],
    ['another header size', bytesOf(Buffer.from('PERFILE2'), [88]), /^byte 8: .*88 bytes/],
    ['an end inside of the header', file.subarray(0, 60), /^byte 60: /],
    ['no record where the first must be', bytesOf(pipeHeader, attr(plainAttr), [0, 0]), /^byte 160: no record/],
    ['data before the attributes', Buffer.from(file).fill(110, 40, 41).fill(0, 41, 42), /^byte 24: /],
  ])('%s', (_what, bytes, message) => {
    expect(refusal(bytes)).toMatch(message);
  });
});

describe('damage', () => {
  test('behind the first sample it costs only what follows', () => {
    const damaged = bytesOf(pipe, Buffer.alloc(40));
    const { profile } = parse(damaged);
    expect(stackLines(parse(damaged))).toEqual(stacks);
    expect(profile.losses).toEqual([
      { kind: 'unreadable-bytes', count: 40, detail: `bytes behind byte ${pipe.length}, where no record begins` },
    ]);
  });

  test('in the records of a file it leaves the features readable', () => {
    const damaged = bytesOf(records, Buffer.alloc(40));
    const collected = parse(
      fileForm([plainAttr], damaged, [{ id: 3, bytes: bytesOf(u32(16), text('db-1'), text('')) }]),
    );
    expect(collected.hostname).toBe('db-1');
    expect(collected.profile.losses).toMatchObject([{ kind: 'unreadable-bytes', count: 40 }]);
  });

  test('lengths that lie cost the sample', () => {
    const liar = Buffer.from(sample(50, 7, [USER, 0x400123]));
    liar.writeUInt32LE(0x7fffffff, 8 + 8 + 8 + 8 + 8);
    const collected = parse(bytesOf(pipe, liar));
    expect(stackLines(collected)).toEqual(stacks);
    expect(collected.profile.losses).toMatchObject([{ kind: 'skipped-samples', count: 1 }]);
  });

  test('cut anywhere: a result with the loss told, or a refusal', () => {
    for (const bytes of [pipe, file]) {
      for (let length = 0; length < bytes.length; length++) {
        const lines = outcome(bytes.subarray(0, length));
        expect(typeof lines === 'string' || lines.length <= stacks.length).toBe(true);
      }
    }
  });

  test('flipped bits: never an exception but a refusal', () => {
    const bytes = [pipe, file];
    fc.assert(
      fc.property(
        fc.constantFrom(...bytes),
        fc.array(fc.tuple(fc.nat(), fc.nat(7)), { minLength: 1, maxLength: 6 }),
        fc.boolean(),
        (original, flips, afterHeader) => {
          const damaged = Buffer.from(original);
          const first = afterHeader ? 200 : 0;
          for (const [at, bit] of flips) damaged[first + (at % (damaged.length - first))] ^= 1 << bit;
          const result = outcome(damaged);
          // The same damage in other chunks does the same.
          expect(outcome(damaged, 7)).toEqual(result);
        },
      ),
      { numRuns: 3000 },
    );
  });

  /** Stacks, or the message of the refusal; anything else is a defect and is thrown. */
  function outcome(bytes: Uint8Array, chunk?: number): string[] | string {
    try {
      return stackLines(parse(bytes, {}, chunk));
    } catch (error) {
      if (error instanceof FailureError && error.failure.code === 'bad-data') return error.failure.message;
      throw error;
    }
  }
});

test('sample ids end side-band records only where the event says so', () => {
  const fields = { sampleType: PLAIN, flags: 0 };
  const untimed = record(3, 0, u32(7, 7), text('old perf'));
  expect(stackLines(parse(bytesOf(pipeHeader, attr(fields), untimed, sample(5, 7, [USER, 0x10]))))).toEqual([
    'old perf;10([unknown]) 1',
  ]);
  expect(SAMPLE_ID_ALL).toBe(1 << 18);
});
