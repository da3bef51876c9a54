// A capture of kind `stap`: a script to a kernel module, staprun, and what it prints to histograms, text and a profile in the spool.

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Milliseconds, ModuleRef, StapSpec } from '../../proto/capture.js';
import { fail } from '../../proto/failure.js';
import { kernelBuildId } from '../host/kernel-build-id.js';
import { exists } from '../host/processes.js';
import type { Resolution } from '../host/resolve-target.js';
import { checkStapPolicy } from '../policy/policy.js';
import type { RunningTool, ToolResult } from '../process.js';
import { makePrivateDirectory } from '../spool/private-directory.js';
import { type ChosenScript, checkScript, chooseScript } from '../stap/chosen-script.js';
import { compileModule, endOf } from '../stap/compile-module.js';
import { KernelSymbols } from '../stap/host-probes.js';
import { unloadModules } from '../stap/leftover-modules.js';
import { readModuleFacts } from '../stap/module-file.js';
import { ModuleStore } from '../stap/module-store.js';
import { runArguments } from '../stap/stap-args.js';
import { stapDirectory } from '../stap/stap-directory.js';
import { stapFailure } from '../stap/stap-failure.js';
import { whyNotRunnable } from '../stap/stap-requirements.js';
import { checkStapTarget } from '../stap/stap-script.js';
import { againWhenGone } from './again-when-gone.js';
import { type CaptureContext, TOOL_SLACK } from './capture-context.js';
import { StapIntake } from './stap-intake.js';

export interface StapPatience {
  /** The script ends by itself after the duration; this much later it is ended. */
  readonly slack: Milliseconds;
  /** What staprun may take then to print what is left and to unload its module, on a busy host. */
  readonly grace: Milliseconds;
}

const PATIENCE: StapPatience = { slack: TOOL_SLACK, grace: 30_000 };
/** Said among the script's own messages. */
const TARGET_GONE = Buffer.from('perftrawl: all processes that were watched have ended, and the script with them\n');
const WATCH_INTERVAL: Milliseconds = 500;

/** All that does not depend on which processes there are. */
export interface ReadyScript {
  readonly staprun: string;
  readonly chosen: ChosenScript;
  /** The .ko, named as the module in it. */
  readonly module: string;
}

export async function runStap(context: CaptureContext, spec: StapSpec, patience = PATIENCE): Promise<void> {
  await context.enter('resolving', '');
  checkStapTarget(spec);
  // Before the compiler is bothered.
  context.resolve(spec.target);
  const ready = await prepareStap(context, spec);
  await context.arm(spec.target);
  await againWhenGone(spec.target.kind === 'processes', () =>
    runScript(context, spec, ready, context.resolve(spec.target), patience),
  );
}

/** Have the module ready: put here before, compiled before, or compiled now. */
export async function prepareStap(context: CaptureContext, spec: StapSpec): Promise<ReadyScript> {
  const { machine, settings, capture, stop } = context;
  checkStapTarget(spec);
  checkScript(spec);
  checkStapPolicy(settings.policy, spec);
  const staprun = await machine.program('staprun');
  // Where it is there, it says itself what is wrong.
  if (staprun === '') throw await whyNotRunnable(machine, new KernelSymbols(machine.files));
  const chosen = chooseScript(machine, spec);
  const directory = stapDirectory(settings.stateDirectory);
  await makePrivateDirectory(capture.work);
  if (spec.module !== undefined) {
    const module = await uploadedModule(new ModuleStore(directory.uploaded), spec.module, context);
    return { staprun, chosen, module };
  }
  const { kernelRelease } = machine.distribution;
  const request = {
    script: chosen.script,
    kernelRelease,
    kernelBuildId: kernelBuildId(machine.files),
    overheadPercent: spec.overheadPercent,
  };
  const variant = chosen.script.variant === '' ? '' : ` (${chosen.script.variant})`;
  const compiled = await compileModule(request, {
    machine,
    directory,
    signal: stop.early,
    onCompile: () => context.enter('compiling', `${chosen.script.name}${variant} for kernel ${kernelRelease}`),
    onTool: (argv, result) => context.addTool(argv, result),
  });
  const module = join(capture.work, `${compiled.name}.ko`);
  if (!(await compiled.store.linkTo(compiled.key, module))) {
    throw fail('exhausted', `the module ${compiled.name} was removed while it was wanted`, 'start the capture again');
  }
  return { staprun, chosen, module };
}

async function uploadedModule(
  store: ModuleStore,
  ref: ModuleRef,
  { machine, capture }: CaptureContext,
): Promise<string> {
  const { sha256, size } = ref;
  const temporary = join(capture.work, 'module.ko');
  if ((await store.sizeOf(sha256)) !== size || !(await store.linkTo(sha256, temporary))) {
    throw fail('not-found', `the module ${sha256} is not on this host`, 'send it again');
  }
  const bytes = await readFile(temporary);
  if (createHash('sha256').update(bytes).digest('hex') !== sha256) {
    throw fail('bad-data', `the module ${sha256} was damaged on this host's disk`, 'send it again');
  }
  const { name, kernelRelease } = readModuleFacts(bytes, `the module ${sha256}`);
  const running = machine.distribution.kernelRelease;
  if (kernelRelease !== '' && kernelRelease !== running) {
    throw fail(
      'refused',
      `the module was compiled for kernel ${kernelRelease}, this host runs ${running}`,
      'compile it for that kernel',
    );
  }
  const module = join(capture.work, `${name}.ko`);
  await store.linkTo(sha256, module);
  return module;
}

/** Load the module, take what it prints, and see that it is gone afterwards. */
export async function runScript(
  context: CaptureContext,
  spec: StapSpec,
  ready: ReadyScript,
  resolution: Resolution,
  patience = PATIENCE,
): Promise<void> {
  const pids = resolution.target.kind === 'pids' ? resolution.target.pids : [];
  const globals = ready.chosen.globals(pids);
  const intake = await StapIntake.begin(context, spec, pids);
  try {
    const [pid] = pids.length === 1 ? pids : [];
    const command = await intake.commandOutput(spec.command);
    const argv = runArguments({
      staprun: ready.staprun,
      module: ready.module,
      globals,
      ...(pid === undefined ? {} : { pid }),
      ...command,
    });
    await context.untilStart();
    const tool = await context.start(argv, {
      signal: context.stop.early,
      deadline: spec.duration + patience.slack,
      grace: patience.grace,
      output: { directory: context.capture.work, take: intake.takeStdout },
      onStderr: intake.takeStderr,
    });
    await context.enter('running', resolution.detail);
    const watch = watchTarget(context, tool, pids);
    let result: ToolResult;
    try {
      await tool.taken;
      result = await tool.done;
    } catch (error) {
      // What it printed could not be kept. Ended here, not by the agent's general tidying, for its module goes with it.
      tool.stop();
      await tool.done;
      throw error;
    } finally {
      clearInterval(watch.timer);
      await unload(context, tool.pid);
    }
    if (watch.isGone()) intake.takeStderr(TARGET_GONE);
    await intake.finish();
    checkEnd(context, result, intake.stderr, watch.isGone());
  } finally {
    await intake.close();
  }
}

/** A script would go on waiting for processes that are no more. */
function watchTarget({ machine }: CaptureContext, tool: RunningTool, pids: readonly number[]) {
  let isGone = false;
  const timer = setInterval(() => {
    if (isGone || pids.length === 0 || pids.some((pid) => exists(machine.files, pid))) return;
    isGone = true;
    tool.stop();
  }, WATCH_INTERVAL);
  return { timer, isGone: () => isGone };
}

/** staprun unloads its module itself; when it was killed, this does. */
async function unload(context: CaptureContext, staprun: number): Promise<void> {
  const { remaining } = await unloadModules(context.machine, ({ pid }) => pid === staprun);
  for (const why of remaining) {
    const detail = `the module ${why} could not be unloaded: run \`staprun -d ${why.split(':')[0]}\` as root`;
    context.losses.push({ kind: 'out-of-budget', count: 1, detail });
  }
}

/** @throws FailureError with stap's own reason */
function checkEnd(context: CaptureContext, result: ToolResult, stderr: string, isTargetGone: boolean): void {
  context.stop.discard.throwIfAborted();
  if (result.passedDeadline) {
    throw fail(
      'deadline',
      'the script went on for a minute after its duration and was ended',
      'see whether one of its probes loops, and whether the host is overloaded',
    );
  }
  if (result.code === 0) return;
  const hasErrors = /^ERROR: /m.test(stderr);
  if ((isTargetGone || result.wasStopped) && result.signal !== 'SIGKILL' && !hasErrors) return;
  // A command that ends with an error is no error of the script.
  if (result.code === 1 && /^WARNING: Child process exited with/m.test(stderr) && !hasErrors) return;
  throw stapFailure({ phase: 'run', stderr, end: endOf(result), distribution: context.machine.distribution });
}
