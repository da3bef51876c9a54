// The pprof export, read back by an independent decoder and by Google's own Go package (Debian: golang-go,
// golang-github-google-pprof-dev).
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ProfileBuilder } from '../../../profile/profile-builder.js';
import { samplesOf, weightOf } from '../../../profile/sample-type.js';
import { buildPprofOracle } from '../../oracle/pprof-oracle.js';
import { drawProfile } from '../../profile/draw-profile.js';
import { readPprof } from './read-pprof.js';
import { written } from './written.js';

const run = promisify(execFile);
let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'perftrawl-pprof-'));
});
afterAll(() => rm(folder, { recursive: true }));

const PROFILE = drawProfile(
  `
  main;parse;read@[kernel.kallsyms] 30
  main;parse 20
  main;parse;parse;outer>inner 4
  {comm=java_vm pid=7 tid=8 host=h1} run;?0x1f@/lib/libc.so.6 120/3
  {comm=java_vm pid=7 tid=9 host=h1} run;?0xffffffff81000010@- 9/1
  `,
  {
    startTime: 1_700_000_000_123,
    duration: 5000,
    comments: ['perf record -e page-faults'],
    losses: [{ kind: 'lost-events', count: 12, detail: 'on h1' }],
  },
);

test('everything that pprof has a place for is there', () => {
  expect(readPprof(written('pprof', PROFILE))).toEqual({
    sampleTypes: ['samples:page-faults/count', 'page-faults/count'],
    totals: [58, 183],
    defaultSampleType: 'page-faults',
    stacks: [
      'main;parse;read 30',
      'main;parse 20',
      'main;parse;parse;outer;inner 4',
      'run;?0x1f 120',
      'run;?0xffffffff81000010 9',
    ],
    comments: ['perf record -e page-faults', 'loss: 12 events lost: on h1'],
    labels: ['comm="app"', 'comm="java vm"', 'host="h1"', 'pid=7', 'tid=8', 'tid=9'],
    mappings: ['/bin/app  0-0x1051 named', '[kernel.kallsyms]  0-0x1021 named', '/lib/libc.so.6  0-0x20'],
    timeNanos: 1_700_000_000_123_000_000n,
    durationNanos: 5_000_000_000n,
  });
});

test('build ids, weights of 2^53 - 1 and names of any letters come through whole', () => {
  const builder = new ProfileBuilder([samplesOf('cycles'), weightOf('cycles')]);
  const name = '日本<script>\u0000;\n"';
  const location = builder.location(builder.mapping('/bin/a b', 'deadbeef'), 0xffffffff, 0x7fff, [
    { function: builder.function(name), line: 3 },
  ]);
  const sample = builder.sample(builder.stack(-1, location), builder.labelSet([]));
  builder.add(sample, 1, Number.MAX_SAFE_INTEGER);
  expect(readPprof(written('pprof', builder.freeze()))).toMatchObject({
    totals: [0, Number.MAX_SAFE_INTEGER],
    stacks: [`${name} ${Number.MAX_SAFE_INTEGER}`],
    mappings: ['/bin/a b deadbeef 0-0x800000000000 named'],
  });
});

test('the empty profile is a file too', () => {
  expect(readPprof(written('pprof', drawProfile('')))).toMatchObject({ totals: [0, 0], stacks: [] });
});

test('Google’s pprof reads it, finds it valid and counts the same', async () => {
  const file = join(folder, 'profile.pb.gz');
  await writeFile(file, written('pprof', PROFILE));
  const found = JSON.parse((await run(await buildPprofOracle(folder), [file])).stdout);
  expect(found).toMatchObject({
    sampleTypes: ['samples:page-faults/count', 'page-faults/count'],
    default: 'page-faults',
    totals: [58, 183],
    stacks: {
      'main;parse;read': 30,
      'main;parse': 20,
      'main;parse;parse;outer;inner': 4,
      'run;?0x1f': 120,
      'run;?0xffffffff81000010': 9,
    },
    labels: ['comm=app', 'comm=java vm', 'host=h1', 'pid:[7]', 'tid:[8]', 'tid:[9]'],
    mappings: [
      '/bin/app  0-4177 functions=true inlines=true',
      '[kernel.kallsyms]  0-4129 functions=true inlines=false',
      '/lib/libc.so.6  0-32 functions=false inlines=false',
    ],
    comments: ['perf record -e page-faults', 'loss: 12 events lost: on h1'],
  });
});
