// Which certificates were revoked, asked of the store: at each handshake, and again and again for those whose connections are open,
// because another process may revoke them.
import type { X509Certificate } from 'node:crypto';
import type { Milliseconds } from '../../proto/capture.js';
import { type Failure, toFailure } from '../../proto/failure.js';
import type { Clock } from '../clock.js';
import type { IdentityStore, StoredCertificate } from '../store/identity-store.js';
import { fingerprintOf } from '../transport/ca-fingerprint.js';

export interface Revocations {
  /** 'untrusted' for a certificate that was revoked; undefined for others. */
  check(certificate: X509Certificate): Promise<Failure | undefined>;
  /** `cutOff` is called once, within a second or so, when the certificate is revoked. Ends with the function that this returns. */
  hold(certificate: X509Certificate, cutOff: (failure: Failure) => void): () => void;
}

export interface RevocationOptions {
  readonly store: IdentityStore;
  readonly clock: Clock;
  readonly log: (text: string) => void;
}

const pollInterval: Milliseconds = 500;

interface Hold {
  readonly fingerprint: string;
  readonly cutOff: (failure: Failure) => void;
}

/** `close` ends all holds. */
export function storedRevocations(options: RevocationOptions): Revocations & { close(): void } {
  const { store, clock, log } = options;
  const holds = new Set<Hold>();
  const closing = new AbortController();
  let isPolling = false;

  async function cutOffRevoked(): Promise<void> {
    const revoked = new Map((await store.revoked(clock.now())).map((one) => [one.fingerprint, one]));
    for (const hold of holds) {
      const found = revoked.get(hold.fingerprint);
      if (found === undefined) continue;
      holds.delete(hold);
      hold.cutOff(revokedFailure(found));
    }
  }

  async function poll(): Promise<void> {
    let told = '';
    while (holds.size > 0 && (await clock.sleep(pollInterval, closing.signal)) === 'elapsed') {
      try {
        await cutOffRevoked();
        told = '';
      } catch (error) {
        const { message } = toFailure(error);
        if (message !== told) log(`cannot look for revoked certificates: ${message}`);
        told = message;
      }
    }
    isPolling = false;
  }

  return {
    async check(certificate) {
      const found = await store.certificate(fingerprintOf(certificate));
      return found === undefined || found.revoked === 0 ? undefined : revokedFailure(found);
    },
    hold(certificate, cutOff) {
      const hold: Hold = { fingerprint: fingerprintOf(certificate), cutOff };
      if (closing.signal.aborted) return () => undefined;
      holds.add(hold);
      if (!isPolling) {
        isPolling = true;
        void poll();
      }
      return () => void holds.delete(hold);
    },
    close() {
      closing.abort();
      holds.clear();
    },
  };
}

function revokedFailure({ name, role, serial, revoked }: StoredCertificate): Failure {
  return {
    code: 'untrusted',
    message: `the certificate of ${role} ${name} (serial ${serial}) was revoked at ${new Date(revoked).toISOString()}`,
    remedy:
      role === 'dial-in-agent'
        ? `if the host is to come back: perftrawl hosts forget ${name}, then enroll it again`
        : `issue ${name} a new certificate; \`perftrawl ca ls\` shows the old one`,
  };
}
