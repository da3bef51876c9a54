// What an executable needs, against binutils' readelf; and which hosts are told that they cannot run it.
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { agentFor } from '../../../controller/transport/ssh/agent-choice.js';
import { compareVersions, readExecutableNeeds } from '../../../controller/transport/ssh/executable-needs.js';
import { parseFacts } from '../../../controller/transport/ssh/remote-script.js';
import { failureOf } from './transport-contract.js';

function readelf(option: string, file: string): string {
  return execFileSync('readelf', ['-W', option, file], { encoding: 'utf8', maxBuffer: 1 << 26 });
}

describe('what an executable needs', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'perftrawl-needs-'));
  });
  afterAll(() => rm(directory, { recursive: true }));

  it.each([process.execPath, '/bin/sh', '/usr/bin/perf'])('of %s is what readelf says', async (file) => {
    const needs = await readExecutableNeeds(file);
    expect(needs.loader).toBe(/program interpreter: (\S+)\]/.exec(readelf('-l', file))?.[1]);
    expect(needs.libraries).toEqual([...readelf('-d', file).matchAll(/\(NEEDED\).*\[(\S+)\]/g)].map((m) => m[1]));
    const versions = [...readelf('-V', file).matchAll(/Name: GLIBC_(\d+\.\d+)/g)].map((m) => m[1]);
    expect(needs.glibc).toBe(versions.sort(compareVersions).at(-1));
    expect(needs.glibc).toMatch(/^2\.\d+$/);
  });

  it('of a static executable is nothing', async () => {
    const source = join(directory, 'empty.s');
    const file = join(directory, 'static');
    await writeFile(source, '.globl _start\n_start: nop\n');
    execFileSync('gcc', ['-nostdlib', '-static', '-no-pie', '-o', file, source]);
    expect(await readExecutableNeeds(file)).toEqual({ loader: undefined, libraries: [], glibc: undefined });
  });

  it.each([
    ['no ELF file', '#!/bin/sh\n'.padEnd(100, '#'), 'it is no 64-bit ELF file'],
    ['a file that ends', '\x7fELF\x02\x01', 'it ends too early'],
  ])('cannot be read from %s', async (_what, text, why) => {
    const file = join(directory, 'file');
    await writeFile(file, text, 'latin1');
    const failure = await failureOf(readExecutableNeeds(file));
    expect(failure).toMatchObject({ code: 'bad-data', message: `cannot read ${file} as an executable: ${why}` });
  });
});

describe('the file that a host is sent', () => {
  const executable = { name: 'executable', sha256: '', compressed: Buffer.alloc(0), isExecutable: true };
  const script = { ...executable, name: 'script', isExecutable: false };
  const needs = { loader: '/lib64/ld.so', libraries: ['libstdc++.so.6'], glibc: '2.28' };
  const pack = (runsOn?: Parameters<typeof agentFor>[2]['runsOn']) => ({
    ...{ runsOn, script: async () => script, executable: async () => executable },
  });
  const ofThisMachine = pack({ machine: 'x86_64', ...needs });
  const facts = (...lines: string[]) => parseFacts(['system Linux', 'machine x86_64', 'uid 0', ...lines, 'absent']);

  it.each([
    ['has Node, whatever else it lacks', 'script', facts('node v20.1.0 /usr/bin/node', 'libc glibc 2.17')],
    ['has just the glibc that is needed', 'executable', facts('libc glibc 2.28')],
    ['has a newer glibc, and musl too', 'executable', facts('libc glibc 2.100', 'musl /lib/ld-musl-x86_64.so.1')],
    ['does not tell its libc', 'executable', facts()],
  ])('that %s is the %s', async (_what, name, host) => {
    expect((await agentFor(host, 'db1', ofThisMachine)).name).toBe(name);
  });

  it.each([
    [facts('libc glibc 2.17'), /needs glibc 2\.28 or newer, the host has 2\.17$/, /built for glibc 2\.17$/],
    [facts('libc glibc 2.9-ubuntu'), /the host has 2\.9$/, /install Node 20/],
    [facts('musl /lib/ld-musl-x86_64.so.1'), /has musl \(\/lib\/ld-musl-x86_64\.so\.1\)/, /apk add nodejs/],
    [facts('libc glibc 2.36', 'lacks libstdc++.so.6'), /needs libstdc\+\+\.so\.6, not there$/, /libstdc\+\+6/],
    [facts('oldnode v18.1.0 /usr/bin/node', 'libc glibc 2.17'), /\(only v18\.1\.0 as \/usr\/bin\/node\)/, /Node 20/],
    [
      parseFacts(['system Linux', 'machine aarch64', 'uid 0', 'absent']),
      /a processor of type x86_64, that of the host is aarch64$/,
      /^install Node 20 or newer there$/,
    ],
  ])('is none, with what is there, what is needed and what to do (%#)', async (host, message, remedy) => {
    const failure = await failureOf(agentFor(host, 'db1', ofThisMachine));
    expect(failure).toMatchObject({
      code: 'tool-missing',
      message: expect.stringMatching(message),
      remedy: expect.stringMatching(remedy),
    });
    expect(failure.message).toMatch(/^db1 has no Node of version 20 or newer/);
  });

  it('is none on another system, or where no executable can be made', async () => {
    const bsd = parseFacts(['system FreeBSD', 'machine amd64', 'uid 0', 'absent']);
    expect(await failureOf(agentFor(bsd, 'db1', ofThisMachine))).toMatchObject({ code: 'refused' });
    expect((await failureOf(agentFor(facts(), 'db1', pack()))).message).toContain('none can be made on');
  });
});
