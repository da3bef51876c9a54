// The fold command at its edges: help, wrong usage, unreadable input, losses told.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attr, bytesOf, comm, PLAIN, pipeHeader, record, sample, USER, u64 } from '../perf/perf-stream.js';
import { foldIn } from './run-fold.js';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'perftrawl-fold-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const small = bytesOf(
  pipeHeader,
  attr({ sampleType: PLAIN, type: 1, config: 2 }),
  comm(1, 7, 7, 'app one'),
  sample(2, 7, [USER, 0x10, 0x20], { period: 4 }),
  record(2, 0, u64(1, 5), u64(0, 0)),
);

test('folds standard input and tells losses on standard error', async () => {
  const { status, stdout, stderr } = await foldIn(['-'], small);
  expect({ status, stdout }).toEqual({ status: 0, stdout: 'app_one;[unknown];[unknown] 4\n' });
  expect(stderr).toMatch(/^perftrawl fold: lost-events: 5 \(the ring buffer was full/m);
  expect((await foldIn(['-q', '-'], small)).stderr).toBe('');
});

test('an event that is not there gives nothing and says which there are', async () => {
  const { status, stdout, stderr } = await foldIn(['--event-filter=cycles', '-'], small);
  expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
  expect(stderr).toMatch(/no event is called cycles; there are: page-faults/);
});

test('help shows every option and examples', async () => {
  const { status, stdout } = await foldIn(['--help']);
  expect(status).toBe(0);
  for (const option of ['--event-filter', '--pid', '--tid', '--kernel', '--jit', '--all', '--addrs', 'Examples:']) {
    expect(stdout).toContain(option);
  }
  expect(await foldIn(['-h'])).toEqual({ status: 0, stdout, stderr: '' });
});

describe('refusals', () => {
  test.each([
    ['no file', [], /takes one file/],
    ['two files', ['a', 'b'], /takes one file/],
    ['an unknown option', ['--frobnicate', 'a'], /frobnicate/],
  ])('%s: wrong usage', async (_what, argv, message) => {
    const { status, stderr } = await foldIn(argv);
    expect(status).toBe(2);
    expect(stderr).toMatch(message);
  });

  test.each([
    ['missing', undefined, /there is no file/],
    ['empty', '', /is empty/],
    ['gzip', '\x1f\x8b\x08\0\0\0\0\0', /zcat/],
    ['an ELF file', '\x7fELF\x02\x01\x01\0', /not a recording/],
    ['big-endian', '2ELIFREP\0\0\0\0\0\0\0\x68', /big-endian/],
    ['cut off', 'PERFILE2', /ends inside its header/],
  ])('%s', async (name, content, message) => {
    const file = path.join(directory, name);
    if (content !== undefined) await writeFile(file, content, 'latin1');
    const { status, stdout, stderr } = await foldIn([file]);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(message);
  });

  test('a directory, empty standard input', async () => {
    expect((await foldIn([directory])).stderr).toMatch(/is a directory/);
    expect((await foldIn(['-'])).stderr).toMatch(/standard input is empty/);
  });
});
