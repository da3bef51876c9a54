// The hosts that there are: those of the inventory, and those that have enrolled.
import type { Host } from '../api.js';
import type { StoredHost } from '../store/identity-store.js';

/**
 * Where both have a name, the inventory's is it: its address, and its labels on top of those of the token if it says that the host
 * dials in. So nobody who has a token can be taken for a host that is reached in another way.
 */
export function knownHosts(inventory: readonly Host[], enrolled: readonly StoredHost[]): readonly Host[] {
  if (enrolled.length === 0) return inventory;
  const labelsOf = new Map(enrolled.map(({ name, labels }) => [name, labels]));
  const listed = inventory.map((host) =>
    host.address.transport === 'dial-in' ? { ...host, labels: { ...labelsOf.get(host.name), ...host.labels } } : host,
  );
  const names = new Set(inventory.map(({ name }) => name));
  const others = enrolled.filter(({ name }) => !names.has(name));
  return [...listed, ...others.map(({ name, labels }): Host => ({ name, labels, address: { transport: 'dial-in' } }))];
}
