// Which agents may dial in: those with a certificate that an enrolment gave them, and hosts that the inventory says dial in.
import type { X509Certificate } from 'node:crypto';
import type { Milliseconds } from '../../proto/capture.js';
import { nameOf, roleOf } from '../../proto/certificate-role.js';
import { type Failure, toFailure } from '../../proto/failure.js';
import type { Address } from '../api.js';
import type { Clock } from '../clock.js';
import type { AgentGate } from '../dial-in/agent-gate.js';
import type { IdentityStore } from '../store/identity-store.js';
import { fingerprintOf } from '../transport/ca-fingerprint.js';
import type { Revocations } from './revocations.js';

export interface EnrolledGateOptions {
  readonly store: IdentityStore;
  readonly revocations: Revocations;
  readonly inventoryAddress: (name: string) => Address | undefined;
  readonly clock: Clock;
  readonly log: (text: string) => void;
}

/** Hosts that were seen are written down together. */
const flushInterval: Milliseconds = 2000;

/** `close` writes down what is left to write. */
export function enrolledGate(options: EnrolledGateOptions): AgentGate & { close(): Promise<void> } {
  const { store, revocations, inventoryAddress, clock, log } = options;
  const seen = new Map<string, { readonly address: string; readonly at: number }>();
  const closing = new AbortController();
  let flushing: Promise<void> | undefined;

  async function refusalOf(certificate: X509Certificate, name: string): Promise<Failure | undefined> {
    const revoked = await revocations.check(certificate);
    if (revoked !== undefined) return revoked;
    const stored = await store.certificate(fingerprintOf(certificate));
    const isEnrolled = stored !== undefined && (await store.host(name)) !== undefined;
    if (isEnrolled || inventoryAddress(name)?.transport === 'dial-in') return undefined;
    const message = `the certificate of ${name} is of this CA, and no host of that name is known`;
    return untrusted(
      message,
      'enroll it with `perftrawl agent enroll`, or add it to the inventory with address: dial-in',
    );
  }

  async function flush(): Promise<void> {
    const hosts = [...seen].map(([name, { address, at }]) => ({ name, address, at }));
    seen.clear();
    try {
      if (hosts.length > 0) await store.seen(hosts);
    } catch (error) {
      log(`cannot write down which hosts were seen: ${toFailure(error).message}`);
    }
  }

  return {
    async admit(certificate) {
      const name = nameOf(certificate);
      if (roleOf(certificate) !== 'dial-in-agent' || name === undefined) {
        const message = `a certificate of role ${roleOf(certificate) ?? 'none'} is not for dialing in`;
        return untrusted(message, 'the agent needs one from `perftrawl agent enroll`');
      }
      const refusal = await refusalOf(certificate, name);
      if (refusal !== undefined) return refusal;
      return { host: name, hold: (cutOff) => revocations.hold(certificate, cutOff) };
    },
    seen(host, address, at) {
      seen.set(host, { address, at });
      flushing ??= clock.sleep(flushInterval, closing.signal).then(async () => {
        flushing = undefined;
        await flush();
      });
    },
    async close() {
      closing.abort();
      await flushing;
      await flush();
    },
  };
}

function untrusted(message: string, remedy: string): Failure {
  return { code: 'untrusted', message, remedy };
}
