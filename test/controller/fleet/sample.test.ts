// A sample is as large as asked for, fair to its strata, and drawn again from its seed.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Host } from '../../../controller/api.js';
import { drawSample } from '../../../controller/fleet/sample.js';

const host = (name: string, region: string): Host => ({
  name,
  labels: region === '' ? {} : { region },
  address: { transport: 'local' },
});
const fleet = (...sizes: number[]): Host[] =>
  sizes.flatMap((size, stratum) => Array.from({ length: size }, (_, i) => host(`h${stratum}-${i}`, `r${stratum}`)));
const namesOf = (hosts: readonly Host[]) => hosts.map(({ name }) => name);

describe('a sample', () => {
  it('gives each stratum its share by largest remainders, and at least one host', () => {
    const hosts = fleet(90, 8, 2);
    const { sample } = drawSample(hosts, { size: { kind: 'hosts', hosts: 10 }, stratify: 'region', seed: 'x' });
    expect(sample.strata.map(({ chosen }) => chosen)).toEqual([8, 1, 1]);
  });

  it('says of each host whether it was drawn', () => {
    const { hosts, sample } = drawSample(fleet(20), { size: { kind: 'percent', percent: 25 }, seed: 'x' });
    expect(hosts).toHaveLength(5);
    expect([...namesOf(hosts), ...sample.left].sort()).toEqual(namesOf(fleet(20)).sort());
  });

  it('is the size asked for, within each stratum of its quota, and the same for the same seed in any order', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(sizes, fc.integer({ min: 1, max: 100 }), fc.string(), (strata, wanted, seed) => {
        const hosts = fleet(...strata);
        const request = { size: { kind: 'hosts' as const, hosts: wanted }, stratify: 'region', seed };
        const { hosts: chosen, sample } = drawSample(hosts, request);
        const total = Math.min(wanted, hosts.length);
        expect(chosen).toHaveLength(total);
        for (const { value, hosts: size, chosen: count } of sample.strata) {
          expect(chosen.filter(({ labels }) => labels.region === value)).toHaveLength(count);
          expect(count).toBeLessThanOrEqual(size);
          const quota = (total * size) / hosts.length;
          if (total >= sample.strata.length) expect(count).toBeGreaterThanOrEqual(1);
          expect(count).toBeLessThanOrEqual(Math.max(1, Math.ceil(quota)));
        }
        const again = drawSample([...hosts].reverse(), request);
        expect(namesOf(again.hosts).sort()).toEqual(namesOf(chosen).sort());
      }),
    );
  });

  it('takes each host equally often over many seeds', () => {
    const counts = new Map<string, number>();
    for (let seed = 0; seed < 4000; seed++) {
      const { hosts } = drawSample(fleet(10), { size: { kind: 'hosts', hosts: 3 }, seed: String(seed) });
      for (const name of namesOf(hosts)) counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    // Expected 1200 each, standard deviation 29.
    for (const count of counts.values()) expect(Math.abs(count - 1200)).toBeLessThan(150);
  });

  it('keeps hosts without the label apart', () => {
    const hosts = [host('a', ''), host('b', 'x'), host('c', '')];
    const { sample } = drawSample(hosts, { size: { kind: 'hosts', hosts: 2 }, stratify: 'region', seed: '' });
    expect(sample.strata).toEqual([
      { value: '', hosts: 2, chosen: 1 },
      { value: 'x', hosts: 1, chosen: 1 },
    ]);
  });
});
