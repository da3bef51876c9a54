// A controller from its start to its end, and what is killed meanwhile.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Workstation } from '../fleet/workstation.js';
import type { Blow } from './plan.js';

/** Nothing that a controller does in a round takes so long; one that hangs is a defect. */
const LONGEST_LIFE_MS = 240_000;

/** @param hits gets what was hit, `agent db1`; a victim that was not there at that moment is not. @throws when the controller hangs */
export async function live(
  workstation: Workstation,
  args: readonly string[],
  blows: readonly Blow[],
  hits: string[],
): Promise<void> {
  const controller = workstation.spawn(args);
  controller.stdout?.resume();
  const over = new AbortController();
  const running = captureRuns(controller);
  const exited = once(controller, 'exit');
  const falling = blows.map((blow) => strike(workstation, controller, running, blow, over.signal, hits));
  const timer = setTimeout(() => controller.kill('SIGKILL'), LONGEST_LIFE_MS);
  const [, signal] = await exited;
  clearTimeout(timer);
  over.abort();
  await Promise.all(falling);
  if (signal === 'SIGKILL' && !hits.includes('controller')) {
    throw new Error(`perftrawl ${args.join(' ')} hung for ${LONGEST_LIFE_MS} ms`);
  }
}

/** Resolves when the controller says of any host that its capture runs, and when its stderr ends. */
function captureRuns(controller: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (controller.stderr === null) return resolve();
    const lines = createInterface({ input: controller.stderr });
    lines.on('line', (line) => {
      if (/^[\w-]+: running/.test(line)) resolve();
    });
    lines.once('close', () => resolve());
  });
}

async function strike(
  workstation: Workstation,
  controller: ChildProcess,
  running: Promise<void>,
  { victim, host, since, at, pause }: Blow,
  over: AbortSignal,
  hits: string[],
): Promise<void> {
  if (since === 'running') await running;
  try {
    await sleep(at, undefined, { signal: over });
  } catch (error) {
    // The controller was faster.
    if (over.aborted) return;
    throw error;
  }
  // Another blow has cut its power, and it starts.
  if (!workstation.fleet.host(host).isUp) return;
  switch (victim) {
    case 'controller': {
      const pids = controller.exitCode === null ? await workstation.controllers() : [];
      if (killAll(pids) > 0) hits.push('controller');
      return;
    }
    case 'agent':
      if (!workstation.listening.includes(host)) {
        if (killAll(await workstation.agentsOn(host)) > 0) hits.push(`agent ${host}`);
        return;
      }
      if (!(await workstation.killAgent(host))) return;
      hits.push(`agent ${host}`);
      await sleep(pause);
      if (!workstation.isAgentUp(host)) await workstation.startAgent(host);
      return;
    case 'perf':
    case 'sleep':
      if (killAll(await workstation.fleet.host(host).processes(victim)) > 0) hits.push(`${victim} ${host}`);
      return;
    case 'session':
      if ((await workstation.fleet.host(host).killSessions()) > 0) hits.push(`session ${host}`);
      return;
    case 'reboot':
      await workstation.reboot(host);
      hits.push(`reboot ${host}`);
      return;
    case 'link':
      await workstation.fleet.host(host).cut();
      hits.push(`link ${host}`);
      await sleep(pause);
      if (workstation.fleet.host(host).isUp) await workstation.fleet.host(host).mend();
      return;
  }
}

function killAll(pids: readonly number[]): number {
  let killed = 0;
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
      killed++;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
    }
  }
  return killed;
}
