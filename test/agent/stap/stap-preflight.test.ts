// What is missing on a host for SystemTap, and what mends it: made-up hosts, one trouble each.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { hostFiles } from '../../../agent/host/host-files.js';
import { defaultPolicy } from '../../../agent/policy/policy.js';
import { KernelSymbols } from '../../../agent/stap/host-probes.js';
import { findDebuginfo } from '../../../agent/stap/kernel-files.js';
import { runArguments } from '../../../agent/stap/stap-args.js';
import { stapInstallCommand } from '../../../agent/stap/stap-tools.js';
import { never } from '../capture/live-host.js';
import { FakeStapHost, RELEASE, scriptThat, stapOf } from './fake-stap.js';

const run = promisify(execFile);
const KALLSYMS = [
  'ffffffff81000000 T _stext',
  'ffffffff81001000 T _printk',
  'ffffffff81002000 T register_kprobe',
  'ffffffff81003000 T handle_mm_fault',
  'ffffffff81004000 t do_futex.isra.0',
  'ffffffff81005000 d vfs_read',
  'ffffffffc0001000 t nfs_open\t[nfs]',
  'ffffffff81006000 T perf_trace_sched_switch',
  '',
].join('\n');

const hosts: FakeStapHost[] = [];
afterEach(async () => {
  for (const host of hosts.splice(0)) await host.dispose();
});

async function hostWith(
  files: Readonly<Record<string, string>>,
  absent: readonly string[] = [],
): Promise<FakeStapHost> {
  const host = await FakeStapHost.create(files);
  hosts.push(host);
  for (const path of absent) await rm(join(host.directory, path), { recursive: true });
  return host;
}

async function preflightOn(host: FakeStapHost, change: Parameters<typeof stapOf>[1] = {}) {
  // Only what the made-up host has: no compiler of this machine.
  const service = await host.service(defaultPolicy(false), host.programs);
  return service.preflight(stapOf(scriptThat(), change), never);
}

describe('a host', () => {
  it('that lacks nothing has a plan', async () => {
    const host = await hostWith({ '/proc/kallsyms': KALLSYMS });
    const result = await preflightOn(host, { target: { kind: 'processes', selector: { comms: ['postgres'] } } });
    expect(result.problems).toEqual([
      expect.objectContaining({ code: 'bad-request', message: expect.stringContaining('2 processes') }),
    ]);
    expect(result.processes.map(({ pid }) => pid)).toEqual([12, 34]);
    const one = await preflightOn(host, { target: { kind: 'pids', pids: [12] } });
    expect(one.problems).toEqual([]);
    expect(one.commandLines).toEqual([
      expect.stringMatching(/^staprun -R -x 12 perftrawl_\w+\.ko perftrawl_duration_ms=5000$/),
    ]);
    expect(one.stap).toMatchObject({ script: 'own.stp', kernelRelease: RELEASE, canCompile: true, canRun: true });
  });

  it.each<[string, Record<string, string>, string[], RegExp, RegExp]>([
    ['staprun-missing', {}, ['bin/staprun'], /staprun is not/, /^apt-get install systemtap-runtime$/],
    ['no-modules', {}, ['root/proc/modules'], /takes no modules/, /CONFIG_MODULES/],
    ['modules-disabled', { '/proc/sys/kernel/modules_disabled': '1\n' }, [], /turned off/, /modules_disabled/],
    ['lockdown', { '/sys/kernel/security/lockdown': 'none [integrity] confidentiality\n' }, [], /integrity/, /mokutil/],
    ['module-signing', { '/sys/module/module/parameters/sig_enforce': 'Y\n' }, [], /signed/, /mokutil/],
    [
      'module-signing',
      { [`/boot/config-${RELEASE}`]: 'CONFIG_X=y\nCONFIG_MODULE_SIG_FORCE=y\n' },
      [],
      /signed/,
      /mokutil/,
    ],
    ['fips-mode', { '/proc/sys/crypto/fips_enabled': '1\n' }, [], /FIPS/, /./],
  ])('cannot run a script: %s', async (code, files, absent, message, remedy) => {
    const { problems, stap } = await preflightOn(await hostWith(files, absent));
    expect(problems.filter(({ isFatal }) => isFatal)).toEqual([
      { code, message: expect.stringMatching(message), remedy: expect.stringMatching(remedy), isFatal: true },
    ]);
    expect(stap).toMatchObject({ canRun: false });
  });

  it.each<[string, Record<string, string>, string[], RegExp]>([
    ['stap-missing', {}, ['bin/stap'], /^apt-get install systemtap$/],
    ['gcc-missing', {}, ['bin/gcc'], /^apt-get install gcc$/],
    [
      'kernel-headers-missing',
      {},
      [`root/lib/modules/${RELEASE}`],
      /^apt-get install linux-headers-6\.1\.0-56-cloud-amd64$/,
    ],
    [
      'stap-outdated',
      {
        '/usr/share/systemtap/runtime/stp_task_work.c': 'typedef typeof(&task_work_cancel) task_work_cancel_fn;',
        [`/lib/modules/${RELEASE}/source/include/linux/task_work.h`]: 'struct callback_head *task_work_cancel_func(…);',
      },
      [],
      /task_work_cancel_func/,
    ],
  ])('cannot compile one, but could run one from elsewhere: %s', async (code, files, absent, remedy) => {
    const { problems, stap } = await preflightOn(await hostWith(files, absent));
    expect(problems).toEqual([
      {
        code,
        message: expect.stringContaining('--build-on'),
        remedy: expect.stringMatching(remedy),
        isFatal: false,
      },
    ]);
    expect(stap).toMatchObject({ canCompile: false, canRun: true });
  });

  it('is told what gives less', async () => {
    const files = {
      '/proc/kallsyms': KALLSYMS.replace('register_kprobe', 'other'),
      '/proc/meminfo': 'MemAvailable:   40000 kB\n',
    };
    const { problems, stap } = await preflightOn(await hostWith(files));
    expect(problems.map(({ code, isFatal }) => [code, isFatal])).toEqual([
      ['no-kprobes', false],
      ['run-memory', false],
      ['compile-memory', false],
    ]);
    expect(stap).toMatchObject({ canCompile: true, canRun: true });
  });

  it('that runs a kit is not failed by its script', async () => {
    const host = await hostWith({}, ['root/proc/modules', 'bin/staprun']);
    const service = await host.service();
    const stap = stapOf(scriptThat());
    const { target, duration } = stap;
    const stat = {
      kind: 'stat',
      target,
      duration,
      events: [{ name: 'page-faults' }],
      interval: 1000,
      perCpu: false,
    } as const;
    const { problems, stap: plan } = await service.preflight({ kind: 'kit', target, duration, parts: [stap] }, never);
    expect(problems.filter(({ isFatal }) => isFatal).map(({ code }) => code)).toEqual([
      'staprun-missing',
      'no-modules',
    ]);
    const both = await service.preflight({ kind: 'kit', target, duration, parts: [stap, stat] }, never);
    expect(both.problems.filter(({ code }) => code === 'no-modules')).toEqual([
      expect.objectContaining({ isFatal: false }),
    ]);
    expect(plan).toMatchObject({ canRun: false });
    expect(both.stap).toEqual(plan);
  });
});

it.each([
  [
    'ID=ubuntu\nID_LIKE=debian\n',
    'debuginfo',
    'apt-get install linux-image-6.8.0-40-generic-dbgsym (from http://ddebs.ubuntu.com)',
  ],
  ['ID=debian\n', 'debuginfo', 'apt-get install linux-image-6.8.0-40-generic-dbg'],
  ['ID="rhel"\nID_LIKE="fedora"\n', 'debuginfo', 'dnf debuginfo-install kernel-6.8.0-40-generic'],
  ['ID="rhel"\nID_LIKE="fedora"\n', 'kernel-headers', 'dnf install kernel-devel-6.8.0-40-generic'],
  ['ID="sles"\n', 'kernel-headers', 'zypper install kernel-generic-devel'],
  ['ID="opensuse-leap"\nID_LIKE="suse"\n', 'staprun', 'zypper install systemtap-runtime'],
  ['ID=nixos\n', 'stap', 'install systemtap'],
] as const)('%j: %s by `%s`', async (osRelease, need, command) => {
  const host = await hostWith({ '/etc/os-release': osRelease, '/proc/sys/kernel/osrelease': '6.8.0-40-generic\n' });
  expect(stapInstallCommand(need, host.machine().distribution)).toBe(command);
});

describe('the kernel', () => {
  it('has functions by their exact names', async () => {
    const host = await hostWith({ '/proc/kallsyms': KALLSYMS });
    const symbols = new KernelSymbols(hostFiles(host.root));
    const has = (...names: string[]) => names.map((name) => symbols.hasSymbol(name));
    expect(has('handle_mm_fault', 'nfs_open', 'do_futex', 'do_futex.isra.0', 'vfs_read', 'mm_fault', '')).toEqual([
      ...[true, true, false, true, false, false, false],
    ]);
  });

  it('has tracepoints as tracefs shows them, or by their functions', async () => {
    const bare = await hostWith({ '/proc/kallsyms': KALLSYMS });
    const symbols = new KernelSymbols(hostFiles(bare.root));
    expect([symbols.hasTracepoint('sched', 'sched_switch'), symbols.hasTracepoint('sched', 'none')]).toEqual([
      true,
      false,
    ]);
    const host = await hostWith({
      '/sys/kernel/tracing/events/block/block_rq_issue/id': '1\n',
      '/proc/kallsyms': KALLSYMS,
    });
    const mounted = new KernelSymbols(hostFiles(host.root));
    expect([mounted.hasTracepoint('block', 'block_rq_issue'), mounted.hasTracepoint('sched', 'sched_switch')]).toEqual([
      true,
      false,
    ]);
  });

  it('has debuginfo only with DWARF in it, of whichever build', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'perftrawl-vmlinux-'));
    try {
      const path = (name: string) => join(directory, name);
      await writeFile(path('x.c'), 'int main(void) { return 0; }\n');
      const usual = `/usr/lib/debug/boot/vmlinux-${RELEASE}`;
      await mkdir(dirname(path(`root${usual}`)), { recursive: true });
      const files = hostFiles(path('root'));
      expect(findDebuginfo(files, RELEASE, '')).toBeUndefined();
      await run('gcc', ['-Wl,--build-id=0x0123456789abcdef', '-o', path(`root${usual}`), path('x.c')]);
      expect(findDebuginfo(files, RELEASE, '')).toBeUndefined();
      await run('gcc', ['-g', '-Wl,--build-id=0x0123456789abcdef', '-o', path(`root${usual}`), path('x.c')]);
      expect(findDebuginfo(files, RELEASE, '')).toEqual({ path: usual, buildId: '0123456789abcdef' });
      const byId = '/usr/lib/debug/.build-id/ab/cdef.debug';
      await mkdir(dirname(path(`root${byId}`)), { recursive: true });
      await run('gcc', ['-g', '-Wl,--build-id=0xabcdef', '-o', path(`root${byId}`), path('x.c')]);
      expect(findDebuginfo(files, RELEASE, 'abcdef')).toEqual({ path: byId, buildId: 'abcdef' });
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});

it('a command reaches its program word by word through wordexp(3), as staprun reads it', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'perftrawl-words-'));
  try {
    const source = join(directory, 'words.c');
    const program = join(directory, 'words');
    // As start_cmd.c of staprun: with these flags, and a shell only for WRDE_BADCHAR.
    await writeFile(
      source,
      `#include <stdio.h>
#include <string.h>
#include <wordexp.h>
int main(int argc, char **argv) {
  wordexp_t words;
  int rc = wordexp(argv[1], &words, WRDE_NOCMD | WRDE_UNDEF);
  if (rc != 0) return 10 + rc;
  for (size_t i = 0; i < words.we_wordc; i++) fwrite(words.we_wordv[i], 1, strlen(words.we_wordv[i]) + 1, stdout);
  return 0;
}
`,
    );
    await run('gcc', ['-o', program, source]);
    const word = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 12 }).filter((text) => !text.includes('\0') && !/\p{Cs}/u.test(text)),
      fc.constantFrom(
        "'",
        '"',
        '`id`',
        '$(reboot)',
        ['$', '{HOME}'].join(''),
        '~',
        '*',
        ';|&<>(){}',
        '\n',
        '\\',
        '',
        ' ',
        "it's",
      ),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(word, { minLength: 1, maxLength: 6 }), async (command) => {
        const argv = runArguments({ staprun: 'staprun', module: 'x.ko', globals: [], command });
        const text = argv[argv.indexOf('-c') + 1] ?? '';
        const { stdout } = await run(program, [text]);
        expect(stdout.split('\0').slice(0, -1)).toEqual(command);
      }),
      { numRuns: 150 },
    );
  } finally {
    await rm(directory, { recursive: true });
  }
});
