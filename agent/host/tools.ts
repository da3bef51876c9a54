// Which tools a host has, where, and of which version.
import { access, constants } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';
import type { Tool } from '../../proto/capture.js';
import { fail } from '../../proto/failure.js';
import { runTool } from '../process.js';
import { type Distribution, installCommand } from './distribution.js';

const VERSION_DEADLINE_MS = 5000;

/** Absolute path of a program; '' when it is nowhere in `path`. */
export async function findProgram(name: string, path: string): Promise<string> {
  const candidates = isAbsolute(name) ? [name] : path.split(delimiter).map((directory) => join(directory || '/', name));
  for (const candidate of candidates) {
    if (await isExecutable(candidate)) return candidate;
  }
  return '';
}

/** A tool with its version; both '' when it is absent or does not start (Ubuntu's perf without linux-tools of this kernel). */
export async function describeTool(name: string, path: string, signal: AbortSignal): Promise<Tool> {
  if (path === '') return { name, version: '', path };
  const result = await runTool([path, '--version'], { signal, deadline: VERSION_DEADLINE_MS, maxOutput: 4096 });
  const version = /\d+(?:\.[\w-]+)+/.exec(result.stdout.split('\n')[0] ?? '')?.[0] ?? '';
  return { name, version: result.code === 0 ? version : '', path: result.code === 0 ? path : '' };
}

/** @throws FailureError `tool-missing` with the command that installs it */
export function requirePerf(path: string, distribution: Distribution): string {
  if (path !== '') return path;
  throw fail('tool-missing', 'perf is not on this host', installCommand('perf', distribution));
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
