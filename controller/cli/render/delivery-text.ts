// The agent on its way to a host, in words.
import type { AgentDelivery } from '../../api.js';
import { weightText } from '../../views/number-text.js';

/** Less than this is sent too fast to be told in a log. */
const LEAST_BYTES = 4 * 1024 * 1024;

/** `sending the agent, 12.0 MiB of 34.9 MiB` */
export function deliveryText(delivery: AgentDelivery): string {
  switch (delivery.state) {
    case 'making':
      return 'making the agent with Node inside';
    case 'sending': {
      const { sentBytes, totalBytes } = delivery;
      return `sending the agent, ${weightText(sentBytes, 'bytes')} of ${weightText(totalBytes, 'bytes')}`;
    }
  }
}

/** Deliveries of one step make one line of a log: quarters of what is sent. undefined: none. */
export function deliveryStep(delivery: AgentDelivery | undefined): string | undefined {
  if (delivery?.state !== 'sending') return delivery?.state;
  const { sentBytes, totalBytes } = delivery;
  return totalBytes < LEAST_BYTES ? undefined : `sent ${Math.floor((4 * sentBytes) / totalBytes)}`;
}
