// Would this script run here, what would run, and what is missing: for `doctor` and for whoever compiles it elsewhere.
import { machine as machineOfThisHost } from 'node:os';
import type { PreflightResult, Problem, StapPlan, StapSpec } from '../../proto/capture.js';
import { FailureError, toFailure } from '../../proto/failure.js';
import { kernelBuildId } from '../host/kernel-build-id.js';
import type { Machine } from '../host/machine.js';
import type { Resolution } from '../host/resolve-target.js';
import { commandLine } from '../perf/target-args.js';
import { resolvePermitted } from '../policy/permitted-target.js';
import { checkStapPolicy, type Policy } from '../policy/policy.js';
import { type ChosenScript, chooseScript } from './chosen-script.js';
import { KernelSymbols } from './host-probes.js';
import { findDebuginfo } from './kernel-files.js';
import { moduleName } from './module-name.js';
import { runArguments } from './stap-args.js';
import { compileProblems, runProblems } from './stap-requirements.js';
import { checkStapSpec, checkStapTarget } from './stap-script.js';
import { stapInstallCommand } from './stap-tools.js';

export async function stapPreflight(machine: Machine, spec: StapSpec, policy: Policy): Promise<PreflightResult> {
  const symbols = new KernelSymbols(machine.files);
  const running = await runProblems(machine, symbols);
  const compiling = spec.module === undefined ? await compileProblems(machine) : [];
  const problems: Problem[] = [...running, ...compiling];
  const check = <T>(work: () => T): T | undefined => {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof FailureError)) throw error;
      problems.push(fatal(error));
      return undefined;
    }
  };
  check(() => checkStapSpec(spec));
  check(() => checkStapTarget(spec));
  check(() => checkStapPolicy(policy, spec));
  const resolution = check(() => resolvePermitted(machine, policy, spec.target));
  const chosen = check(() => chooseScript(machine, spec, symbols));
  const processes = resolution?.processes ?? [];
  if (chosen === undefined) return { problems, commandLines: [], processes };
  const { files, distribution } = machine;
  const { kernelRelease } = distribution;
  const buildId = kernelBuildId(files);
  const { script } = chosen;
  const lacksDebuginfo = script.needsDebuginfo && findDebuginfo(files, kernelRelease, buildId) === undefined;
  if (lacksDebuginfo && spec.module === undefined) {
    problems.push({
      code: 'debuginfo-missing',
      message: `the debuginfo of kernel ${kernelRelease}, which ${script.name} needs, is not on this host`,
      remedy: `${stapInstallCommand('debuginfo', distribution)}, or compile on another host with --build-on`,
      isFatal: false,
    });
  }
  const plan: StapPlan = {
    script: script.name,
    variant: script.variant,
    scriptSha256: script.sha256,
    kernelRelease,
    kernelBuildId: buildId,
    machine: machineOfThisHost(),
    canCompile: !lacksDebuginfo && compiling.every(({ code }) => code === 'compile-memory'),
    canRun: running.every(({ isFatal }) => !isFatal),
  };
  return { problems, commandLines: shownCommand(chosen, spec, resolution, check), processes, stap: plan };
}

/** What would be run; the module's name is not known before it is compiled. */
function shownCommand(
  chosen: ChosenScript,
  spec: StapSpec,
  resolution: Resolution | undefined,
  check: <T>(work: () => T) => T | undefined,
): string[] {
  if (resolution === undefined) return [];
  const pids = resolution.target.kind === 'pids' ? resolution.target.pids : [];
  const globals = check(() => chosen.globals(pids));
  if (globals === undefined) return [];
  const [pid] = pids.length === 1 ? pids : [];
  const argv = runArguments({
    staprun: 'staprun',
    module: `${moduleName(chosen.script.sha256)}.ko`,
    globals,
    ...(pid === undefined ? {} : { pid }),
    ...(spec.command === undefined ? {} : { command: spec.command }),
  });
  return [commandLine(argv)];
}

function fatal(error: unknown): Problem {
  return { ...toFailure(error), isFatal: true };
}
