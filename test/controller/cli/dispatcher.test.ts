// bin/perftrawl in a tree of its own: who gets the arguments, what it says before anything is built, and what `| head` does to it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const bin = fileURLToPath(new URL('../../../bin/', import.meta.url));

let tree: string;

beforeEach(async () => {
  tree = await mkdtemp(join(tmpdir(), 'perftrawl-bin-'));
  await mkdir(join(tree, 'bin'));
  for (const file of ['perftrawl', 'package.json']) await copyFile(join(bin, file), join(tree, 'bin', file));
  await writeFile(join(tree, 'package.json'), '{ "type": "module" }');
});
afterEach(async () => {
  await rm(tree, { recursive: true, force: true });
});

async function build(file: string, source: string): Promise<void> {
  await mkdir(dirname(join(tree, file)), { recursive: true });
  await writeFile(join(tree, file), source);
}

/** @param readsOutput false: its reader goes away at the first byte */
async function run(args: readonly string[], readsOutput = true) {
  const child = spawn(process.execPath, [join(tree, 'bin', 'perftrawl'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (part) => {
    stdout += part;
    if (!readsOutput) child.stdout.destroy();
  });
  child.stderr.on('data', (part) => {
    stderr += part;
  });
  const [code] = await once(child, 'close');
  return { code, stdout, stderr };
}

const BUNDLE = `
const tell = (name) => async (argv, io) => { io.stdout.write(JSON.stringify({ name, argv })); return 7; };
export const runAgent = tell('agent');
export const runFold = tell('fold');
`;

describe('bin/perftrawl', () => {
  it.each([['--help'], ['fold', 'perf.data'], ['agent', '--stdio']])('says how to build it: %s', async (...args) => {
    const { code, stdout, stderr } = await run(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(`cd '${tree}' && npm run setup`);
  });

  it.each(['agent', 'fold'])('gives `%s` to the bundle, with its arguments and its exit code', async (name) => {
    await build('dist/bundle/agent.mjs', BUNDLE);
    const { code, stdout } = await run([name, '--all', '; x']);
    expect(code).toBe(7);
    expect(JSON.parse(stdout)).toEqual({ name, argv: ['--all', '; x'] });
  });

  it('gives everything else to the controller', async () => {
    await build(
      'dist/controller/cli/main.js',
      'console.log(JSON.stringify(process.argv.slice(2))); process.exitCode = 3;',
    );
    const { code, stdout } = await run(['show', 'fold']);
    expect(code).toBe(3);
    expect(JSON.parse(stdout)).toEqual(['show', 'fold']);
  });

  it('ends quietly when the reader of `fold` goes away', async () => {
    const endless = `
      const write = (stream) => new Promise((resolve, reject) => stream.write('main;touch 1\\n'.repeat(10000), (error) => error ? reject(error) : resolve()));
      export async function runFold(argv, io) {
        try {
          for (;;) await write(io.stdout);
        } catch (error) {
          io.stderr.write('cannot write');
          return 1;
        }
      }
    `;
    await build('dist/bundle/agent.mjs', endless);
    const { code, stderr } = await run(['fold', '-'], false);
    expect({ code, stderr }).toEqual({ code: 141, stderr: '' });
  });
});
