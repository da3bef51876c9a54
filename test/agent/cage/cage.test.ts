// Cgroups around tools: what is written and asked for, with made-up cgroup files and a systemd of scripts. The kernel's part is in test/vm.
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cageLimits, openCage } from '../../../agent/cage/open-cage.js';
import { openOwnCage } from '../../../agent/cage/own-cage.js';
import { localMachine, type Machine } from '../../../agent/host/machine.js';
import { runTool } from '../../../agent/process.js';
import { never } from '../capture/live-host.js';

const MIB = 1024 ** 2;
const LIMITS = { cpuQuotaPercent: 150, memoryBytes: 64 * MIB, isBackground: false };

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'perftrawl-cage-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

describe('the bounds of a cage', () => {
  it('leave room for the start, and are none where all CPUs would do', () => {
    const budget = { memoryBytes: 5, spoolBytes: 0 };
    expect(cageLimits({ ...budget, cpuPercent: 1 }, 2, false)).toMatchObject({ cpuQuotaPercent: 100, memoryBytes: 5 });
    expect(cageLimits({ ...budget, cpuPercent: 1 }, 64, false)).toMatchObject({ cpuQuotaPercent: 256 });
    expect(cageLimits({ ...budget, cpuPercent: 1 }, 1, false)).toMatchObject({ cpuQuotaPercent: 0 });
    expect(cageLimits({ ...budget, cpuPercent: 0 }, 64, true)).toMatchObject({
      cpuQuotaPercent: 0,
      isBackground: true,
    });
  });
});

describe('a cgroup of our own', () => {
  async function root(controllers: string): Promise<string> {
    await writeFile(join(directory, 'cgroup.controllers'), controllers);
    await writeFile(join(directory, 'cgroup.subtree_control'), '');
    return directory;
  }
  const text = (...names: string[]) => readFile(join(directory, ...names), 'utf8');

  it('has the bounds and the tool in it', async () => {
    const cage = openOwnCage(await root('cpuset cpu io memory\n'), 77, { ...LIMITS, isBackground: true });
    expect(cage?.wrap(['perf', 'record'])).toEqual(['perf', 'record']);
    cage?.enter(4711);
    const [name = ''] = (await readdir(directory)).filter((entry) => entry.startsWith('perftrawl-77-'));
    expect(await text('cgroup.subtree_control')).toBe('+cpu +memory');
    expect(await text(name, 'cpu.max')).toBe('150000 100000');
    expect(await text(name, 'cpu.weight')).toBe('20');
    expect(await text(name, 'memory.max')).toBe(String(64 * MIB));
    expect(await text(name, 'cgroup.procs')).toBe('4711');
    await writeFile(join(directory, name, 'cpu.stat'), 'usage_usec 1234000\nuser_usec 1\n');
    await writeFile(join(directory, name, 'memory.events'), 'low 0\noom 1\noom_kill 1\n');
    expect(await cage?.end()).toEqual({ cpu: 1234, wasOutOfMemory: true });
  });

  it('is not made without the controllers', async () => {
    expect(openOwnCage(await root('cpuset io\n'), 77, LIMITS)).toBeUndefined();
    expect(openOwnCage(join(directory, 'nowhere'), 77, LIMITS)).toBeUndefined();
  });

  it('takes away what agents before it left', async () => {
    await mkdir(join(directory, 'perftrawl-1-1'));
    await mkdir(join(directory, 'perftrawl-other'));
    openOwnCage(await root('cpu memory'), 77, LIMITS);
    expect(await readdir(directory)).not.toContain('perftrawl-1-1');
    expect(await readdir(directory)).toContain('perftrawl-other');
  });
});

describe('a scope of systemd', () => {
  /** Programs that write down what they were asked. */
  async function machineWith(systemdRun: string, result = 'success'): Promise<Machine> {
    const programs = join(directory, 'bin');
    await mkdir(programs);
    await program(join(programs, 'systemd-run'), `printf '%s\\n' "$@" >> ${directory}/asked; ${systemdRun}`);
    await program(join(programs, 'systemctl'), `printf 'systemctl %s\\n' "$*" >> ${directory}/asked; echo ${result}`);
    const machine = localMachine({ path: programs });
    const exists = (path: string) => path === '/run/systemd/system' || machine.files.exists(path);
    const privilege = () => ({ ...machine.privilege(), isRoot: true });
    return { ...machine, files: { ...machine.files, exists }, privilege };
  }
  async function program(path: string, script: string): Promise<void> {
    await writeFile(path, `#!/bin/sh\n${script}\n`);
    await chmod(path, 0o755);
  }
  const BECOME = 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"';
  const asked = async () => (await readFile(join(directory, 'asked'), 'utf8')).trim().split('\n');

  it('is asked for with the bounds, and becomes the tool: same process, status and output', async () => {
    const machine = await machineWith(BECOME);
    const cage = await openCage(machine, LIMITS);
    const argv = cage?.wrap(['sh', '-c', 'echo "$$ $1"; exit 3', 'sh', 'two words']) ?? [];
    const result = await runTool(argv, { signal: never });
    expect(result).toMatchObject({ code: 3, stdout: expect.stringMatching(/^\d+ two words\n$/) });
    expect(await cage?.end()).toEqual({ cpu: undefined, wasOutOfMemory: false });
    const [unit = ''] = (await asked()).filter((word) => word.startsWith('--unit='));
    expect(unit).toMatch(/^--unit=perftrawl-\d+-\d+\.scope$/);
    // Whether it works at all was tried before, with `true`.
    expect(await asked()).toEqual([
      ...['--scope', '--quiet', '--collect', '--', 'true'],
      ...['--scope', '--quiet', unit, '--property=CPUQuota=150%', `--property=MemoryMax=${64 * MIB}`],
      ...['--property=MemorySwapMax=0', '--', 'sh', '-c', 'echo "$$ $1"; exit 3', 'sh', 'two words'],
      `systemctl show --property=Result --value ${unit.slice('--unit='.length)}`,
    ]);
  });

  it('tells that the kernel killed the tool for its memory, and leaves no failed unit', async () => {
    const cage = await openCage(await machineWith(BECOME, 'oom-kill'), LIMITS);
    expect(await cage?.end()).toMatchObject({ wasOutOfMemory: true });
    expect((await asked()).at(-1)).toMatch(/^systemctl reset-failed perftrawl-/);
  });

  it('is done without where systemd refuses', async () => {
    expect(await openCage(await machineWith('exit 1'), LIMITS)).toBeUndefined();
  });

  it('is for root', async () => {
    const machine = await machineWith(BECOME);
    const privilege = () => ({ ...machine.privilege(), isRoot: false });
    expect(await openCage({ ...machine, privilege }, LIMITS)).toBeUndefined();
  });
});
