// A number of hosts, or a share of them, as a number.
import type { Share } from '../api.js';

/** How many of `total` hosts a share is; at least one, at most all. */
export function hostsOf(share: Share, total: number): number {
  const hosts = share.kind === 'hosts' ? share.hosts : Math.ceil((total * share.percent) / 100);
  return Math.min(total, Math.max(1, hosts));
}
