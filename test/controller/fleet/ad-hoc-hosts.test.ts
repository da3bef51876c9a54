// Hosts named by -H: every form, names that tell them apart, and what is refused.
import { describe, expect, it } from 'vitest';
import { parseAdHocHosts } from '../../../controller/fleet/ad-hoc-hosts.js';

const drawn = (list: string) => parseAdHocHosts(list).map(({ name, address }) => [name, address]);

describe('hosts of the command line', () => {
  it('are names, users, ports, addresses, ranges and jump hosts', () => {
    expect(drawn('db1, root@db[2-3]:2222,[fe80::1]:22,bastion/me@gate:2/db5')).toEqual([
      ['db1', { transport: 'ssh', host: 'db1' }],
      ['db2', { transport: 'ssh', host: 'db2', user: 'root', port: 2222 }],
      ['db3', { transport: 'ssh', host: 'db3', user: 'root', port: 2222 }],
      ['fe80--1', { transport: 'ssh', host: 'fe80::1', port: 22 }],
      ['db5', { transport: 'ssh', host: 'db5', jumps: ['bastion', 'me@gate:2'] }],
    ]);
  });

  it('are told apart by their ports where the name is the same', () => {
    expect(parseAdHocHosts('127.0.0.1:2201,127.0.0.1:2202').map(({ name }) => name)).toEqual([
      '127.0.0.1',
      '127.0.0.1-2202',
    ]);
  });

  it.each([
    '-oProxyCommand=x',
    'a b',
    '../db1',
    'db1;id',
    '$(id)',
    'db1:0',
    'db1:70000',
    '[nonsense]:1',
    'db1,db1',
    '-v/db1',
    "db'1",
  ])('refuses %j', (list) => {
    expect(() => parseAdHocHosts(list)).toThrow(/-H: /);
  });
});
