// The network between test hosts: one bridge on this machine with a subnet of its own, one cable (veth) to each host.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** Bridges and cables are called this, then the pid of who made them. */
const PREFIX = 'ptf';

export interface Bridge {
  /** `10.x.y.n` for host number n, from 1 to 250. */
  address(host: number): string;
  /** A cable to the network namespace of a process, where it is eth0. */
  plug(host: number, pid: number): Promise<void>;
  setLink(host: number, state: 'up' | 'down'): Promise<void>;
  remove(): Promise<void>;
}

/** @param number tells several bridges of one process apart */
export async function makeBridge(number: number): Promise<Bridge> {
  await sweepBridges();
  const name = `${PREFIX}${process.pid}${'abcdefgh'[number % 8]}`;
  const net = await freeSubnet((process.pid * 8 + number) % (64 * 256));
  const cable = (host: number) => `${name}${host}`;
  await ip([`link add ${name} type bridge`, `addr add ${net}.254/24 dev ${name}`, `link set ${name} up`]);
  return {
    address: (host) => `${net}.${host}`,
    async plug(host, pid) {
      // That of a host which was switched off vanishes with its namespace, some time later.
      if (existsSync(`/sys/class/net/${cable(host)}`))
        await ip([`link del ${cable(host)}`], '-force').catch(() => undefined);
      await ip([
        `link add ${cable(host)} type veth peer name eth0 netns ${pid}`,
        `link set ${cable(host)} master ${name} up`,
      ]);
    },
    async setLink(host, state) {
      await ip([`link set ${cable(host)} ${state}`]);
      if (state === 'down') return;
      await untilUp(cable(host));
      // What failed while it was down is asked anew at once.
      await ip([`neigh flush dev ${name}`]);
    },
    remove: () => removeLinks(name),
  };
}

/** What crashed test runs left. */
async function sweepBridges(): Promise<void> {
  for (const name of await readdir('/sys/class/net')) {
    const pid = new RegExp(`^${PREFIX}(\\d+)[a-h]$`).exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) await removeLinks(name);
  }
}

/** Cables vanish with the host's namespace, at the latest some time after it; a bridge does not. */
async function removeLinks(bridge: string): Promise<void> {
  const cables = (await readdir('/sys/class/net')).filter((name) => new RegExp(`^${bridge}\\d+$`).test(name));
  // One that has vanished meanwhile is no error.
  await ip(
    [...cables, bridge].map((name) => `link del ${name}`),
    '-force',
  ).catch(() => undefined);
  if (existsSync(`/sys/class/net/${bridge}`)) throw new Error(`the bridge ${bridge} cannot be removed`);
}

/** The kernel notices a cable some time after it was plugged in. */
async function untilUp(device: string): Promise<void> {
  for (let look = 0; look < 500; look++) {
    if ((await readFile(`/sys/class/net/${device}/operstate`, 'utf8')).trim() === 'up') return;
    await setTimeout(20);
  }
  throw new Error(`${device} is not up after 10 seconds`);
}

async function freeSubnet(first: number): Promise<string> {
  const { stdout } = await run('ip', ['-4', '-o', 'addr', 'show']);
  for (let i = 0; i < 64 * 256; i++) {
    const at = (first + i) % (64 * 256);
    const net = `10.${64 + (at >> 8)}.${at & 255}`;
    if (!stdout.includes(` ${net}.`)) return net;
  }
  throw new Error('no subnet of 10.64.0.0/10 is free');
}

async function ip(lines: readonly string[], ...options: string[]): Promise<void> {
  const child = spawn('ip', [...options, '-batch', '-'], { stdio: ['pipe', 'ignore', 'pipe'] });
  const said: Buffer[] = [];
  child.stderr.on('data', (part: Buffer) => said.push(part));
  child.stdin.end(`${lines.join('\n')}\n`);
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`ip -batch ended with ${code}: ${Buffer.concat(said).toString()}`);
}
