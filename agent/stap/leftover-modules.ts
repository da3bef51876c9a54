// Modules whose staprun is gone: unloaded at the agent's start and after each capture, so that nothing outlives its capture.
import type { HostFiles } from '../host/host-files.js';
import type { Machine } from '../host/machine.js';
import { runTool } from '../process.js';
import { type LoadedModule, loadedModules } from './module-name.js';

const UNLOAD_DEADLINE_MS = 20_000;

export interface UnloadResult {
  readonly unloaded: readonly string[];
  /** Each as `NAME: why`. */
  readonly remaining: readonly string[];
}

/** Ours with the process that loaded them gone: nobody reads what they print. `staprun` becomes `stapio` without changing its number. */
export function isLeftover(files: HostFiles, { pid }: LoadedModule): boolean {
  const comm = files.text(`/proc/${pid}/comm`)?.trim() ?? '';
  return comm !== 'staprun' && comm !== 'stapio';
}

/** `staprun -d` refuses modules that somebody is attached to, so a mistaken one comes to no harm. */
export async function unloadModules(
  machine: Machine,
  isWanted: (module: LoadedModule) => boolean,
): Promise<UnloadResult> {
  const loaded = () => loadedModules(machine.files.text('/proc/modules') ?? '');
  const unloaded: string[] = [];
  const remaining: string[] = [];
  const wanted = loaded().filter(isWanted);
  if (wanted.length === 0) return { unloaded, remaining };
  const staprun = await machine.program('staprun');
  for (const { name } of wanted) {
    if (staprun === '') {
      remaining.push(`${name}: staprun is not on this host any more`);
      continue;
    }
    const { signal } = new AbortController();
    const result = await runTool([staprun, '-d', name], { signal, deadline: UNLOAD_DEADLINE_MS });
    if (loaded().some((module) => module.name === name)) {
      remaining.push(`${name}: ${result.stderr.trim().split('\n').at(-1) ?? ''}`);
    } else unloaded.push(name);
  }
  return { unloaded, remaining };
}
