// Hosts named on the command line, reached by ssh: `-H db1,root@db[2-4]:2222,bastion/db5`.
import { isIP } from 'node:net';
import { fail } from '../../proto/failure.js';
import type { Host } from '../api.js';
import { parseDestination } from '../transport/ssh/destination.js';
import { expandRange, HostRangeError } from './host-range.js';

const mostHosts = 10_000;

/**
 * `[JUMP/…][USER@]HOST[:PORT]`, comma separated; ranges as in the inventory. Hosts are named after HOST, with the port where
 * that alone would not tell them apart.
 * @throws FailureError 'bad-request'
 */
export function parseAdHocHosts(list: string): readonly Host[] {
  const hosts: Host[] = [];
  const names = new Set<string>();
  for (const item of splitList(list).flatMap(expand)) {
    const parts = item.split('/');
    const destinations = parts.map((part) => {
      const destination = parseDestination(part);
      if (destination === undefined) throw wrong(item, 'write [JUMP/][USER@]HOST[:PORT], IPv6 addresses in brackets');
      return destination;
    });
    const target = destinations[destinations.length - 1];
    const jumps = parts.slice(0, -1);
    const plain = target.host.replaceAll(/[^A-Za-z0-9._-]/g, '-').replace(/^[^A-Za-z0-9]+/, 'v6-');
    const name = names.has(plain) && target.port !== undefined ? `${plain}-${target.port}` : plain;
    if (names.has(name)) throw wrong(item, `there are two hosts '${name}'`);
    names.add(name);
    if (hosts.length >= mostHosts) throw wrong(item, `more than ${mostHosts} hosts: make an inventory`);
    const address = { transport: 'ssh' as const, ...target, ...(jumps.length === 0 ? {} : { jumps }) };
    hosts.push({ name: isIP(target.host) === 6 ? name : name.slice(0, 80), labels: {}, address });
  }
  return hosts;
}

function expand(item: string): readonly string[] {
  try {
    return expandRange(item);
  } catch (error) {
    if (error instanceof HostRangeError) throw wrong(item, error.message);
    throw error;
  }
}

/** At commas that are in no brackets. */
function splitList(list: string): readonly string[] {
  const items = list.split(/,(?![^[]*\])/).map((item) => item.trim());
  return items.filter((item) => item !== '');
}

function wrong(item: string, why: string) {
  return fail('bad-request', `-H: '${item}': ${why}`, "such as -H 'db1,root@db[2-4]:2222,bastion/db5'");
}
