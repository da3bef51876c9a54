// Real child processes: how they end, what is kept of them, and that nothing of them stays.
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { describeEnd, runTool, startTool } from '../../agent/process.js';
import { FailureError } from '../../proto/failure.js';

const never = new AbortController().signal;

it('passes arguments as they are: no shell reads them', async () => {
  const hostile = ['$(reboot)', '; rm -rf /', '`id`', '*', "'"];
  const { stdout, code } = await runTool(['printf', '%s\\n', ...hostile], { signal: never });
  expect(stdout.split('\n').slice(0, -1)).toEqual(hostile);
  expect(code).toBe(0);
});

it('gives status, stderr and a clean environment', async () => {
  const script =
    'console.error("bad thing"); console.log(process.env.LC_ALL, process.env.SECRET ?? "none"); process.exit(3)';
  process.env.SECRET = 'x';
  const result = await runTool([process.execPath, '-e', script], { signal: never });
  delete process.env.SECRET;
  expect(result.stdout).toBe('C none\n');
  expect(result.code).toBe(3);
  expect(describeEnd(result)).toBe('exit status 3: bad thing');
});

it('keeps only the end of a long stderr, and the start of a long stdout', async () => {
  const script = 'process.stderr.write("a".repeat(1e6) + "END"); process.stdout.write("START" + "b".repeat(1e6))';
  const result = await runTool([process.execPath, '-e', script], { signal: never, maxOutput: 1000 });
  expect(result.stderr.length).toBe(64 * 1024);
  expect(result.stderr.endsWith('END')).toBe(true);
  expect(result.stdout.length).toBe(1000);
  expect(result.stdout.startsWith('START')).toBe(true);
});

it('says what is missing', async () => {
  const failure = await runTool(['/no/such/tool'], { signal: never }).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(FailureError);
  expect(failure).toMatchObject({ failure: { code: 'tool-missing', message: '/no/such/tool is not on this host' } });
});

it('stops with SIGINT, and with SIGKILL what ignores that, with all its children', async () => {
  const controller = new AbortController();
  // A group of two that both ignore SIGINT; the child tells its pid.
  const child = 'process.on("SIGINT", () => {}); setInterval(() => {}, 1000); console.log(process.pid)';
  const parent = `process.on("SIGINT", () => {}); require("child_process").spawn(process.execPath, ["-e", ${JSON.stringify(child)}], { stdio: "inherit" })`;
  const tool = await startTool([process.execPath, '-e', parent], { signal: controller.signal, grace: 200 });
  const childPid = await new Promise<number>((resolve) => tool.stdout.once('data', (text) => resolve(Number(text))));
  controller.abort();
  tool.stdout.resume();
  expect(await tool.done).toMatchObject({ signal: 'SIGKILL', wasStopped: true });
  expect(isRunning(childPid)).toBe(false);
});

it('lets a tool that handles SIGINT end in its own way', async () => {
  const script =
    'process.on("SIGINT", () => { console.log("flushed"); process.exit(0); }); console.log("ready"); setInterval(() => {}, 1000)';
  const controller = new AbortController();
  const tool = await startTool([process.execPath, '-e', script], { signal: controller.signal });
  const said: string[] = [];
  tool.stdout.on('data', (text) => {
    said.push(String(text));
    controller.abort();
  });
  expect(await tool.done).toMatchObject({ code: 0, wasStopped: true });
  expect(said.join('')).toBe('ready\nflushed\n');
});

it('ends what passes its deadline', async () => {
  const result = await runTool(['sleep', '100'], { signal: never, deadline: 50 });
  expect(result).toMatchObject({ signal: 'SIGINT', passedDeadline: true, wasStopped: false });
});

describe('output taken piece by piece', () => {
  let directory = '';
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'perftrawl-test-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  const script = `
    const { writeSync } = require('node:fs');
    for (let i = 0; i < 300; i++) writeSync(1, String(i).padStart(6) + '.'.repeat(9993) + '\\n');`;
  const wanted = Array.from({ length: 300 }, (_, i) => `${String(i).padStart(6)}${'.'.repeat(9993)}\n`).join('');

  it('comes whole and in order, also to a taker slower than the tool', async () => {
    const quick: Buffer[] = [];
    const slow: Buffer[] = [];
    const takers = {
      quick: (piece: Uint8Array) => {
        quick.push(Buffer.from(piece));
        return undefined;
      },
      slow: async (piece: Uint8Array) => {
        await nextTurn();
        slow.push(Buffer.from(piece));
      },
    };
    for (const take of Object.values(takers)) {
      const tool = await startTool([process.execPath, '-e', script], { signal: never, output: { directory, take } });
      await tool.taken;
      expect((await tool.done).code).toBe(0);
    }
    expect(Buffer.concat(quick).toString()).toBe(wanted);
    expect(Buffer.concat(slow).toString()).toBe(wanted);
  });

  it('needs a directory of any length, and leaves nothing there', async () => {
    const deep = join(directory, 'd'.repeat(150));
    await mkdir(deep);
    let bytes = 0;
    const take = (piece: Uint8Array) => {
      bytes += piece.length;
      return undefined;
    };
    const tool = await startTool([process.execPath, '-e', script], {
      signal: never,
      output: { directory: deep, take },
    });
    await tool.taken;
    expect(bytes).toBe(wanted.length);
    expect(await readdir(deep)).toEqual([]);
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('no such record');
      },
    ],
    ['rejects', () => Promise.reject(new Error('no such record'))],
  ])('ends the tool whose taker %s', async (_, take) => {
    const tool = await startTool(['yes'], { signal: never, output: { directory, take } });
    await expect(tool.taken).rejects.toThrow('no such record');
    expect((await tool.done).code).not.toBe(0);
  });

  it('says what is missing', async () => {
    const take = () => undefined;
    const started = startTool(['/no/such/tool'], { signal: never, output: { directory, take } });
    await expect(started).rejects.toMatchObject({ failure: { code: 'tool-missing' } });
  });
});

it('measures CPU time and memory, also of short runs', async () => {
  const script = 'const b = Buffer.alloc(80e6, 1); const end = Date.now() + 700; while (Date.now() < end) b[0]++';
  const busy = await runTool([process.execPath, '-e', script], { signal: never });
  expect(busy.cpu).toBeGreaterThan(100);
  expect(busy.peakMemoryBytes).toBeGreaterThan(80e6);
  const short = await runTool(['true'], { signal: never });
  expect(short.cpu).toBeLessThan(busy.cpu);
});

function isRunning(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.[0] !== 'Z';
  } catch {
    return false;
  }
}
