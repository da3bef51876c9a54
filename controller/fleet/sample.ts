// A random sample of hosts, stratified by a label, that anybody can draw again from its seed.
import { createHash } from 'node:crypto';
import { fail } from '../../proto/failure.js';
import type { Host, Sample, Share } from '../api.js';
import { hostsOf } from './share.js';

interface SampleRequest {
  readonly size: Share;
  /** A label whose values are the strata; absent: one stratum. */
  readonly stratify?: string;
  readonly seed: string;
}

/**
 * Within a stratum each host is as likely as any other; the order in which the hosts are given plays no part. Strata get their share by
 * largest remainders, each at least one host where the sample is large enough for that.
 */
export function drawSample(
  hosts: readonly Host[],
  { size, stratify, seed }: SampleRequest,
): { readonly hosts: readonly Host[]; readonly sample: Sample } {
  if (hosts.length === 0) throw fail('bad-request', 'there are no hosts to draw a sample from');
  const strata = new Map<string, Host[]>();
  for (const host of hosts) {
    const value = stratify === undefined ? '' : (host.labels[stratify] ?? '');
    strata.set(value, [...(strata.get(value) ?? []), host]);
  }
  const values = [...strata.keys()].sort(compare);
  const members = values.map((value) => strata.get(value) ?? []);
  const counts = apportion(
    members.map((list) => list.length),
    hostsOf(size, hosts.length),
  );
  const chosen = new Set<string>();
  const told = values.map((value, i) => {
    const names = members[i].map((host) => host.name);
    for (const name of shuffled(names, `${seed}\0${value}`).slice(0, counts[i])) chosen.add(name);
    return { value, hosts: names.length, chosen: counts[i] };
  });
  const left = hosts.filter((host) => !chosen.has(host.name)).map((host) => host.name);
  return {
    hosts: hosts.filter((host) => chosen.has(host.name)),
    sample: { seed, size, of: hosts.length, strata: told, left, ...(stratify === undefined ? {} : { stratify }) },
  };
}

/** Whole parts of `total` in proportion to `sizes`, none larger than its size. `total` is at most the sum of the sizes. */
function apportion(sizes: readonly number[], total: number): number[] {
  const sum = sizes.reduce((a, b) => a + b, 0);
  const quotas = sizes.map((size) => (total * size) / sum);
  const least = total >= sizes.length ? 1 : 0;
  const counts = quotas.map((quota) => Math.max(least, Math.floor(quota)));
  let missing = total - counts.reduce((a, b) => a + b, 0);
  const byLack = [...counts.keys()].sort((a, b) => quotas[b] - counts[b] - (quotas[a] - counts[a]) || a - b);
  for (const i of byLack) {
    if (missing <= 0) break;
    if (counts[i] >= sizes[i]) continue;
    counts[i]++;
    missing--;
  }
  // Strata that were raised to one host took more than their share from the large ones.
  for (; missing < 0; missing++) {
    let most = -1;
    for (let i = 0; i < counts.length; i++) {
      if (counts[i] > 1 && (most < 0 || counts[i] - quotas[i] > counts[most] - quotas[most])) most = i;
    }
    counts[most]--;
  }
  return counts;
}

/** By the SHA-256 of seed and name: nothing else decides. */
function shuffled(names: readonly string[], seed: string): string[] {
  const keyed = names.map((name) => ({ name, key: createHash('sha256').update(`${seed}\0${name}`).digest('hex') }));
  return keyed.sort((a, b) => compare(a.key, b.key)).map(({ name }) => name);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
