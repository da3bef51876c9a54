// From a script to a kernel module: `stap -p4`, with what was compiled before kept.
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { arch } from 'node:os';
import { join } from 'node:path';
import type { Milliseconds } from '../../proto/capture.js';
import { fail } from '../../proto/failure.js';
import type { Machine } from '../host/machine.js';
import { runTool, type ToolResult } from '../process.js';
import { hasCode, writeFailure } from '../spool/file-error.js';
import { makePrivateDirectory } from '../spool/private-directory.js';
import { moduleName } from './module-name.js';
import { ModuleStore } from './module-store.js';
import { compileArguments, limitDefines } from './stap-args.js';
import type { StapDirectory } from './stap-directory.js';
import { stapFailure } from './stap-failure.js';
import type { StapScript } from './stap-script.js';
import { describeStap, requireStap } from './stap-tools.js';

/** The first module for a kernel takes stap a minute or two on a slow machine. */
export const COMPILE_DEADLINE: Milliseconds = 600_000;
/** stap's own cache of what it found out about headers. */
const STAP_CACHE_MIB = 64;
const WORK_PREFIX = 'compile-';

export interface CompileRequest {
  readonly script: StapScript;
  readonly kernelRelease: string;
  /** '' when not known. */
  readonly kernelBuildId: string;
  readonly overheadPercent: number;
}

export interface CompileHost {
  readonly machine: Machine;
  readonly directory: StapDirectory;
  readonly signal: AbortSignal;
  /** Told of each stap that ran. */
  readonly onTool?: (argv: readonly string[], result: ToolResult) => void;
  /** Told before stap runs: it takes a while. */
  readonly onCompile?: () => Promise<void>;
}

export interface CompiledModule {
  readonly store: ModuleStore;
  readonly key: string;
  /** As the kernel will call it, but for the process number. */
  readonly name: string;
}

/**
 * The module in the store, compiled if it is not there yet.
 * @throws FailureError `tool-missing`, `bad-request` for a script that does not compile, `not-found`, `deadline`, `exhausted`, …
 */
export async function compileModule(request: CompileRequest, host: CompileHost): Promise<CompiledModule> {
  const { machine, directory, signal } = host;
  const stap = requireStap(await machine.program('stap'), machine);
  const { version } = await describeStap(stap, signal);
  const key = moduleKey(request, version);
  const store = new ModuleStore(directory.compiled);
  const name = moduleName(key);
  if ((await store.sizeOf(key)) !== undefined) return { store, key, name };
  await host.onCompile?.();
  await store.prepare();
  await prepareStapCache(directory.cache);
  // On the store's file system: what stap leaves there is moved into it.
  const work = await mkdtemp(join(directory.cache, WORK_PREFIX));
  try {
    const file = join(work, 'script.stp');
    await writeFile(file, request.script.text, { mode: 0o600 });
    const { script, kernelRelease, overheadPercent } = request;
    const argv = compileArguments({ stap, moduleName: name, kernelRelease, script, file, overheadPercent });
    const result = await runTool(argv, {
      signal,
      cwd: work,
      env: { SYSTEMTAP_DIR: directory.cache, TMPDIR: work },
      deadline: COMPILE_DEADLINE,
      isBackground: true,
    });
    host.onTool?.(argv, result);
    if (result.wasStopped) throw fail('cancelled', 'stap was stopped while it compiled');
    if (result.passedDeadline) {
      throw fail('deadline', `stap took more than ${COMPILE_DEADLINE / 60_000} minutes to compile ${script.name}`);
    }
    if (result.code !== 0) {
      throw stapFailure({
        phase: 'compile',
        stderr: result.stderr,
        end: endOf(result),
        distribution: machine.distribution,
      });
    }
    await store.adopt(key, join(work, `${name}.ko`));
  } catch (error) {
    if (hasCode(error, 'ENOENT')) throw fail('tool-failed', `stap ended well but left no module ${name}.ko`, '', error);
    if (hasCode(error, 'ENOSPC', 'EDQUOT')) throw writeFailure('cannot compile the script', error);
    throw error;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return { store, key, name };
}

export function endOf({ code, signal }: ToolResult): string {
  return signal === null ? `exit status ${code}` : `signal ${signal}`;
}

/** Everything that the module depends on. */
function moduleKey({ script, kernelRelease, kernelBuildId, overheadPercent }: CompileRequest, version: string): string {
  const { sha256, companion, isGuru } = script;
  const defines = [...limitDefines(overheadPercent), ...script.defines];
  const parts = [sha256, companion, script.arguments, isGuru, defines, kernelRelease, kernelBuildId, arch(), version];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

async function prepareStapCache(directory: string): Promise<void> {
  await makePrivateDirectory(join(directory, 'cache'));
  await writeFile(join(directory, 'cache', 'cache_mb_limit'), `${STAP_CACHE_MIB}\n`, { mode: 0o600 });
  for (const name of await readdir(directory)) {
    if (name.startsWith(WORK_PREFIX)) await removeAbandoned(join(directory, name));
  }
}

/** Of an agent that was killed while it compiled. */
async function removeAbandoned(work: string): Promise<void> {
  try {
    if (Date.now() - (await stat(work)).mtimeMs < 2 * COMPILE_DEADLINE) return;
    await rm(work, { recursive: true, force: true });
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
}
