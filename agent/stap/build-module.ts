// Compiles a script here for the kernel of another host, and hands out the module in parts.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { machine as machineOfThisHost } from 'node:os';
import type { ModulePart, ModuleRequest, StapPlan } from '../../proto/capture.js';
import { fail } from '../../proto/failure.js';
import { MAX_MODULE_BYTES, MAX_MODULE_PART_BYTES } from '../../proto/stap-codec.js';
import type { Machine } from '../host/machine.js';
import { scriptOfPlan } from './chosen-script.js';
import { compileModule } from './compile-module.js';
import { findDebuginfo, hasKernelHeaders } from './kernel-files.js';
import { stapDirectory } from './stap-directory.js';
import type { StapScript } from './stap-script.js';
import { stapInstallCommand } from './stap-tools.js';

/** Aborting `signal` ends stap. @throws FailureError as compileModule, and `not-found`, `refused` when that kernel's files are not here */
export async function* buildModule(
  machine: Machine,
  stateDirectory: string,
  { spec, plan }: ModuleRequest,
  signal: AbortSignal,
): AsyncGenerator<ModulePart> {
  checkPlan(plan);
  const script = scriptOfPlan(spec, plan);
  checkKernel(machine, plan, script);
  const { kernelRelease, kernelBuildId } = plan;
  const directory = stapDirectory(stateDirectory);
  const request = { script, kernelRelease, kernelBuildId, overheadPercent: spec.overheadPercent };
  const { store, key } = await compileModule(request, { machine, directory, signal });
  const bytes = await readFile(store.path(key));
  if (bytes.length > MAX_MODULE_BYTES) {
    throw fail(
      'exhausted',
      `the module has ${bytes.length} bytes, more than ${MAX_MODULE_BYTES}`,
      'probe less at once',
    );
  }
  const end = { sha256: createHash('sha256').update(bytes).digest('hex'), size: bytes.length };
  for (let from = 0; from < bytes.length; from += MAX_MODULE_PART_BYTES) {
    signal.throwIfAborted();
    const data = bytes.subarray(from, from + MAX_MODULE_PART_BYTES);
    yield { data, ...(from + data.length === bytes.length ? { end } : {}) };
  }
}

function checkPlan(plan: StapPlan): void {
  // It becomes a part of paths and an argument of stap.
  if (!/^[A-Za-z0-9][A-Za-z0-9._+~-]{0,127}$/.test(plan.kernelRelease)) {
    throw fail('bad-request', `${JSON.stringify(plan.kernelRelease.slice(0, 140))} is no kernel release`);
  }
  if (!/^([0-9a-f]{2,128})?$/.test(plan.kernelBuildId)) {
    throw fail('bad-request', `${JSON.stringify(plan.kernelBuildId.slice(0, 140))} is no build ID`);
  }
  if (plan.machine !== machineOfThisHost()) {
    throw fail(
      'refused',
      `this host compiles for ${machineOfThisHost()}, not for ${plan.machine}`,
      'name a build host of that architecture with --build-on',
    );
  }
}

/** The files of that very kernel must be here: a module for another build would be refused by its kernel, or worse, not be. */
function checkKernel({ files, distribution }: Machine, plan: StapPlan, script: StapScript): void {
  const { kernelRelease, kernelBuildId } = plan;
  const forThat = { ...distribution, kernelRelease };
  if (!hasKernelHeaders(files, kernelRelease)) {
    throw fail(
      'not-found',
      `the headers of kernel ${kernelRelease} are not on this host`,
      `on the build host: ${stapInstallCommand('kernel-headers', forThat)}`,
    );
  }
  const debuginfo = findDebuginfo(files, kernelRelease, kernelBuildId);
  if (debuginfo === undefined && script.needsDebuginfo) {
    throw fail(
      'not-found',
      `the debuginfo of kernel ${kernelRelease}, which ${script.name} needs, is not on this host`,
      `on the build host: ${stapInstallCommand('debuginfo', forThat)}`,
    );
  }
  const isOther = debuginfo !== undefined && debuginfo.buildId !== '' && kernelBuildId !== '';
  if (isOther && debuginfo.buildId !== kernelBuildId) {
    throw fail(
      'refused',
      `${debuginfo.path} is of another build (${debuginfo.buildId}) of kernel ${kernelRelease} than the host runs (${kernelBuildId})`,
      `on the build host: ${stapInstallCommand('debuginfo', forThat)}`,
    );
  }
}
