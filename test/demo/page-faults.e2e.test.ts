// `npm start` on this machine: it succeeds, its results hold what the workload does, and nothing it started is left.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const demo = fileURLToPath(new URL('../../demo/page-faults.mjs', import.meta.url));

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'perftrawl-demo-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true, maxRetries: 5 });
});

/** Run the demo; `onOutput` sees all that was printed so far and may send a signal. */
async function runDemo(onOutput: (text: string, interrupt: () => void) => void = () => undefined) {
  const child = spawn(process.execPath, [demo, join(directory, 'demo')], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (part) => {
      output += part;
      onOutput(output, () => child.kill('SIGINT'));
    });
  }
  const [code] = await once(child, 'close');
  const pids = [...output.matchAll(/: pid (\d+)/g)].map(([, pid]) => Number(pid));
  return { code, output, pids };
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe('the demo', () => {
  it('finds the page faults of its workload on three hosts', async () => {
    const { code, output, pids } = await runDemo();
    expect(output).not.toMatch(/^demo: /m);
    expect(code).toBe(0);
    const folded = await readFile(join(directory, 'demo', 'page-faults.folded'), 'utf8');
    expect(folded).toMatch(/^touch-memory;.*main;serve_query;load_table;touch_page/m);
    expect(folded).toMatch(/^touch-memory;.*loadImage/m);
    const svg = await readFile(join(directory, 'demo', 'page-faults.svg'), 'utf8');
    expect(svg).toContain('load_table');
    const report = await readFile(join(directory, 'demo', 'page-faults.html'), 'utf8');
    for (const part of ['minor-faults', 'load_table', 'db2', 'pagefault-latency']) expect(report).toContain(part);
    for (const host of ['workstation', 'db1', 'db2']) expect(output).toMatch(new RegExp(`${host} +succeeded`));
    expect(pids).toHaveLength(4);
    expect(pids.filter(isAlive)).toEqual([]);
  });

  it('ends all that it started on Ctrl-C', async () => {
    let isInterrupted = false;
    const { code, pids } = await runDemo((text, interrupt) => {
      if (isInterrupted || !/workstation: running/.test(text)) return;
      isInterrupted = true;
      interrupt();
    });
    expect(code).toBe(130);
    expect(pids).toHaveLength(4);
    expect(pids.filter(isAlive)).toEqual([]);
  });
});
