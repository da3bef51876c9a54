// The cache of compiled modules: what comes out is what went in, or nothing.
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type BuiltModule, ModuleCache, sha256Of } from '../../../controller/jobs/module-cache.js';

let root: string;
let directory: string;
let now = 1_000_000;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'perftrawl-modules-'));
  directory = join(root, 'modules');
});
afterEach(() => rm(root, { recursive: true }));

const module = (text: string): BuiltModule => ({ bytes: Buffer.from(text), sha256: sha256Of(Buffer.from(text)) });
const cacheOf = (limits?: { maxFiles: number; maxBytes: number }) =>
  limits === undefined ? new ModuleCache(directory, () => now) : new ModuleCache(directory, () => now, limits);

describe('module cache', () => {
  it('gives back what it was given, for its owner alone, to other processes too', async () => {
    const cache = cacheOf();
    expect(await cache.find('ab')).toBeUndefined();
    await cache.put('ab', module('one'), 'pagefault-latency for 6.1.0');
    expect(await cacheOf().find('ab')).toEqual(module('one'));
    expect(await cache.find('cd')).toBeUndefined();
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    expect((await readdir(directory)).sort()).toEqual(['ab.json', 'ab.ko']);
    for (const name of await readdir(directory)) expect((await stat(join(directory, name))).mode & 0o777).toBe(0o600);
    expect(await readFile(join(directory, 'ab.json'), 'utf8')).toContain('pagefault-latency for 6.1.0');
  });

  it.each<[string, () => Promise<void>]>([
    ['cut off', () => truncate(join(directory, 'ab.ko'), 2)],
    ['exchanged', () => writeFile(join(directory, 'ab.ko'), 'two')],
    ['without its note', () => rm(join(directory, 'ab.json'))],
    ['with a note that is none', () => writeFile(join(directory, 'ab.json'), '{')],
    ['with the note of another', () => writeFile(join(directory, 'ab.json'), '{"sha256":"x","size":3,"about":""}')],
  ])('does not give a module that is %s, and takes a new one', async (_what, damage) => {
    const cache = cacheOf();
    await cache.put('ab', module('one'), '');
    await damage();
    expect(await cache.find('ab')).toBeUndefined();
    await cache.put('ab', module('one'), '');
    expect(await cache.find('ab')).toEqual(module('one'));
  });

  it('drops what was not used for the longest time', async () => {
    const cache = cacheOf({ maxFiles: 3, maxBytes: 1000 });
    for (const key of ['aa', 'bb', 'cc']) {
      now += 60_000;
      await cache.put(key, module(key), '');
    }
    now += 60_000;
    await cache.find('aa');
    now += 60_000;
    await cache.put('dd', module('dd'), '');
    const names = async () => (await readdir(directory)).filter((name) => name.endsWith('.ko')).sort();
    expect(await names()).toEqual(['aa.ko', 'cc.ko', 'dd.ko']);
    now += 60_000;
    await cache.put('ee', module('x'.repeat(2000)), '');
    expect(await readdir(directory)).toEqual(['ee.json', 'ee.ko']);
  });

  it('leaves other files alone', async () => {
    const cache = cacheOf({ maxFiles: 1, maxBytes: 1 });
    await cache.put('aa', module('aa'), '');
    await writeFile(join(directory, 'notes.txt'), 'mine');
    await cache.put('bb', module('bb'), '');
    expect((await readdir(directory)).sort()).toEqual(['bb.json', 'bb.ko', 'notes.txt']);
  });
});
