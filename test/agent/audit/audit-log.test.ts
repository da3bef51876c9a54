// The audit log: whatever is changed, removed, added, reordered or cut is found; killed writers, several writers and full disks are not.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AuditLog, fileNames } from '../../../agent/audit/audit-log.js';
import { auditLines, verifyAudit } from '../../../agent/audit/audit-reader.js';
import { ChainCheck, chainLine, EMPTY_CHAIN, parseLine } from '../../../proto/audit-chain.js';

const WRITER = fileURLToPath(new URL('append-many.mjs', import.meta.url));
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'perftrawl-audit-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const open = (change: { fileBytes?: number; keep?: number; now?: () => number } = {}) =>
  AuditLog.open({ directory, now: Date.now, reachedBy: 'stdio', ...change });
const stop = (captureId: string) => ({ event: 'stop-asked', captureId, discard: false }) as const;
async function lines(): Promise<string[]> {
  const all: string[] = [];
  for await (const line of auditLines(directory)) all.push(line);
  return all;
}
async function write(count: number, log?: AuditLog): Promise<void> {
  const to = log ?? (await open());
  for (let index = 0; index < count; index++) await to.append(stop(`c${index}`));
}
async function onlyFile(): Promise<string> {
  const [name = ''] = await fileNames(directory);
  return join(directory, name);
}

describe('the chain', () => {
  it('holds what was written, by whom it was reached, and is whole', async () => {
    await write(3);
    expect((await lines()).map((line) => parseLine(line)?.fields)).toEqual([
      expect.objectContaining({ sequence: 1, event: 'stop-asked', captureId: 'c0', on: 'stdio' }),
      expect.objectContaining({ sequence: 2, captureId: 'c1' }),
      expect.objectContaining({ sequence: 3, captureId: 'c2' }),
    ]);
    expect(await verifyAudit(directory)).toMatchObject({ lines: 3, problems: [] });
  });

  it('shows every edit, removal, insertion, exchange and cut', () => {
    const texts: string[] = [];
    let end = EMPTY_CHAIN;
    for (let index = 0; index < 8; index++) {
      const next = chainLine(end, 1000 + index, stop(`c${index}`));
      texts.push(next.line);
      end = next.end;
    }
    const problems = (list: readonly string[]) => {
      const check = new ChainCheck();
      for (const line of list) check.push(line);
      return check.end(end).problems;
    };
    expect(problems(texts)).toEqual([]);
    const at = fc.integer({ min: 0, max: 7 });
    const change = fc.oneof(
      fc.tuple(at, fc.nat()).map(([index, where]) =>
        texts.map((line, position) => {
          const cut = where % line.length;
          return position === index
            ? `${line.slice(0, cut)}${line[cut] === '1' ? '2' : '1'}${line.slice(cut + 1)}`
            : line;
        }),
      ),
      at.map((index) => texts.filter((_, position) => position !== index)),
      fc.tuple(at, at).map(([from, to]) => texts.toSpliced(to, 0, texts[from] ?? '')),
      fc
        .tuple(at, at)
        .filter(([a, b]) => a !== b)
        .map(([a, b]) => texts.with(a, texts[b] ?? '').with(b, texts[a] ?? '')),
      fc.integer({ min: 1, max: 7 }).map((count) => texts.slice(0, -count)),
      fc.tuple(at, fc.nat()).map(([index, where]) => texts.with(index, (texts[index] ?? '').slice(0, where % 60))),
      fc.tuple(at, fc.string()).map(([index, text]) => texts.toSpliced(index, 0, text)),
    );
    // The first entry that is left may be any but the first of all: what is older can have been deleted after its time, which verifyAudit
    // holds against the entries that tell so.
    const isHead = (list: readonly string[]) =>
      list.length === 7 && list.every((line, index) => line === texts[index + 1]);
    fc.assert(
      fc.property(change, (list) => {
        if (!isHead(list)) expect(problems(list)).not.toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  it('notices that its beginning was taken away', async () => {
    await write(4);
    const path = await onlyFile();
    const text = await readFile(path, 'utf8');
    await writeFile(path, text.slice(text.indexOf('\n') + 1));
    expect((await verifyAudit(directory)).problems).toEqual([expect.stringMatching(/begins at entry 2, but/)]);
  });

  it('notices that its end was cut off, also after more was written', async () => {
    await write(4);
    const path = await onlyFile();
    const text = await readFile(path, 'utf8');
    await truncate(path, text.lastIndexOf('\n', text.length - 2) + 1);
    expect((await verifyAudit(directory)).problems).toEqual([expect.stringMatching(/ends at 3, but 4 entries/)]);
    await write(1);
    expect((await verifyAudit(directory)).problems).toEqual([expect.stringMatching(/entry 5 follows entry 3/)]);
    await rm(path);
    await write(1);
    expect((await verifyAudit(directory)).problems).toEqual([expect.stringMatching(/begins at entry 6/)]);
  });
});

describe('files', () => {
  it('follow each other in one chain, and old ones go with a word', async () => {
    const log = await open({ fileBytes: 600 });
    await write(20, log);
    const before = await fileNames(directory);
    expect(before.length).toBeGreaterThan(4);
    expect(await verifyAudit(directory)).toMatchObject({ lines: 20, problems: [] });
    for (const name of before.slice(0, 3)) await utimes(join(directory, name), 1, 1);
    await write(6, log);
    const after = await fileNames(directory);
    expect(after).not.toContain(before[2]);
    expect(after).toContain(before[3]);
    const upTo = Number.parseInt(before[3] ?? '', 10) - 1;
    expect((await lines()).map((line) => parseLine(line)?.fields.upTo)).toContain(upTo);
    expect((await verifyAudit(directory)).problems).toEqual([]);
    await rm(join(directory, before[3] ?? ''));
    expect((await verifyAudit(directory)).problems).toEqual([expect.stringMatching(/log begins at entry/)]);
  });
});

describe('a writer', () => {
  it('that was killed within a line leaves a torn one, which the next tells', async () => {
    await write(2);
    for (const rest of [
      '{"sequence":3,"ti',
      '{"sequence":3,"time":1,"event":"stop-asked","before":"x"}',
      'ä'.slice(0, 1),
    ]) {
      await appendFile(await onlyFile(), rest);
      await write(1);
    }
    await appendFile(await onlyFile(), Buffer.from('ä').subarray(0, 1));
    await write(1);
    expect((await verifyAudit(directory)).problems).toEqual([]);
    expect((await lines()).filter((line) => parseLine(line)?.event === 'torn')).toHaveLength(4);
    const path = await onlyFile();
    await writeFile(path, (await readFile(path, 'utf8')).replace('{"sequence":3,"ti\n', '{"sequence":3,"to\n'));
    expect((await verifyAudit(directory)).problems).not.toEqual([]);
  });

  it('is one of several processes, some of which are killed', async () => {
    const children = ['a', 'b', 'c', 'victim'].map((name) => ({
      name,
      child: spawn(process.execPath, [WRITER, directory, name, name === 'victim' ? '10000' : '15'], {
        stdio: ['ignore', 'pipe', 'inherit'],
      }),
    }));
    const victim = children.find(({ name }) => name === 'victim');
    let told = 0;
    victim?.child.stdout.on('data', (data: Buffer) => {
      told += data.toString().split('\n').length - 1;
      if (told >= 5) victim.child.kill('SIGKILL');
    });
    await Promise.all(children.map(({ child }) => once(child, 'exit')));
    await write(1);
    expect((await verifyAudit(directory)).problems).toEqual([]);
    const ids = (await lines()).map((line) => String(parseLine(line)?.fields.captureId));
    for (const name of ['a', 'b', 'c']) expect(ids.filter((id) => id.startsWith(`${name}-`))).toHaveLength(15);
    expect(ids.filter((id) => id.startsWith('victim-')).length).toBeGreaterThanOrEqual(told);
  }, 60_000);

  it('on a full disk says so, and goes on once there is room', async () => {
    const mount = join(directory, 'small');
    await mkdir(mount);
    expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', mount]).status).toBe(0);
    try {
      const log = await AuditLog.open({ directory: mount, now: Date.now, reachedBy: 'stdio' });
      await log.append(stop('first'));
      await writeFile(join(mount, 'ballast'), Buffer.alloc(60_000)).catch(() => undefined);
      const long = { ...stop('x'.repeat(20_000)) };
      await expect(log.append(long)).rejects.toMatchObject({ failure: { code: 'exhausted' } });
      await rm(join(mount, 'ballast'));
      await log.append(stop('last'));
      expect((await verifyAudit(mount)).problems).toEqual([]);
      expect(await readdir(mount)).toContain('head');
    } finally {
      expect(spawnSync('umount', [mount]).status).toBe(0);
    }
  });
});
