// A controller's network, a router that hides two hosts behind its one address (masquerading), and those hosts: each a network namespace.
//
//   ctl 192.0.2.1 ---- 192.0.2.2 router 10.9.N.1 ---- 10.9.N.2 host N
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const PREFIX = 'ptn';

export interface NatNetwork {
  readonly controllerAddress: string;
  /** Run a program in `ctl` or in `host1`, `host2`. */
  spawn(where: string, argv: readonly string[]): ChildProcess;
  /** The one address that the controller sees: `192.0.2.n`. What was connected from the old one is cut off without a word. */
  setPublicAddress(last: number): Promise<void>;
  /** The address of a host behind the router: `10.9.host.n`, 2 to 6. */
  setHostAddress(host: number, last: number): Promise<void>;
  remove(): Promise<void>;
}

export async function makeNatNetwork(): Promise<NatNetwork> {
  await sweep();
  const space = (name: string) => `${PREFIX}${process.pid}${name}`;
  const inSpace = (name: string, ...argv: string[]) => run('ip', ['netns', 'exec', space(name), ...argv]);
  const names = ['ctl', 'router', 'host1', 'host2'];
  for (const name of names) {
    await run('ip', ['netns', 'add', space(name)]);
    await inSpace(name, 'ip', 'link', 'set', 'lo', 'up');
  }
  const cable = async (from: string, device: string, to: string, other: string) => {
    await inSpace(from, 'ip', 'link', 'add', device, 'type', 'veth', 'peer', 'name', other, 'netns', space(to));
    await inSpace(from, 'ip', 'link', 'set', device, 'up');
    await inSpace(to, 'ip', 'link', 'set', other, 'up');
  };
  await cable('ctl', 'eth0', 'router', 'wan');
  await inSpace('ctl', 'ip', 'addr', 'add', '192.0.2.1/24', 'dev', 'eth0');
  await inSpace('router', 'ip', 'addr', 'add', '192.0.2.2/24', 'dev', 'wan');
  await inSpace('router', 'sysctl', '-q', '-w', 'net.ipv4.ip_forward=1');
  const rules = 'table ip nat { chain post { type nat hook postrouting priority 100; oifname "wan" masquerade; }; }';
  await inSpace('router', 'nft', rules);
  for (const host of [1, 2]) {
    await cable('router', `lan${host}`, `host${host}`, 'eth0');
    await inSpace('router', 'ip', 'addr', 'add', `10.9.${host}.1/29`, 'dev', `lan${host}`);
  }
  const setHostAddress = async (host: number, last: number) => {
    await inSpace(`host${host}`, 'ip', 'addr', 'flush', 'dev', 'eth0');
    await inSpace(`host${host}`, 'ip', 'addr', 'add', `10.9.${host}.${last}/29`, 'dev', 'eth0');
    await inSpace(`host${host}`, 'ip', 'route', 'replace', 'default', 'via', `10.9.${host}.1`);
  };
  for (const host of [1, 2]) await setHostAddress(host, 2);
  return {
    controllerAddress: '192.0.2.1',
    spawn: (where, argv) => spawn('ip', ['netns', 'exec', space(where), ...argv], { stdio: ['pipe', 'pipe', 'pipe'] }),
    async setPublicAddress(last) {
      await inSpace('router', 'ip', 'addr', 'flush', 'dev', 'wan');
      await inSpace('router', 'ip', 'addr', 'add', `192.0.2.${last}/24`, 'dev', 'wan');
    },
    setHostAddress,
    async remove() {
      for (const name of names) await run('ip', ['netns', 'del', space(name)]);
    },
  };
}

/** What crashed test runs left. */
async function sweep(): Promise<void> {
  const found = await readdir('/run/netns').catch(() => []);
  for (const name of found) {
    const pid = new RegExp(`^${PREFIX}(\\d+)(ctl|router|host\\d)$`).exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) await run('ip', ['netns', 'del', name]);
  }
}
