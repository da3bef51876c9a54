// Modules that were compiled elsewhere: how they come, what is refused, and that they run.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { CaptureService } from '../../../agent/capture-service.js';
import { defaultPolicy } from '../../../agent/policy/policy.js';
import { ModuleStore } from '../../../agent/stap/module-store.js';
import type { ModuleUpload } from '../../../proto/capture.js';
import { all, capture, never, the } from '../capture/live-host.js';
import { FakeStapHost, RELEASE, scriptThat, stapOf } from './fake-stap.js';
import { moduleElf } from './module-elf.js';

const NAME = 'perftrawl_0123456789abcdef0123456789abcdef';
const script = scriptThat({ do: 'arguments' });
let host: FakeStapHost;
let service: CaptureService;

beforeEach(async () => {
  host = await FakeStapHost.create();
  service = await host.service();
});
afterEach(async () => {
  await host.dispose();
});

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const partOf = (bytes: Buffer, offset: number, length: number, change: Partial<ModuleUpload> = {}): ModuleUpload => ({
  sha256: sha256(bytes),
  size: bytes.length,
  offset,
  data: bytes.subarray(offset, offset + length),
  ...change,
});
const put = (bytes: Buffer) => service.putModule(partOf(bytes, 0, bytes.length));
const failureOf = async (bytes: Buffer, variant = '') => {
  const module = { sha256: sha256(bytes), size: bytes.length, variant };
  return the(await capture(service, `c${Math.random()}`, stapOf(script, { module })), 'done').failure;
};

it('comes in parts, is told how far it is, and runs without a compiler', async () => {
  const bytes = moduleElf(NAME, RELEASE, `\n${script.text}`);
  expect(await service.putModule(partOf(bytes, 0, 0))).toBe(0);
  expect(await service.putModule(partOf(bytes, 0, 500))).toBe(500);
  // Another agent process, or this one after a lost connection.
  const again = await host.service();
  expect(await again.putModule(partOf(bytes, 0, 0))).toBe(500);
  expect(await again.putModule(partOf(bytes, 700, 100))).toBe(500);
  expect(await again.putModule(partOf(bytes, 500, bytes.length))).toBe(bytes.length);
  expect(await again.putModule(partOf(bytes, 0, 0))).toBe(bytes.length);
  const module = { sha256: sha256(bytes), size: bytes.length, variant: '' };
  const events = await capture(service, 'prebuilt', stapOf(script, { module }));
  expect(all(events, 'state').map(({ state }) => state)).toEqual(['resolving', 'running']);
  expect(the(events, 'done')).toMatchObject({
    outcome: 'finished',
    commandLines: [expect.stringContaining(`${NAME}.ko`)],
  });
  const args: string[] = JSON.parse(all(events, 'text')[0]?.lines[0]?.text ?? '');
  expect(args).toContain('perftrawl_duration_ms=5000');
});

it('two who send the same one at once do not disturb each other', async () => {
  const bytes = moduleElf(NAME, RELEASE, 'x'.repeat(200_000));
  const send = async () => {
    for (let offset = 0; offset < bytes.length; ) offset = await service.putModule(partOf(bytes, offset, 9000));
  };
  await Promise.all([send(), send(), send()]);
  expect((await readFile(join(host.state, 'stap/uploaded', `${sha256(bytes)}.ko`))).equals(bytes)).toBe(true);
});

it.each<[string, Partial<ModuleUpload>, string, RegExp]>([
  ['a name that is a path', { sha256: `../../${'a'.repeat(58)}` }, 'bad-request', /SHA-256/],
  ['no size', { size: 0 }, 'bad-request', /of 0 bytes/],
  ['too large a size', { size: 64 * 1024 * 1024 + 1 }, 'bad-request', /1 to 67108864/],
  ['a part behind the end', { offset: 1e6 }, 'bad-request', /from 1000000/],
  ['a negative offset', { offset: -1 }, 'bad-request', /from -1/],
  ['too large a part', { size: 1e6, data: new Uint8Array(512 * 1024 + 1) }, 'bad-request', /more than 524288/],
  ['another content', { sha256: 'b'.repeat(64) }, 'bad-data', /arrived with SHA-256/],
])('refuses %s', async (_what, change, code, message) => {
  const bytes = moduleElf(NAME, RELEASE);
  const upload = service.putModule(partOf(bytes, 0, bytes.length, change));
  await expect(upload).rejects.toMatchObject({ failure: { code, message: expect.stringMatching(message) } });
  const left = await readdir(join(host.state, 'stap/uploaded')).catch(() => []);
  expect(left).toEqual([]);
});

it.each([
  ['no ELF file', Buffer.from('#!/bin/sh\nreboot\n'), /not an ELF file/],
  ['a module of somebody else', moduleElf('rootkit', RELEASE), /its name is "rootkit"/],
  ['a module without a name', moduleElf('', RELEASE), /has no name/],
  ['a name that is a path', moduleElf('perftrawl_/../../etc/x', RELEASE), /its name is/],
])('refuses %s', async (_what, bytes, message) => {
  await expect(put(bytes)).rejects.toMatchObject({
    failure: { code: 'bad-data', message: expect.stringMatching(message) },
  });
});

it('does not load what is for another kernel, not here, or was damaged here', async () => {
  const other = moduleElf(NAME, '5.14.0-1.el9.x86_64', script.text);
  await put(other);
  expect(await failureOf(other)).toMatchObject({
    code: 'refused',
    message: expect.stringMatching(/kernel 5\.14\.0-1\.el9\.x86_64, this host runs 6\.1/),
  });
  const bytes = moduleElf(NAME, RELEASE, script.text);
  expect(await failureOf(bytes)).toMatchObject({ code: 'not-found', remedy: 'send it again' });
  await put(bytes);
  const path = join(host.state, 'stap/uploaded', `${sha256(bytes)}.ko`);
  await writeFile(path, Buffer.alloc(bytes.length));
  expect(await failureOf(bytes)).toMatchObject({ code: 'bad-data', message: expect.stringMatching(/damaged/) });
  await truncate(path, 10);
  expect(await failureOf(bytes)).toMatchObject({ code: 'not-found' });
});

it('takes none where the policy says so', async () => {
  service = await host.service(defaultPolicy(true));
  await expect(put(moduleElf(NAME, RELEASE))).rejects.toMatchObject({
    failure: { code: 'refused', remedy: expect.stringContaining('"modules: allow"') },
  });
});

it('keeps those used last', async () => {
  const directory = join(host.directory, 'store');
  const store = new ModuleStore(directory, { bytes: 250, files: 3 });
  const keys = ['aa', 'bb', 'cc', 'dd'];
  for (const [index, key] of keys.entries()) {
    const from = join(host.directory, key);
    await writeFile(from, Buffer.alloc(80));
    await utimes(from, 1000 + index, 1000 + index);
    if (key === 'dd') await store.linkTo('aa', join(host.directory, 'used'));
    await store.adopt(key, from);
  }
  expect((await readdir(directory)).sort()).toEqual(['aa.ko', 'cc.ko', 'dd.ko']);
  await writeFile(join(host.directory, 'big'), Buffer.alloc(240));
  await store.adopt('ee', join(host.directory, 'big'));
  expect(await readdir(directory)).toEqual(['ee.ko']);
  expect(await store.linkTo('aa', join(host.directory, 'gone'))).toBe(false);
});

it('is compiled for another host in parts, from the cache the second time', async () => {
  const { stap: plan } = await service.preflight(stapOf(script), never);
  if (plan === undefined) throw new Error('no plan');
  const build = async () => {
    const parts: Uint8Array[] = [];
    for await (const { data, end } of service.buildModule({ spec: stapOf(script), plan }, never)) {
      parts.push(data);
      if (end !== undefined)
        expect(end).toEqual({ sha256: sha256(Buffer.concat(parts)), size: Buffer.concat(parts).length });
    }
    return Buffer.concat(parts);
  };
  expect((await build()).toString()).toBe(script.text);
  expect((await build()).toString()).toBe(script.text);
  expect((await readFile(join(host.root, 'compiled'), 'utf8')).trim().split('\n')).toHaveLength(1);
});

it('stops to compile when nobody waits for it any more', async () => {
  const spec = stapOf(scriptThat({ do: 'compile-for-ever' }));
  const { stap: plan } = await service.preflight(spec, never);
  if (plan === undefined) throw new Error('no plan');
  const caller = new AbortController();
  const parts = service.buildModule({ spec, plan }, caller.signal);
  const first = parts.next();
  while (!existsSync(join(host.root, 'compiled'))) await nextTurn();
  caller.abort();
  await expect(first).rejects.toMatchObject({ failure: { code: 'cancelled' } });
  expect(await readdir(join(host.state, 'stap/cache'))).toEqual(['cache']);
});

it.each([
  [{ kernelRelease: '5.4.0-other' }, 'not-found', /headers of kernel 5\.4\.0-other/],
  [{ kernelRelease: '../../etc' }, 'bad-request', /no kernel release/],
  [{ kernelRelease: '-r6' }, 'bad-request', /no kernel release/],
  [{ kernelBuildId: 'zz' }, 'bad-request', /no build ID/],
  [{ machine: 'sparc64' }, 'refused', /not for sparc64/],
])('does not compile for %j', async (change, code, message) => {
  const { stap: plan } = await service.preflight(stapOf(script), never);
  if (plan === undefined) throw new Error('no plan');
  const parts = service.buildModule({ spec: stapOf(script), plan: { ...plan, ...change } }, never);
  await expect(parts.next()).rejects.toMatchObject({ failure: { code, message: expect.stringMatching(message) } });
});
