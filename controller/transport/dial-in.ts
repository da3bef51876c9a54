// The `dial-in` transport: the agent has opened the connection; when something is to be asked, the roles turn round on it.
import { FailureError, fail } from '../../proto/failure.js';
import type { AgentTable } from '../dial-in/agent-table.js';
import type { Transport } from './transport.js';

export function dialInTransport(table: AgentTable): Transport {
  return {
    async open(host, signal) {
      if (host.address.transport !== 'dial-in') throw fail('internal', `${host.name} does not dial in`);
      for (;;) {
        const link = await table.take(host.name, signal);
        // Somebody else may have taken it in the same moment.
        if (!link.isIdle) continue;
        try {
          return await link.begin(signal);
        } catch (error) {
          const isLost = error instanceof FailureError && error.failure.code === 'unreachable';
          // A connection that broke unnoticed was replaced by the agent meanwhile, or will be.
          if (!isLost || table.get(host.name) === undefined) throw error;
        }
      }
    },
  };
}

/** For a controller that listens for nobody. */
export const noDialIn: Transport = {
  open: (host) =>
    Promise.reject(
      fail('bad-request', `${host.name} dials in to a server, and this command listens for nobody`, 'ask that server'),
    ),
};
