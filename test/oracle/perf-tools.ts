// The tools that judge our results, run as they are: perf, and the stand-in of the classic collapse script.
import { execFile, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { access } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Longest that a tool may take, in milliseconds. */
const toolTimeout = 240_000;

/** Run a tool to its end and give its stdout as bytes; throws with the end of its stderr when it fails. */
export async function output(command: string, args: readonly string[], cwd?: string): Promise<Buffer> {
  const { stdout } = await run(command, [...args], {
    ...(cwd === undefined ? {} : { cwd }),
    encoding: 'buffer',
    maxBuffer: 1 << 30,
    timeout: toolTimeout,
  });
  return stdout;
}

/**
 * Write the text of `perf script --no-inline -i perfData ...args` to the file `to`; gives that path.
 * @param args such as `['-F', '+pid']`
 */
export async function writePerfScript(perfData: string, to: string, args: readonly string[] = []): Promise<string> {
  const child = spawn('perf', ['script', '--no-inline', '-i', perfData, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: toolTimeout,
  });
  const complaints: Buffer[] = [];
  child.stderr.on('data', (part: Buffer) => complaints.push(part));
  const ended = new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve));
  await pipeline(child.stdout, createWriteStream(to));
  const status = await ended;
  if (status !== 0) {
    throw new Error(`perf script of ${perfData} ended with ${status}: ${Buffer.concat(complaints).toString('utf8')}`);
  }
  return to;
}

/**
 * Folded stacks of a `perf script` text file by the stand-in of the classic script, sorted by bytes.
 * @param args such as `['--pid', '--kernel']`
 */
export async function collapse(scriptTextFile: string, args: readonly string[] = []): Promise<string> {
  const script = fileURLToPath(new URL('collapse.pl', import.meta.url));
  return (await output('perl', [script, ...args, scriptTextFile])).toString('utf8');
}

/** Make the kernel's tracepoints visible, which fresh containers leave undone. Needs root where it is not done yet. */
export async function mountTracefs(): Promise<void> {
  try {
    await access('/sys/kernel/tracing/events');
  } catch {
    await output('mount', ['-t', 'tracefs', 'nodev', '/sys/kernel/tracing']);
  }
}
