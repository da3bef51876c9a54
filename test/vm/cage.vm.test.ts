// Cgroups around tools, kept by a real kernel.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { bootVm, type Vm } from './vm.js';

let directory: string;
let vm: Vm;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'perftrawl-cage-vm-'));
  const outfile = join(directory, 'cage.mjs');
  await build({
    entryPoints: [fileURLToPath(new URL('cage-main.ts', import.meta.url))],
    ...{ outfile, bundle: true, platform: 'node', target: 'node20', format: 'esm', logLevel: 'error' },
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
  });
  vm = await bootVm();
  await vm.put(outfile, '/opt/cage/cage.mjs');
});
afterAll(async () => {
  await vm?.stop();
  await rm(directory, { recursive: true, force: true });
});

it('memory and CPU are bound by the kernel, perf keeps its data, and nothing is left', async () => {
  const results = JSON.parse(await vm.need(['node', '/opt/cage/cage.mjs'], { timeout: 180_000 }));
  expect(results.outOfMemory).toMatchObject({ hasCage: true, killedBy: 'SIGKILL', wasStopped: false });
  expect(results.outOfMemory.end).toMatchObject({ wasOutOfMemory: true, cpu: expect.any(Number) });
  expect(results.throttled).toMatchObject({ passedDeadline: true, end: { wasOutOfMemory: false } });
  expect(results.throttled.path).toMatch(/^\/perftrawl-\d+-\d+$/);
  expect(results.throttled.periods).toBeGreaterThan(5);
  expect(results.perf).toMatchObject({ by: 'SIGINT', end: { wasOutOfMemory: false } });
  expect(results.perf.samples).toBeGreaterThan(0);
  expect(results.left).toEqual([]);
});
