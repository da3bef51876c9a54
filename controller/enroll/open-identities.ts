// What an app has of identities, tied together: tokens and certificates, revocation, the hosts that have enrolled, and the port for them.
import type { Host } from '../api.js';
import type { Audit } from '../audit/audit.js';
import { readAuthority } from '../ca/authority.js';
import type { Clock } from '../clock.js';
import type { DialIn } from '../dial-in/dial-in.js';
import { type DialInOptions, openDialIn } from '../dial-in/listener.js';
import type { IdentityStore } from '../store/identity-store.js';
import { fileFingerprint } from '../transport/ca-fingerprint.js';
import { enrollHandler } from './enroll-handler.js';
import { enrolledGate } from './enrolled-gate.js';
import { openEnrolledHosts } from './enrolled-hosts.js';
import { type Identities, storedIdentities } from './identities.js';
import { knownHosts } from './known-hosts.js';
import { refusalAudit } from './refusal-audit.js';
import { type Revocations, storedRevocations } from './revocations.js';

export interface IdentityServicesOptions {
  readonly store: IdentityStore;
  readonly audit: Audit;
  readonly clock: Clock;
  /** Of `ca.crt` and `ca.key`; neither has to be there. */
  readonly caDirectory: string;
  readonly inventory: readonly Host[];
  readonly log: (line: string) => void;
}

export interface IdentityServices {
  readonly identities: Identities;
  readonly revocations: Revocations;
  /** Those of the inventory and those that have enrolled. */
  hosts(): readonly Host[];
  /** Agents dial in and enroll there; `close` of what this gives also writes down when they were seen. @throws as openDialIn */
  listen(options: Pick<DialInOptions, 'listen' | 'readIdentity' | 'log'>): Promise<DialIn>;
  close(): Promise<void>;
}

/** @throws FailureError when the hosts that have enrolled cannot be read */
export async function identityServices(options: IdentityServicesOptions): Promise<IdentityServices> {
  const { audit, clock, caDirectory, inventory, log } = options;
  const enrolled = await openEnrolledHosts({ store: options.store, clock, log });
  const { store } = enrolled;
  const now = () => clock.now();
  const revocations = storedRevocations({ store, clock, log });
  const addresses = new Map(inventory.map(({ name, address }) => [name, address]));
  const inventoryAddress = (name: string) => addresses.get(name);
  return {
    revocations,
    identities: storedIdentities({
      ...{ store, now, caDirectory },
      caSha256: () => fileFingerprint(`${caDirectory}/ca.crt`),
    }),
    hosts: () => knownHosts(inventory, enrolled.now()),
    async listen(place) {
      const { log: tell } = place;
      const gate = enrolledGate({ store, revocations, inventoryAddress, clock, log: tell });
      const enroll = enrollHandler({
        ...{ store, audit, now, inventoryAddress, log: tell, authority: () => readAuthority(caDirectory) },
      });
      const onRefused = refusalAudit({ audit, now, log: tell });
      const dialIn = await openDialIn({ ...place, gate, enroll, clock, onRefused });
      return {
        ...dialIn,
        async close() {
          await dialIn.close();
          await gate.close();
        },
      };
    },
    async close() {
      revocations.close();
      await enrolled.close();
    },
  };
}
