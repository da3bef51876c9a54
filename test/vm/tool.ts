// Run one program of this machine to its end, bounded, without a shell.
import { spawn } from 'node:child_process';

export interface ToolOptions {
  /** Milliseconds; then the program is killed and the promise rejects. */
  readonly timeout: number;
  readonly cwd?: string;
  readonly stdin?: Buffer;
  readonly env?: NodeJS.ProcessEnv;
}

/** How a program ended. A signal counts as status 128 + its number, as in a shell. */
export interface ToolResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

const SIGNAL_BASE = 128;
const SIGKILL_NUMBER = 9;

/** @throws Error when the program cannot be started or takes too long; not when it fails */
export function runTool(command: string, args: readonly string[], options: ToolOptions): Promise<ToolResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, [...args], {
      stdio: 'pipe',
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.env === undefined ? {} : { env: options.env }),
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      child.kill('SIGKILL');
    }, options.timeout);
    child.stdout.on('data', (part: Buffer) => out.push(part));
    child.stderr.on('data', (part: Buffer) => err.push(part));
    // The program may end without reading its input: its status tells why.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.stdin);
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(new Error(`cannot run ${command}: ${error.message}`));
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      const stdout = Buffer.concat(out).toString('utf8');
      const stderr = Buffer.concat(err).toString('utf8');
      if (isLate) reject(new Error(`${shown(command, args)} took more than ${options.timeout / 1000} s\n${stderr}`));
      else resolve({ status: code ?? SIGNAL_BASE + SIGKILL_NUMBER, stdout, stderr });
    });
  });
}

/** Its stdout. @throws Error with the end of its stderr when it fails */
export async function needTool(command: string, args: readonly string[], options: ToolOptions): Promise<string> {
  const { status, stdout, stderr } = await runTool(command, args, options);
  if (status === 0) return stdout;
  throw new Error(`${shown(command, args)} ended with ${status}\n${(stderr || stdout).slice(-3000)}`);
}

function shown(command: string, args: readonly string[]): string {
  return [command, ...args].join(' ').slice(0, 300);
}
