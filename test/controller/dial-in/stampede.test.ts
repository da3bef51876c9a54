// A controller that restarts under many agents of one address: all come back, though few at a time are let through the door.
import { afterEach, beforeEach, expect, it } from 'vitest';
import { contractAgent } from '../transport/contract-agent.js';
import { type Dialer, type DialInFleet, dialInFleet } from './dial-in-fleet.js';

const agents = 200;

let fleet: DialInFleet;
beforeEach(async () => {
  fleet = await dialInFleet();
});
afterEach(() => fleet.close());

it('lets two hundred agents in, and in again after a restart, each once', async () => {
  const names = Array.from({ length: agents }, (_, i) => `host${String(i).padStart(3, '0')}`);
  const limits = { halfOpen: { total: 32, perAddress: 16 } };
  const before = await fleet.open(limits);
  const dialers: Dialer[] = [];
  for (const name of names) {
    dialers.push(
      await fleet.dial(
        name,
        contractAgent(() => undefined),
      ),
    );
  }
  const everyone = (dialIn: typeof before) => dialIn.connected().length === agents;
  await until(() => everyone(before));
  await before.close();
  const after = await fleet.open(limits);
  await until(() => everyone(after));
  const hosts = after.connected().map(({ host }) => host);
  expect(hosts.toSorted()).toEqual(names);
  const welcomes = () =>
    dialers.map(({ notes }) => notes.filter((note) => note.includes('which knows this host as')).length);
  await until(() => welcomes().every((count) => count >= 2));
  expect(new Set(welcomes())).toEqual(new Set([2]));
});

/** Looks until it holds; a test that waits in vain ends by its own limit. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 20));
}
