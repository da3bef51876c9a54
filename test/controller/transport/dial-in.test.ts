// The transport contract over connections that the agent opens, with real certificates.

import { dialInFleet } from '../dial-in/dial-in-fleet.js';
import { contractAgent } from './contract-agent.js';
import { transportContract } from './transport-contract.js';

transportContract('dial-in', async () => {
  const fleet = await dialInFleet();
  const dialIn = await fleet.open();
  const dialer = await fleet.dial(
    'db1',
    contractAgent(() => dialer.cut()),
  );
  return {
    host: { name: 'db1', labels: {}, address: { transport: 'dial-in' } },
    transport: dialIn.transport,
    // It comes back by itself.
    revive: async () => undefined,
    close: () => fleet.close(),
  };
});
