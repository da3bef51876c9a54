// Results pulled by the built program from real agents: alone and over a real server the same files, which perf, pprof, sha256sum and openssl read;
// then an agent is gone.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Job } from '../../controller/api.js';
import type { Manifest } from '../../controller/pull/manifest.js';
import { output } from '../oracle/perf-tools.js';
import { buildPprofOracle } from '../oracle/pprof-oracle.js';
import { type Agent, Fleet, outputOf } from './fleet.js';

const run = promisify(execFile);
let fleet: Fleet;
let db1: Agent;
let job: Job;
let out: string;

interface Pulled {
  readonly files: number;
  readonly written: number;
  readonly kept: number;
  readonly failed: number;
  readonly isComplete: boolean;
  readonly jobs: { readonly missing: readonly Record<string, string>[] }[];
}

beforeAll(async () => {
  fleet = await Fleet.create();
  await fleet.makeCertificates('db1');
  db1 = await fleet.startAgent('db1');
  await fleet.writeInventory([
    { name: 'ws', address: 'local', labels: { role: 'dev' } },
    { name: 'db1', address: `tls://127.0.0.1:${db1.port}`, labels: { role: 'db' } },
  ]);
  await fleet.startWorkload('faults', '100000000', '20', '300', '30000');
  const recording = ['record', '-e', 'page-faults', '-c', '1', '--comm', 'faults', '--for', '1s', '--keep-raw'];
  ({ job } = await fleet.json<{ job: Job }>(recording));
  out = join(fleet.directory, 'out');
}, 300_000);
afterAll(() => fleet.dispose());

const manifestOf = async (directory: string): Promise<Manifest> =>
  JSON.parse(await readFile(join(directory, 'manifest.json'), 'utf8'));

function totalOf(folded: string): number {
  return folded
    .trimEnd()
    .split('\n')
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

it('are whole, and read by the tools that they are for', { timeout: 300_000 }, async () => {
  const { files, written, failed, isComplete } = await fleet.json<Pulled>(['pull', 'last', '-o', out]);
  expect({ files, written, failed, isComplete }).toEqual({ files: 18, written: 18, failed: 0, isComplete: true });
  expect(await output('sha256sum', ['--strict', '--quiet', '-c', 'SHA256SUMS'], out)).toEqual(Buffer.alloc(0));

  const place = (host: string) => join(out, job.id, 'hosts', host);
  const totals: number[] = [];
  for (const host of ['ws', 'db1']) {
    const recording = join(place(host), 'raw/perf.data');
    const report = (
      await output('perf', ['report', '-i', recording, '--stdio', '--no-children', '-g', 'none'])
    ).toString();
    expect(report).toMatch(/of event 'page-faults/);
    const script = (await output('perf', ['script', '-i', recording, '-F', 'comm,event'])).toString().trimEnd();
    const stacks = await readFile(join(place(host), 'stacks.txt'), 'utf8');
    const folded = await readFile(join(place(host), 'stacks.folded'), 'utf8');
    const samples = script.split('\n').filter((line) => /page-faults/.test(line)).length;
    expect(stacks.match(/page-faults/g)).toHaveLength(samples);
    expect(totalOf(folded)).toBe(samples);
    totals.push(samples);
  }
  const merged = totalOf(await readFile(join(out, job.id, 'merged/stacks.folded'), 'utf8'));
  expect(merged).toBe(totals[0] + totals[1]);
  const oracle = await buildPprofOracle(fleet.directory);
  const pprof = JSON.parse((await output(oracle, [join(out, job.id, 'merged/profile.pb.gz')])).toString());
  expect(pprof.totals[1]).toBe(merged);

  const { jobs } = await manifestOf(out);
  const [host] = jobs[0].hosts as unknown as Record<string, never>[];
  const { stdout: release } = await run('uname', ['-r']);
  expect(host).toMatchObject({
    machine: {
      kernelRelease: release.trim(),
      tools: expect.arrayContaining([{ name: 'perf', version: expect.stringMatching(/\d/), path: expect.any(String) }]),
    },
    commandLines: [expect.stringMatching(/perf record .*page-faults/)],
    checks: { before: { clockUncertainty: expect.any(Number) }, after: {} },
    cost: { toolCpu: expect.any(Number) },
  });
  expect(((await stat(out)).mode & 0o777).toString(8)).toBe('700');
});

it('are not fetched twice, and signed on demand', { timeout: 300_000 }, async () => {
  const again = await fleet.json<Pulled>(['pull', job.id, '-o', out, '--sign']);
  expect(again).toMatchObject({ written: 0, kept: 18, signer: 'controller' });
  const verified = await fleet.json<{ state: string }>(['verify', out, '--signer', 'controller']);
  expect(verified).toMatchObject({ state: 'sound', signature: { state: 'good', signer: 'controller' } });
  const openssl = (...args: string[]) => run('openssl', args, { cwd: out });
  const { stdout } = await openssl('x509', '-in', 'manifest.crt', '-pubkey', '-noout');
  const key = join(fleet.directory, 'manifest.pub');
  await writeFile(key, stdout);
  const checked = await openssl('dgst', '-sha256', '-verify', key, '-signature', 'manifest.sig', 'manifest.json');
  expect(checked.stdout).toBe('Verified OK\n');
});

it('are the same over a server', { timeout: 300_000 }, async () => {
  const server = fleet.start(['serve', '--listen', '127.0.0.1:0']);
  if (server.stdout === null) throw new Error('no stdout');
  const [line] = await once(createInterface({ input: server.stdout }), 'line');
  const url = /https:\S+/.exec(String(line))?.[0].replace('127.0.0.1', 'localhost') ?? expect.fail(`it said ${line}`);
  const { stdout: token } = await fleet.run('users', 'add', 'alice', '--role', 'operator');
  const env = { PERFTRAWL_SERVER: url, PERFTRAWL_TOKEN: token.trim(), PERFTRAWL_DATA: join(fleet.directory, 'alice') };
  const remote = join(fleet.directory, 'remote');
  const pulled = await outputOf(fleet.start(['pull', job.id, '-o', remote, '--json'], env));
  expect(pulled.code, pulled.stderr).toBe(0);
  const [here, there] = [await manifestOf(out), await manifestOf(remote)];
  expect(there.files).toEqual(here.files);
  expect(there.jobs[0].hosts).toEqual(here.jobs[0].hosts);
  expect(there.jobs[0].pulled.from).toBe(`${url} as alice (operator)`);
  expect((await fleet.json<{ state: string }>(['verify', remote])).state).toBe('sound');
  const ended = once(server, 'exit');
  server.kill('SIGTERM');
  await ended;
});

it('are pulled as far as they can be had, when an agent is gone', { timeout: 300_000 }, async () => {
  const ended = once(db1.process, 'exit');
  db1.process.kill('SIGKILL');
  await ended;
  const partly = join(fleet.directory, 'partly');
  const { code, stdout } = await fleet.run('pull', '--since', '1h', '-o', partly);
  expect(code).toBe(3);
  expect(stdout).toContain(`job ${job.id} is incomplete:\n`);
  expect(stdout).toMatch(
    / {2}db1: no perf\.data: .*\n {2}db1: no perf-script\.txt: |db1: no perf-script\.txt: .*\n {2}db1: no perf\.data: /,
  );
  expect(await readdir(join(partly, job.id, 'hosts/ws'))).toContain('stacks.txt');
  expect(await readdir(join(partly, job.id, 'hosts/db1'))).toContain('profile.pb.gz');
  // It says that it is incomplete; it is sound for all that.
  const verified = await fleet.json<{ state: string; isComplete: boolean }>(['verify', partly]);
  expect(verified).toMatchObject({ state: 'sound', isComplete: false });
  // What was pulled before is whole, whoever is gone.
  expect(await fleet.json<Pulled>(['pull', job.id, '-o', out])).toMatchObject({ failed: 0, written: 0, kept: 18 });
});
