// What a host lacks for SystemTap, each with what mends it: to run modules, and to compile them.
import type { Problem } from '../../proto/capture.js';
import { type FailureError, fail } from '../../proto/failure.js';
import type { HostFiles } from '../host/host-files.js';
import type { Machine } from '../host/machine.js';
import type { KernelSymbols } from './host-probes.js';
import { hasKernelHeaders } from './kernel-files.js';
import { stapInstallCommand } from './stap-tools.js';

/** Loading a module and reading what it prints takes this, compiling that. */
const RUN_MEMORY_MIB = 64;
const COMPILE_MEMORY_MIB = 512;

/** Why a module could not be loaded and run here; all of them fatal but for scarce memory. */
export async function runProblems(machine: Machine, symbols: KernelSymbols): Promise<Problem[]> {
  const { files, distribution } = machine;
  const { kernelRelease } = distribution;
  const problems: Problem[] = [];
  if ((await machine.program('staprun')) === '') {
    problems.push(fatal('staprun-missing', 'staprun is not on this host', stapInstallCommand('staprun', distribution)));
  }
  const isOff = files.text('/proc/sys/kernel/modules_disabled')?.trim() === '1';
  if (!files.exists('/proc/modules')) {
    problems.push(
      fatal(
        'no-modules',
        `kernel ${kernelRelease} takes no modules`,
        'boot a kernel with CONFIG_MODULES, or use perf alone',
      ),
    );
  } else if (isOff) {
    problems.push(
      fatal(
        'modules-disabled',
        'loading modules is turned off until the next boot',
        'leave kernel.modules_disabled at 0, and boot again',
      ),
    );
  }
  problems.push(...trustProblems(files, kernelRelease), ...kprobeProblems(files, symbols, kernelRelease));
  problems.push(...privilegeProblems(machine), ...memoryProblems(files, RUN_MEMORY_MIB, 'run'));
  return problems;
}

/** All that stands in the way where staprun is missing; what the kernel lacks first, for a tool to install does not mend that. */
export async function whyNotRunnable(machine: Machine, symbols: KernelSymbols): Promise<FailureError> {
  const fatals = (await runProblems(machine, symbols)).filter(({ isFatal }) => isFatal);
  const ofKernel = fatals.filter(({ code }) => code !== 'staprun-missing');
  const ordered = [...ofKernel, ...fatals.filter(({ code }) => code === 'staprun-missing')];
  return fail('tool-missing', ordered.map(({ message }) => message).join('; '), ordered[0]?.remedy ?? '');
}

/** Why no script could be compiled here; not fatal, as a module can be compiled elsewhere. */
export async function compileProblems(machine: Machine): Promise<Problem[]> {
  const { files, distribution } = machine;
  const { kernelRelease } = distribution;
  const problems: Problem[] = [];
  const elsewhere = 'scripts cannot be compiled here, only on another host with --build-on';
  const missing = (code: string, what: string, remedy: string) =>
    problems.push({ code, message: `${what}: ${elsewhere}`, remedy, isFatal: false });
  if ((await machine.program('stap')) === '') {
    missing('stap-missing', 'stap is not on this host', stapInstallCommand('stap', distribution));
  }
  for (const tool of ['gcc', 'make']) {
    if ((await machine.program(tool)) === '')
      missing(`${tool}-missing`, `${tool} is not on this host`, installTool(tool, machine));
  }
  if (!hasKernelHeaders(files, kernelRelease)) {
    const remedy = stapInstallCommand('kernel-headers', distribution);
    missing('kernel-headers-missing', `the headers of kernel ${kernelRelease} are not on this host`, remedy);
  } else if (isStapOutdated(files, kernelRelease)) {
    missing(
      'stap-outdated',
      `the stap of this host cannot compile for kernel ${kernelRelease} (task_work_cancel changed its meaning)`,
      'install systemtap 5.2 or newer, or replace task_work_cancel by task_work_cancel_func in /usr/share/systemtap/runtime/stp_task_work.c',
    );
  }
  problems.push(...memoryProblems(files, COMPILE_MEMORY_MIB, 'compile'));
  return problems;
}

/** Kernels that load only modules signed by somebody they know. */
function trustProblems(files: HostFiles, kernelRelease: string): Problem[] {
  const sign =
    'sign the module with a key that the kernel trusts (mokutil --import), or turn Secure Boot off on this host';
  const lockdown = /\[(\w+)\]/.exec(files.text('/sys/kernel/security/lockdown') ?? '')?.[1] ?? 'none';
  if (lockdown !== 'none') {
    return [
      fatal(
        'lockdown',
        `the kernel is locked down (${lockdown}): it loads no unsigned module`,
        `${sign}; see /sys/kernel/security/lockdown`,
      ),
    ];
  }
  const isEnforced = /^[Y1]/.test(files.text('/sys/module/module/parameters/sig_enforce') ?? '');
  const isForced = /^CONFIG_MODULE_SIG_FORCE=y$/m.test(files.text(`/boot/config-${kernelRelease}`) ?? '');
  if (isEnforced || isForced) {
    return [fatal('module-signing', 'the kernel loads signed modules only', sign)];
  }
  if (files.text('/proc/sys/crypto/fips_enabled')?.trim() === '1') {
    return [
      fatal('fips-mode', 'the host is in FIPS mode: staprun loads no module', 'run it on a host without FIPS mode'),
    ];
  }
  return [];
}

/** Not fatal: a script may do with tracepoints and timers. Which script needs what is told with the script. */
function kprobeProblems(files: HostFiles, symbols: KernelSymbols, kernelRelease: string): Problem[] {
  const canTell = symbols.hasSymbol('printk') || symbols.hasSymbol('_printk') || symbols.hasSymbol('vprintk');
  if (!canTell || symbols.hasSymbol('register_kprobe') || files.exists('/sys/kernel/debug/kprobes')) return [];
  return [
    {
      code: 'no-kprobes',
      message: `kernel ${kernelRelease} has no kprobes: scripts can use tracepoints and timers only`,
      remedy: 'boot a kernel with CONFIG_KPROBES',
      isFatal: false,
    },
  ];
}

/** Root, or the groups that staprun looks at. */
function privilegeProblems({ files, privilege }: Machine): Problem[] {
  if (privilege().isRoot) return [];
  const status = files.text('/proc/self/status') ?? '';
  const ids = new Set(
    `${/^Groups:(.*)$/m.exec(status)?.[1] ?? ''} ${/^Gid:(.*)$/m.exec(status)?.[1] ?? ''}`.split(/\s+/),
  );
  const groups = files.text('/etc/group') ?? '';
  const isIn = (name: string) => ids.has(new RegExp(`^${name}:[^:]*:(\\d+):`, 'm').exec(groups)?.[1] ?? 'none');
  if (isIn('stapdev') && isIn('stapusr')) return [];
  return [
    fatal(
      'stap-forbidden',
      'this user may not load modules of SystemTap',
      'run the agent as root, or add its user to the groups stapusr and stapdev (usermod -aG stapusr,stapdev USER)',
    ),
  ];
}

function memoryProblems(files: HostFiles, needed: number, what: string): Problem[] {
  const kib = /^MemAvailable:\s+(\d+) kB$/m.exec(files.text('/proc/meminfo') ?? '')?.[1];
  const available = Math.floor(Number(kib) / 1024);
  if (kib === undefined || available >= needed) return [];
  return [
    {
      code: `${what}-memory`,
      message: `${available} MiB of memory are available, to ${what} a script takes about ${needed}`,
      remedy: what === 'compile' ? 'compile on another host with --build-on' : 'free memory on the host',
      isFatal: false,
    },
  ];
}

/**
 * stap up to 5.1 takes the address of task_work_cancel, which the kernel renamed to task_work_cancel_func in the middle of its
 * stable series; distributions ship such pairs (Debian 12: stap 4.8, kernel 6.1.1xx).
 */
function isStapOutdated(files: HostFiles, kernelRelease: string): boolean {
  const runtime = files.text('/usr/share/systemtap/runtime/stp_task_work.c') ?? '';
  if (!/typeof\(&task_work_cancel\)/.test(runtime)) return false;
  return ['build', 'source'].some((tree) =>
    (files.text(`/lib/modules/${kernelRelease}/${tree}/include/linux/task_work.h`) ?? '').includes(
      'task_work_cancel_func',
    ),
  );
}

function installTool(tool: string, { distribution: { ids } }: Machine): string {
  if (ids.includes('debian') || ids.includes('ubuntu')) return `apt-get install ${tool}`;
  if (ids.some((id) => ['fedora', 'rhel', 'centos', 'amzn'].includes(id))) return `dnf install ${tool}`;
  if (ids.some((id) => id.startsWith('sles') || id.includes('suse'))) return `zypper install ${tool}`;
  return `install ${tool}`;
}

function fatal(code: string, message: string, remedy: string): Problem {
  return { code, message, remedy, isFatal: true };
}
