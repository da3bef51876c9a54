// Addresses that a script printed, to objects: what /proc tells of processes and kernel, made up below a temporary root.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { hostFiles } from '../../../agent/host/host-files.js';
import { StackObjects } from '../../../agent/stap/stack-objects.js';
import type { MappingNotice } from '../../../agent/symbolize/object-keeper.js';
import { drawLosses, drawStacks, readOutput } from './output/read-output.js';

const MAPS = `00400000-00401000 r--p 00000000 fe:00 11                                 /opt/app/server
00401000-00478000 r-xp 00001000 fe:00 11                                 /opt/app/server
00700000-00701000 rw-p 00000000 00:00 0                                  [heap]
7f0000000000-7f0000010000 rwxp 00000000 00:00 0 
7f0000010000-7f0000020000 r-xp 00000000 00:00 0                          [anon:v8 code]
7f1000000000-7f1000100000 r-xp 00028000 fe:00 12                         /usr/lib/libc.so.6 (deleted)
7f1000200000-7f1000201000 r-xp 00000000 fe:00 13                         /tmp/a\\012b c
7fff00000000-7fff00002000 r-xp 00000000 00:00 0                          [vdso]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
`;
const KALLSYMS = `0000000000000000 A fixed_percpu_data
ffffffff9e000000 T _stext
ffffffff9e000000 T _text
ffffffff9e000010 T secondary_startup_64
`;
const MODULES = `ext4 983040 2 - Live 0xffffffffc0200000
perftrawl_0_12 1449984 2 - Live 0xffffffffc0400000 (OE)
hidden 4096 0 - Live 0x0000000000000000
`;

class Host {
  readonly root = mkdtempSync(join(tmpdir(), 'perftrawl-places-'));
  readonly notices: MappingNotice[] = [];
  time = 0;

  constructor(files: Readonly<Record<string, string>>) {
    onTestFinished(() => rmSync(this.root, { recursive: true }));
    for (const [path, text] of Object.entries(files)) this.write(path, text);
  }

  write(path: string, text: string): void {
    mkdirSync(dirname(join(this.root, path)), { recursive: true });
    writeFileSync(join(this.root, path), text);
  }

  end(pid: number): void {
    rmSync(join(this.root, `proc/${pid}`), { recursive: true });
  }

  places(pids: readonly number[] = []): StackObjects {
    const note = (notice: MappingNotice) => this.notices.push(notice);
    return new StackObjects({ files: hostFiles(this.root), now: () => this.time, pids, note });
  }
}

const whole = () => new Host({ '/proc/12/maps': MAPS, '/proc/kallsyms': KALLSYMS, '/proc/modules': MODULES });
const kernel = (digits: string) => Number(BigInt.asIntN(64, BigInt(`0x${digits}`)));

function draw(places: StackObjects, pid: number | undefined, address: number): string {
  const place = places.find(pid, address);
  if (typeof place === 'string') return place;
  const { lo, hi } = place.address;
  return `${place.object.kind} ${place.object.name} ${(BigInt(hi) * 2n ** 32n + BigInt(lo)).toString(16)}`;
}

test.each([
  [0x401620, 'elf /opt/app/server 1620'],
  [0x477fff, 'elf /opt/app/server 77fff'],
  [0x478000, 'its process had nothing mapped at the address'],
  [0x400000, 'its process had nothing mapped at the address'],
  [0x7f0000000010, 'jit /tmp/perf-12.map 7f0000000010'],
  [0x7f0000010010, 'jit /tmp/perf-12.map 7f0000010010'],
  [0x7f1000000010, 'elf /usr/lib/libc.so.6 (deleted) 28010'],
  [0x7f1000200010, 'elf /tmp/a\nb c 10'],
  [0x7fff00000a10, 'vdso [vdso] a10'],
  [kernel('ffffffff9e001234'), 'kernel [kernel.kallsyms] 1234'],
  [kernel('ffffffffc0201234'), 'module [ext4] 1234'],
  [kernel('ffffffffc0401234'), 'module [perftrawl_0_12] 1234'],
  // A module that came later: named by kallsyms all the same.
  [kernel('ffffffffc0900000'), 'kernel [kernel.kallsyms] 22900000'],
  [kernel('ffff888000000000'), 'neither the kernel nor a module has code at the address'],
])('%d of process 12', (address, drawn) => {
  expect(draw(whole().places(), 12, address)).toBe(drawn);
});

test('the same code has the same location wherever the kernel lies', () => {
  const other = new Host({ '/proc/kallsyms': KALLSYMS.replaceAll('ffffffff9e', 'ffffffff81') });
  const here = whole().places().find(undefined, kernel('ffffffff9e123456'));
  const there = other.places().find(undefined, kernel('ffffffff81123456'));
  if (typeof here === 'string' || typeof there === 'string') throw new Error('not found');
  expect([here.address, here.object.name]).toEqual([there.address, there.object.name]);
});

test('a kernel that hides its addresses is one object from 0 on, as perf has it', () => {
  const hidden = new Host({ '/proc/kallsyms': KALLSYMS.replaceAll(/^[0-9a-f]{16}/gm, '0000000000000000') });
  expect(draw(hidden.places(), 12, kernel('ffffffff81001234'))).toBe('kernel [kernel.kallsyms] ffffffff81001234');
});

test('without a pid the addresses are those of the only process that is looked at, else nobody`s', () => {
  const host = whole();
  host.write('/proc/13/maps', MAPS);
  expect(draw(host.places([12]), undefined, 0x401620)).toBe('elf /opt/app/server 1620');
  const nobody = 'the script told no pid with the stack, and the capture is not for one process alone';
  expect(draw(host.places([12, 13]), undefined, 0x401620)).toBe(nobody);
  expect(draw(host.places(), undefined, 0x401620)).toBe(nobody);
});

test('processes of the capture are known though they have ended, others only if they were seen before', () => {
  const host = whole();
  host.write('/proc/13/maps', MAPS);
  host.write('/proc/14/maps', '');
  const places = host.places([12]);
  host.time = 60_000;
  host.end(12);
  host.end(13);
  expect(draw(places, 12, 0x401620)).toBe('elf /opt/app/server 1620');
  expect(draw(places, 13, 0x401620)).toBe('its process had ended before its memory maps were read');
  expect(draw(places, 14, 0x401620)).toBe('its process had ended before its memory maps were read');
  expect(host.notices.map(({ pid, path }) => `${pid} ${path}`)).toContain('12 /opt/app/server');
  expect(host.notices.map(({ path }) => path)).toContain('//anon');
});

test('a process whose maps may not be read is told as that', () => {
  const host = new Host({ '/proc/12/comm': 'x\n' });
  expect(draw(host.places(), 12, 0x401620)).toBe('the memory maps of its process may not be read');
});

test('a library that is loaded later and a program that replaces itself are found, but not read for at every miss', () => {
  const host = whole();
  const places = host.places([12]);
  host.write(
    '/proc/12/maps',
    '00401000-00402000 r-xp 00000000 fe:00 77 /opt/app/other\n6000-7000 r-xp 0 fe:00 78 /lib/new.so\n',
  );
  expect(draw(places, 12, 0x6010)).toBe('its process had nothing mapped at the address');
  host.time = 5000;
  expect(draw(places, 12, 0x6010)).toBe('elf /lib/new.so 10');
  expect(draw(places, 12, 0x401010)).toBe('elf /opt/app/other 10');
  expect(draw(places, 12, 0x402010)).toBe('elf /opt/app/server 2010');
});

test('many processes and endless maps: no more than the bounds, and it is told', () => {
  const host = whole();
  const line = '1000-2000 r-xp 00000000 fe:00 77                                 /opt/x\n';
  host.write('/proc/99/maps', line.repeat(Math.ceil((9 * 1024 * 1024) / line.length)));
  const places = host.places();
  expect(draw(places, 99, 0x1010)).toBe('elf /opt/x 10');
  expect(places.losses()).toEqual([
    { kind: 'out-of-budget', count: 1, detail: 'memory maps of a process beyond those that are read' },
  ]);
  for (let pid = 100; pid < 4300; pid++) places.find(pid, 0x1010);
  expect(draw(places, 5000, 0x1010)).toMatch(/^the memory maps of 4096 processes are kept/);
});

test('any text in the place of maps is no error', () => {
  const host = whole();
  const word = fc.oneof(
    fc.constantFrom('1000-2000', 'r-xp', '00000000', 'fe:00', '7', '/x', '\n', ' ', '-', 'ffffffffffffffff'),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.array(word), fc.maxSafeInteger(), (words, address) => {
      host.write('/proc/77/maps', words.join(''));
      const place = host.places().find(77, Math.abs(address));
      return typeof place === 'string' || place.address.lo >= 0;
    }),
    { numRuns: 300 },
  );
});

const told = (...lines: string[]) => `${lines.join('\n')}\n#pt1 end\n`;

test('stacks get their objects; equal lines of two processes are two locations', () => {
  const host = whole();
  host.write('/proc/13/maps', MAPS.replaceAll('/opt/app/server', '/opt/app/client'));
  const text = told(
    '#pt1 stack count=2 pid=12',
    '0xffffffff9e001234 0xffffffffc0201234 ',
    '0x401620 0x999999',
    '#pt1 stack count=3 pid=13',
    '0xffffffff9e001234 0xffffffffc0201234 ',
    '0x401620 0x999999',
    '#pt1 stack count=5 pid=88',
    '0x401620',
  );
  const output = readOutput(text, { places: host.places() });
  expect(drawStacks(output.profile)).toEqual([
    '2 0x1234 ([kernel.kallsyms]) < 0x1234 ([ext4]) < 0x1620 (/opt/app/server) < 0x999999 [pid=12]',
    '3 0x1234 ([kernel.kallsyms]) < 0x1234 ([ext4]) < 0x1620 (/opt/app/client) < 0x999999 [pid=13]',
    '5 0x401620 [pid=88]',
  ]);
  expect(drawLosses(output)).toEqual([
    'unsymbolized-frames 5: no mapping: its process had ended before its memory maps were read',
    'unsymbolized-frames 5: no mapping: its process had nothing mapped at the address',
  ]);
  expect(output.objects.map(({ mapping, kind, pids }) => [mapping, kind, pids])).toEqual([
    [0, 'elf', [12]],
    [1, 'module', []],
    [2, 'kernel', []],
    [3, 'elf', [13]],
  ]);
});

test('frames that stap named keep their names, with addresses in the object where it is the same one', () => {
  const text = told(
    '#pt1 stack count=1 pid=12',
    ' 0xffffffff9e001234 : schedule+0x12/0x90 [kernel]',
    ' 0xffffffffc0201234 : ext4_read+0x12/0x90 [ext4] (inexact)',
    ' 0x401620 : main+0x20/0x30 [/opt/app/server]',
    ' 0x401630 : other+0x20/0x30 [/opt/app/before-exec]',
    ' 0x7f1000000010 [/usr/lib/libc.so.6+0x10/0x100000]',
    'start+0x12',
  );
  const output = readOutput(text, { places: whole().places() });
  expect(drawStacks(output.profile)).toEqual([
    '1 schedule ([kernel.kallsyms]) < ext4_read ([ext4]) < main (/opt/app/server) < other (/opt/app/before-exec) < 0x28010 (/usr/lib/libc.so.6 (deleted)) < start [pid=12]',
  ]);
  expect(Array.from(output.profile?.locations.addressLo ?? [], (lo) => lo.toString(16)).sort()).toEqual(
    ['0', '1234', '1234', '1620', '28010', '401630'].sort(),
  );
  expect(drawLosses(output)).toEqual([]);
});

test('the kernel`s frames are the inner ones, also where they are printed last', () => {
  const text = told('#pt1 stack count=1 pid=12', '0x401620 0x401630', '0xffffffff9e001234 0xffffffff9e002234 ');
  expect(drawStacks(readOutput(text, { places: whole().places() }).profile)).toEqual([
    '1 0x1234 ([kernel.kallsyms]) < 0x2234 ([kernel.kallsyms]) < 0x1620 (/opt/app/server) < 0x1630 (/opt/app/server) [pid=12]',
  ]);
});
