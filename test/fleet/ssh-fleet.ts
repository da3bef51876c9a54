// A fleet of real ssh hosts on this machine, for tests: each in namespaces of its own, so that they differ as hosts do.
//
//   const fleet = await SshFleet.start({ hosts: { db1: {}, db2: { without: ['perf'] } } });
//   … ssh -F fleet.sshConfig db1 …
//   await fleet.stop();
//
// Needs root. Hosts end when the process that started them ends, however that happens; `stop` also removes files and network.
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Bridge, makeBridge } from './bridge.js';
import { makeKey, publicKey, writeClientFiles, writeHostFiles } from './host-files.js';
import { type HostOptions, type HostPlace, TestHost } from './test-host.js';

/** Below /run, because each host has a /tmp of its own. The name ends in the pid of who made it. */
const PARENT = '/run';
const PREFIX = 'perftrawl-fleet-';

export interface SshFleetOptions {
  /** Name -> how it differs from a plain host. At most 250. */
  readonly hosts: Readonly<Record<string, HostOptions>>;
  /**
   * `bridge` (default): each host has an address on a bridge, sshd on port 22, and can be cut off. `loopback`: all share the network
   * of this machine, sshd on addresses of 127.0.0.0/8.
   */
  readonly network?: 'bridge' | 'loopback';
}

let fleets = 0;

export class SshFleet {
  readonly directory: string;
  /** Private key that every host lets in as root. */
  readonly identity: string;
  /** For `ssh -F`. */
  readonly sshConfig: string;
  readonly knownHosts: string;
  readonly hosts: ReadonlyMap<string, TestHost>;
  readonly #bridge: Bridge | undefined;

  /** Resolves when every sshd listens. */
  static async start(options: SshFleetOptions): Promise<SshFleet> {
    if (process.getuid?.() !== 0) throw new Error('a fleet of test hosts needs root: namespaces, mounts, a bridge');
    await sweepDirectories();
    await mkdir('/run/sshd', { recursive: true });
    const number = fleets++;
    const directory = await mkdtemp(join(PARENT, `${PREFIX}${process.pid}-`));
    const bridge = options.network === 'loopback' ? undefined : await makeBridge(number);
    const hosts: TestHost[] = [];
    try {
      const identity = join(directory, 'identity');
      const wrong = join(directory, 'another-key');
      await Promise.all([makeKey(identity), makeKey(wrong)]);
      const authorizedKeys = join(directory, 'authorized_keys');
      await copyFile(`${identity}.pub`, authorizedKeys);
      const asked = Object.entries(options.hosts);
      const places = asked.map(([name], i) => placeOf(directory, name, i + 1, number, bridge));
      const known = await Promise.all(
        places.map(async (place, i) => {
          const { sshdOptions = [], hostKey } = asked[i][1];
          await writeHostFiles({ ...place, authorizedKeys, sshdOptions });
          if (hostKey === 'unknown') return undefined;
          return publicKey(hostKey === 'changed' ? wrong : join(place.directory, 'host-key'));
        }),
      );
      const client = await writeClientFiles(
        directory,
        identity,
        places.map((place, i) => ({ ...place, knownKey: known[i] })),
      );
      hosts.push(...places.map((place, i) => new TestHost(place, asked[i][1], cableOf(bridge, place.number))));
      await Promise.all(hosts.map((host) => host.start()));
      return new SshFleet(directory, identity, client, hosts, bridge);
    } catch (error) {
      await removeAll(directory, hosts, bridge);
      throw error;
    }
  }

  private constructor(
    directory: string,
    identity: string,
    client: { readonly sshConfig: string; readonly knownHosts: string },
    hosts: readonly TestHost[],
    bridge: Bridge | undefined,
  ) {
    this.directory = directory;
    this.identity = identity;
    this.sshConfig = client.sshConfig;
    this.knownHosts = client.knownHosts;
    this.hosts = new Map(hosts.map((host) => [host.name, host]));
    this.#bridge = bridge;
  }

  host(name: string): TestHost {
    const host = this.hosts.get(name);
    if (host === undefined) throw new Error(`there is no test host ${name}`);
    return host;
  }

  /** Ends all processes of all hosts; nothing is left. */
  async stop(): Promise<void> {
    await removeAll(this.directory, [...this.hosts.values()], this.#bridge);
  }
}

async function removeAll(directory: string, hosts: readonly TestHost[], bridge: Bridge | undefined): Promise<void> {
  await Promise.all(hosts.map((host) => host.stop()));
  await bridge?.remove();
  await rm(directory, { recursive: true, force: true, maxRetries: 5 });
}

function placeOf(
  directory: string,
  name: string,
  number: number,
  fleet: number,
  bridge: Bridge | undefined,
): HostPlace {
  if (number > 250) throw new Error('a fleet of test hosts has room for 250');
  const place = { name, number, directory: join(directory, name) };
  if (bridge !== undefined) return { ...place, address: bridge.address(number), port: 22 };
  // Own addresses for each process and fleet; the whole of 127.0.0.0/8 is this machine's.
  const net = (process.pid * 8 + fleet) % 65_536;
  return { ...place, address: `127.${1 + ((net >> 8) % 254)}.${net & 255}.${number}`, port: 2222 };
}

function cableOf(bridge: Bridge | undefined, host: number) {
  if (bridge === undefined) return undefined;
  return {
    plug: (pid: number) => bridge.plug(host, pid),
    set: (state: 'up' | 'down') => bridge.setLink(host, state),
  };
}

/** What crashed test runs left; their hosts ended with them. */
async function sweepDirectories(): Promise<void> {
  for (const name of await readdir(PARENT)) {
    const pid = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`))
      await rm(join(PARENT, name), { recursive: true, force: true });
  }
}
