// `perftrawl agent --dial`: a connection to each of the controllers, any of which may ask for captures. gRPC is loaded when a controller first asks for something.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { PING_INTERVAL, SILENCE_LIMIT } from '../../proto/dial.js';
import { toFailure } from '../../proto/failure.js';
import type { CaptureService } from '../capture-service.js';
import { AGENT_VERSION } from '../version.js';
import { DIAL_BACKOFF } from './backoff.js';
import type { DialAddress } from './controller-link.js';
import { keepDialing } from './dialer.js';
import { type IdentityFiles, readDialIdentity } from './identity-files.js';

const CONNECT_TIMEOUT = 15_000;

/**
 * Resolves when the agent is asked to stop, and its captures have ended.
 * @throws FailureError 'not-found' or 'permission' for certificates that are not there from the start
 */
export async function serveDialing(
  service: CaptureService,
  serving: { readonly addresses: readonly DialAddress[]; readonly files: IdentityFiles; readonly enrolledIn?: string },
  note: (line: string) => void,
  stop: AbortSignal,
): Promise<void> {
  await readDialIdentity(serving.files);
  const ended = new AbortController();
  const keepOne = (address: DialAddress) =>
    keepDialing(
      {
        address,
        readIdentity: () => readDialIdentity(serving.files),
        // Of its own: where two addresses are one controller, it says so instead of having one connection replace the other.
        instance: randomUUID(),
        version: AGENT_VERSION,
        serve: async (stream) => (await import('../serve.js')).serveOnStream(service, stream, PING_INTERVAL),
        connectTimeout: CONNECT_TIMEOUT,
        silenceLimit: SILENCE_LIMIT,
        backoff: DIAL_BACKOFF,
        random: Math.random,
        monotonic: () => performance.now(),
        sleep: (time, signal) => sleep(time, undefined, { signal }).catch(() => undefined),
        note,
      },
      ended.signal,
    );
  const dialing = Promise.all(serving.addresses.map(keepOne));
  if (serving.enrolledIn !== undefined) renewing(serving.enrolledIn, serving.addresses, note, ended.signal);
  // The connection stays until the captures have ended, so that whoever follows them is told.
  const onStop = () => void service.stopAll().finally(() => ended.abort());
  if (stop.aborted) onStop();
  else stop.addEventListener('abort', onStop, { once: true });
  await dialing;
}

/** Beside the connection: the next one uses the new certificate. */
function renewing(
  state: string,
  servers: readonly DialAddress[],
  note: (line: string) => void,
  signal: AbortSignal,
): void {
  import('../enroll/renewal.js')
    .then(({ keepRenewed }) =>
      keepRenewed(
        {
          ...{ state, servers, note, now: Date.now, random: Math.random },
          sleep: (time, until) => sleep(time, undefined, { signal: until }).catch(() => undefined),
        },
        signal,
      ),
    )
    .catch((error: unknown) => note(`the certificate is not renewed any more: ${toFailure(error).message}`));
}
