// Agents of the real program behind a NAT whose address changes, and then their own: they stay who they are. Needs root.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { initCa, issueCertificate } from '../../../controller/ca/certificate-authority.js';
import { bundleProgram, type Program } from '../bundle-program.js';
import { makeNatNetwork, type NatNetwork } from './nat-network.js';

const names = ['db1', 'db2'];

let directory: string;
let network: NatNetwork;
let programs: { readonly controller: Program; readonly agent: Program };
const children: ChildProcess[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'perftrawl-nat-'));
  network = await makeNatNetwork();
  programs = {
    controller: await bundleProgram('dial-in/waiting-controller-main.ts'),
    agent: await bundleProgram('../../agent/upload-main.ts'),
  };
  const ca = join(directory, 'ca');
  await initCa(ca, Date.now());
  const { controllerAddress } = network;
  await issueCertificate(ca, { name: 'server', addresses: [controllerAddress], role: 'server', days: 1 }, Date.now());
  for (const name of names) {
    await issueCertificate(ca, { name, addresses: [], role: 'dial-in-agent', days: 1 }, Date.now());
  }
  const hosts = names.map((name) => `  - { name: ${name}, address: dial-in }\n`);
  await writeFile(join(directory, 'inventory.yaml'), `hosts:\n${hosts.join('')}`);
});

afterAll(async () => {
  for (const child of children) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }
  await network.remove();
  for (const program of Object.values(programs)) await program.remove();
  await rm(directory, { recursive: true });
});

it('keep their identity behind a NAT, when its address changes, and when their own does', async () => {
  const listen = `${network.controllerAddress}:7452`;
  const controller = start('ctl', [
    programs.controller.file,
    JSON.stringify({ dataDir: join(directory, 'data'), configDir: directory, agentCommand: [], dialIn: { listen } }),
  ]);
  const answers = createInterface(controller.stdout ?? expect.fail('no stdout'))[Symbol.asyncIterator]();
  expect((await answers.next()).value).toBe('listening');
  const ask = async (question: 'connected' | 'describe') => {
    controller.stdin?.write(`${question}\n`);
    return JSON.parse(String((await answers.next()).value));
  };
  /** Looks until every host is connected from this address; in vain it ends by the limit of the test. */
  const untilFrom = async (address: string) => {
    for (;;) {
      const connected: { readonly host: string; readonly remoteAddress: string }[] = await ask('connected');
      const from = connected.filter(({ remoteAddress }) => remoteAddress === address).map(({ host }) => host);
      if (from.toSorted().join() === names.join()) return;
      await sleep(200);
    }
  };
  for (const [i, name] of names.entries()) {
    const files = ['--cert', join(directory, 'ca', `${name}.crt`), '--key', join(directory, 'ca', `${name}.key`)];
    start(`host${i + 1}`, [
      ...[programs.agent.file, '--dial', listen, '--name', name, '--state', join(directory, name)],
      ...[...files, '--ca', join(directory, 'ca', 'ca.crt')],
    ]);
  }
  const themselves = Object.fromEntries(names.map((name) => [name, name]));
  await untilFrom('192.0.2.2');
  expect(await ask('describe')).toEqual(themselves);

  await network.setPublicAddress(3);
  await untilFrom('192.0.2.3');
  expect(await ask('describe')).toEqual(themselves);

  await network.setHostAddress(1, 5);
  await network.setHostAddress(2, 6);
  await network.setPublicAddress(4);
  await untilFrom('192.0.2.4');
  expect(await ask('describe')).toEqual(themselves);
});

function start(where: string, argv: readonly string[]): ChildProcess {
  const child = network.spawn(where, [process.execPath, ...argv]);
  children.push(child);
  child.stderr?.resume();
  return child;
}
