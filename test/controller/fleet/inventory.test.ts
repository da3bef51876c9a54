// Inventories: what the file says, with ranges and defaults, and mistakes by line.
import { describe, expect, it } from 'vitest';
import { expandRange } from '../../../controller/fleet/host-range.js';
import { parseInventory } from '../../../controller/fleet/inventory.js';
import { toFailure } from '../../../proto/failure.js';

describe('host ranges', () => {
  it.each([
    ['db1', ['db1']],
    ['db[08-11]', ['db08', 'db09', 'db10', 'db11']],
    ['web[1-2,7]x', ['web1x', 'web2x', 'web7x']],
    ['r[1-2]n[1-2]', ['r1n1', 'r1n2', 'r2n1', 'r2n2']],
    ['[fe80::1]', ['[fe80::1]']],
  ])('%s', (pattern, names) => {
    expect(expandRange(pattern)).toEqual(names);
  });

  it.each(['db[3-1]', 'db[0-99999999]', 'a[1-9999]b[1-9999]'])('refuses %s', (pattern) => {
    expect(() => expandRange(pattern)).toThrow(/counts down|more than 100000 names/);
  });
});

describe('inventory', () => {
  it('reads hosts, ranges, labels, defaults and the identity', () => {
    const { hosts, identity } = parseInventory(
      `tls: { ca: ca/ca.crt, key: /etc/perftrawl/me.key }
defaults: { labels: { region: eu, tier: 1 }, address: "tls://{name}.example.com:7417" }
hosts:
  - { name: here, address: local, labels: { tier: 2 } }
  - { name: "db[01-02]" }
  - { name: "web[1-2]", address: "tls://10.0.0.[8-9]:7000", serverName: "{name}.web" }
  - { name: six, address: "tls://[fe80::1]:7417" }
`,
      '/etc/perftrawl/inventory.yaml',
    );
    const labels = { region: 'eu', tier: '1' };
    const tls = (host: string, port: number) => ({ transport: 'tls', host, port });
    expect(hosts).toEqual([
      { name: 'here', labels: { region: 'eu', tier: '2' }, address: { transport: 'local' } },
      { name: 'db01', labels, address: tls('db01.example.com', 7417) },
      { name: 'db02', labels, address: tls('db02.example.com', 7417) },
      { name: 'web1', labels, address: { ...tls('10.0.0.8', 7000), serverName: 'web1.web' } },
      { name: 'web2', labels, address: { ...tls('10.0.0.9', 7000), serverName: 'web2.web' } },
      { name: 'six', labels, address: tls('fe80::1', 7417) },
    ]);
    expect(identity).toEqual({ ca: '/etc/perftrawl/ca/ca.crt', key: '/etc/perftrawl/me.key' });
  });

  it.each([
    ['', 'i.yaml:1: the file:'],
    ['hosts: []', 'i.yaml:1: hosts: an inventory has at least one host'],
    ['hosts:\n  - name: a\n    adress: local', 'i.yaml:3: hosts[0]: Unrecognized key'],
    ['hosts:\n  - name: a', "i.yaml:2: hosts[0].name: 'a' has no address"],
    ['hosts:\n  - name: a\n    address: ssh://a:0', "i.yaml:3: hosts[0].address: 'ssh://a:0' is no address"],
    ['hosts:\n  - name: a\n    address: tls://a:99999', "i.yaml:3: hosts[0].address: 'tls://a:99999' is no address"],
    ['hosts:\n  - name: ../a\n    address: local', "i.yaml:2: hosts[0].name: '../a' is no host name"],
    [
      'hosts:\n - { name: a, address: local }\n - { name: a, address: local }',
      "i.yaml:3: hosts[1].name: there is a second host 'a'",
    ],
    ['hosts:\n - name: a\n   address: local\n   labels:\n     name: b', "i.yaml:4: hosts[0].labels: 'name' always is"],
    ['hosts:\n - name: a[1-3]\n   address: tls://b[1-2]:1', 'stands for 2 values, the name for 3'],
    ['hosts:\n - name: [a\n', 'i.yaml:3:'],
  ])('names the line of a mistake: %j', (text, message) => {
    try {
      parseInventory(text, 'i.yaml');
    } catch (error) {
      expect(toFailure(error)).toMatchObject({ code: 'bad-request', message: expect.stringContaining(message) });
      return;
    }
    expect.fail('it was not refused');
  });

  it('is not blown up by aliases', () => {
    const bomb = Array.from({ length: 30 }, (_, i) => `a${i}: &a${i} [${`*a${i - 1},`.repeat(i === 0 ? 0 : 9)}]`);
    expect(() => parseInventory(bomb.join('\n'), 'i.yaml')).toThrow(/cannot use the inventory/);
  });
});
