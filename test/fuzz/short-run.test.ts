// A short campaign against every parser, always with the same inputs; `npm run fuzz` runs long ones. And: does the fuzzer see anything?
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { bundleFuzzer } from './bundle.mjs';
import { runCampaign } from './campaign.js';
import { outcomeOf } from './outcome.js';
import { type FuzzTarget, promise } from './target.js';
import { TARGETS } from './targets.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
let directory: string;

beforeAll(async () => {
  await mkdir(join(root, 'build'), { recursive: true });
  directory = await mkdtemp(join(root, 'build', 'fuzz-test-'));
  await bundleFuzzer(build, directory);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

it.each(TARGETS.map(({ name }) => name))('%s: no crash, no hang, no exception, no growth', async (target) => {
  const program = join(directory, 'worker-main.mjs');
  const result = await runCampaign({ program, target, seed: 1, from: 0, inputs: 700, mostFinds: 3 });
  expect(result.finds).toEqual([]);
  expect(result.taken + result.refused).toBe(700);
});

it.each<[string, FuzzTarget['run']]>([
  ['an exception of the machine', (input) => void new Uint8Array(-input.length)],
  ['a broken promise', () => promise(false, 'x')],
  ['a defect that was told as a failure', () => void JSON.parse('{')],
])('sees %s', async (_what, run) => {
  const outcome = await outcomeOf({ name: 'x', grammar: 'bytes', seeds: () => [], run }, Buffer.from('abc'));
  expect(outcome.kind).toBe('find');
});

it.each([
  ['hang', 'hang: it does not end'],
  ['die', 'died: SIGKILL'],
  ['grow', 'memory'],
])('sees a process that would %s', async (how, words) => {
  const program = join(root, 'test', 'fuzz', 'broken-worker-main.mjs');
  const result = await runCampaign({ program, target: how, seed: 1, from: 0, inputs: 2, mostFinds: 1 });
  expect(result.finds).toMatchObject([{ index: 0, what: expect.stringContaining(words) }]);
});
