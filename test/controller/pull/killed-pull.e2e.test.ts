// `perftrawl pull` killed with SIGKILL in the middle of a large file, again and again: the next one goes on there, and the end is the same.
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createApp, type LocalApp } from '../../../controller/app.js';
import type { ArtifactPart } from '../../../proto/capture.js';
import { drawProfile } from '../../profile/draw-profile.js';
import { FakeAgent, finished, profileLog } from '../fake-agent.js';
import { RECORD } from '../specs.js';
import { type TlsFleet, tlsFleet } from '../tls-fleet.js';
import { filesBelow } from './pulled-app.js';

const perftrawl = fileURLToPath(new URL('../../../bin/perftrawl', import.meta.url));
const size = 24 * 1024 ** 2;
const block = 256 * 1024;
const data = Buffer.alloc(size, 'perf.data of some megabytes; ');
for (let at = 0; at < size; at += 4099) data[at] = at % 251;
const sha256 = createHash('sha256').update(data).digest('hex');

/** Gives its file in blocks, and stops at the gate until somebody opens it. */
class GatedAgent extends FakeAgent {
  readonly offsets: number[] = [];
  /** Byte from which on nothing is given; whoever waits for it to be reached is told. */
  gate = Number.POSITIVE_INFINITY;
  onGate: () => void = () => undefined;

  override async *fetchArtifact(_id: string, name: string, offset: number): AsyncGenerator<ArtifactPart> {
    if (name !== 'perf.data') {
      yield {
        data: Buffer.from('stacks'),
        end: { size: 6, sha256: createHash('sha256').update('stacks').digest('hex') },
      };
      return;
    }
    this.offsets.push(offset);
    for (let at = offset; at < size; at += block) {
      if (at >= this.gate) {
        this.onGate();
        await new Promise(() => undefined);
      }
      yield { data: data.subarray(at, at + block) };
    }
    yield { data: new Uint8Array(), end: { sha256, size } };
  }
}

let fleet: TlsFleet;
let app: LocalApp;
let agent: GatedAgent;
const children: ChildProcess[] = [];

beforeAll(async () => {
  fleet = await tlsFleet();
  agent = new GatedAgent(async ({ emit }) => {
    const artifact = { name: 'perf.data', size, sha256, mediaType: 'application/x-perf-data' };
    emit(...profileLog(drawProfile('main;touch 5')).slice(0, -1), { kind: 'artifact', artifact }, finished);
  });
  await fleet.writeInventory([await fleet.serve('web1', agent)]);
  const [dataDir, configDir] = [join(fleet.directory, 'data'), fleet.directory];
  app = await createApp({ dataDir, configDir, agentCommand: ['/nonexistent'] });
  const { id } = await app.submit({
    ...{ spec: { ...RECORD, keepRaw: true }, hosts: app.hosts(''), selectorText: '', requester: 'me@here' },
    ...{ maxParallel: 1, grace: 30_000, note: '' },
  });
  const job = await app.run(id, { signal: new AbortController().signal, onEvent: () => undefined });
  expect(job.state).toBe('succeeded');
}, 60_000);
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await app.close();
  await fleet.close();
});

function start(...args: string[]): { readonly child: ChildProcess; readonly ended: Promise<number | null> } {
  const env = { ...process.env, PERFTRAWL_DATA: join(fleet.directory, 'data'), PERFTRAWL_CONFIG: fleet.directory };
  const child = spawn(process.execPath, [perftrawl, ...args], { env, stdio: ['ignore', 'ignore', 'inherit'] });
  children.push(child);
  return { child, ended: once(child, 'exit').then(([code]) => code as number | null) };
}

it('is gone on with at the byte where it was, and ends as if nothing had been', { timeout: 300_000 }, async () => {
  const out = join(fleet.directory, 'out');
  const { id } = await app.job('last');
  const part = join(out, id, 'hosts/web1/raw/perf.data.part');
  const sizes: number[] = [];
  for (const gate of [8, 40, 80]) {
    agent.gate = gate * block;
    const reached = new Promise<void>((resolve) => {
      agent.onGate = resolve;
    });
    const { child, ended } = start('pull', 'last', '-o', out);
    await reached;
    // What was sent has not all been written yet; the rest of the pull is done when the other parts are in the journal.
    await expect.poll(() => sizeOf(part), { timeout: 30_000, interval: 20 }).toBeGreaterThan(sizes.at(-1) ?? 0);
    child.kill('SIGKILL');
    await ended;
    sizes.push(await sizeOf(part));
    expect(await sizeOf(join(out, 'manifest.json'))).toBe(0);
  }
  agent.gate = Number.POSITIVE_INFINITY;
  expect(await start('pull', 'last', '-o', out).ended).toBe(0);
  expect(agent.offsets).toEqual([0, ...sizes]);
  // Not toEqual: that takes minutes for so many bytes.
  expect((await readFile(part.replace(/\.part$/, ''))).equals(data)).toBe(true);

  const straight = join(fleet.directory, 'straight');
  expect(await start('pull', 'last', '-o', straight).ended).toBe(0);
  const files = await filesBelow(straight);
  expect(await filesBelow(out)).toEqual(files);
  for (const file of files.filter((name) => !/^(manifest\.json|SHA256SUMS)$/.test(name))) {
    expect((await readFile(join(out, file))).equals(await readFile(join(straight, file))), file).toBe(true);
  }
  expect(await start('verify', out).ended).toBe(0);
});

function sizeOf(file: string): Promise<number> {
  return stat(file).then(
    (stats) => stats.size,
    () => 0,
  );
}
