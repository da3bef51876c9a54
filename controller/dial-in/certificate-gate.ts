// The gate without enrolment: a host of the inventory that dials in, by the name in its certificate.
import { nameOf, roleOf } from '../../proto/certificate-role.js';
import { fail } from '../../proto/failure.js';
import type { Host } from '../api.js';
import type { AgentGate } from './agent-gate.js';

/** @param find the host of that name, wherever it is written down */
export function certificateGate(find: (name: string) => Host | undefined): AgentGate {
  return {
    async admit(certificate) {
      const role = roleOf(certificate);
      const name = nameOf(certificate);
      if (role !== 'dial-in-agent' || name === undefined) {
        const remedy = `issue one with \`perftrawl ca issue ${name ?? 'NAME'} --role dial-in-agent\``;
        return fail(
          'untrusted',
          `a certificate of role ${role ?? 'unknown'} is not one of an agent that dials in`,
          remedy,
        ).failure;
      }
      if (find(name)?.address.transport === 'dial-in') return { host: name };
      const remedy = `put it into the inventory of the controller: { name: ${name}, address: dial-in }`;
      return fail('untrusted', `no host ${name} dials in to this controller`, remedy).failure;
    },
    seen: () => undefined,
  };
}
