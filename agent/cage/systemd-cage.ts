// A transient scope of systemd: `systemd-run --scope` asks for it, joins it and becomes the tool (systemd-run(1), systemd.resource-control(5)).

import { timeoutSignal } from '../../proto/timeout-signal.js';
import type { Machine } from '../host/machine.js';
import { runTool } from '../process.js';
import type { Cage, CageLimits } from './cage.js';

/** For programs that answer at once. */
const DEADLINE_MS = 10_000;

/** By path of systemd-run: whether it can make scopes here. */
const usable = new Map<string, Promise<boolean>>();
let made = 0;

/** undefined where systemd takes no scopes from us. */
export async function openSystemdCage(machine: Machine, limits: CageLimits): Promise<Cage | undefined> {
  const [systemdRun, systemctl] = await Promise.all([machine.program('systemd-run'), machine.program('systemctl')]);
  if (systemdRun === '' || systemctl === '') return undefined;
  let isUsable = usable.get(systemdRun);
  if (isUsable === undefined) {
    isUsable = canMakeScopes(systemdRun);
    usable.set(systemdRun, isUsable);
  }
  if (!(await isUsable)) return undefined;
  const unit = `perftrawl-${machine.ownPid}-${++made}.scope`;
  return {
    wrap: (argv) => [...scopeArguments(systemdRun, unit, limits), ...argv],
    enter: () => undefined,
    end: async () => {
      // Without --collect a scope that failed stays until it is reset, so that its reason can be asked for.
      const { stdout } = await ask([systemctl, 'show', '--property=Result', '--value', unit]);
      const wasOutOfMemory = stdout.trim() === 'oom-kill';
      if (stdout.trim() !== 'success') await ask([systemctl, 'reset-failed', unit]);
      return { cpu: undefined, wasOutOfMemory };
    },
  };
}

export function scopeArguments(systemdRun: string, unit: string, limits: CageLimits): string[] {
  const { cpuQuotaPercent, memoryBytes, isBackground } = limits;
  const properties = [
    ...(cpuQuotaPercent > 0 ? [`CPUQuota=${cpuQuotaPercent}%`] : []),
    ...(memoryBytes > 0 ? [`MemoryMax=${memoryBytes}`, 'MemorySwapMax=0'] : []),
    ...(isBackground ? ['CPUWeight=20', 'IOWeight=20'] : []),
  ];
  return [
    ...[systemdRun, '--scope', '--quiet', `--unit=${unit}`],
    ...properties.map((property) => `--property=${property}`),
    '--',
  ];
}

async function canMakeScopes(systemdRun: string): Promise<boolean> {
  const { code } = await ask([systemdRun, '--scope', '--quiet', '--collect', '--', 'true']);
  return code === 0;
}

function ask(argv: readonly string[]) {
  return runTool(argv, { signal: timeoutSignal(DEADLINE_MS), deadline: DEADLINE_MS });
}
