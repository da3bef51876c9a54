// The hosts that have enrolled, at hand without asking the store: read at the beginning, after each change that is made here, and again
// and again, because others change them too.
import type { Milliseconds } from '../../proto/capture.js';
import { toFailure } from '../../proto/failure.js';
import type { Clock } from '../clock.js';
import type { IdentityStore, StoredHost } from '../store/identity-store.js';

export interface EnrolledHosts {
  /** By name, as of about a second ago. */
  now(): readonly StoredHost[];
  /** The same store; what is changed through it shows at once. */
  readonly store: IdentityStore;
  close(): Promise<void>;
}

export interface EnrolledHostsOptions {
  readonly store: IdentityStore;
  readonly clock: Clock;
  readonly log: (line: string) => void;
}

const poll: Milliseconds = 1000;

/** @throws FailureError when they cannot be read */
export async function openEnrolledHosts({ store, clock, log }: EnrolledHostsOptions): Promise<EnrolledHosts> {
  const closing = new AbortController();
  let mark = await store.hostsMark();
  let hosts = await store.hosts();

  async function refresh(): Promise<void> {
    // The mark first: what changes in between is read twice, and never missed.
    const found = await store.hostsMark();
    if (found === mark) return;
    hosts = await store.hosts();
    mark = found;
  }

  async function watch(): Promise<void> {
    let told = '';
    while ((await clock.sleep(poll, closing.signal)) === 'elapsed') {
      try {
        await refresh();
        told = '';
      } catch (error) {
        const { message } = toFailure(error);
        if (message !== told) log(`cannot look for hosts that have enrolled: ${message}`);
        told = message;
      }
    }
  }
  const watching = watch();

  return {
    now: () => hosts,
    store: {
      ...store,
      async enroll(enrolment) {
        const result = await store.enroll(enrolment);
        await refresh();
        return result;
      },
      async forgetHost(name, now) {
        const host = await store.forgetHost(name, now);
        await refresh();
        return host;
      },
    },
    async close() {
      closing.abort();
      await watching;
    },
  };
}
