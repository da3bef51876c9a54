// A process of many agents that dial in: the dialer of the real agent, with a certificate and a connection for each, all at the same moment.
//
//   node bench/dialing-agents.mjs CA_DIRECTORY PORT PROFILE_FILE NAME...
//
// Ends when its stdin does.
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DIAL_BACKOFF } from '../dist/agent/dial/backoff.js';
import { keepDialing } from '../dist/agent/dial/dialer.js';
import { readDialIdentity } from '../dist/agent/dial/identity-files.js';
import { serveOnStream } from '../dist/agent/serve.js';
import { PING_INTERVAL, SILENCE_LIMIT } from '../dist/proto/dial.js';
import { simulatedAgent } from './simulated-agent.mjs';

const [caDirectory, port, profileFile, ...names] = process.argv.slice(2);
const { api, untilStdinEnds } = await simulatedAgent(profileFile);
for (const name of names) {
  const files = {
    ca: join(caDirectory, 'ca.crt'),
    cert: join(caDirectory, `${name}.crt`),
    key: join(caDirectory, `${name}.key`),
  };
  void keepDialing(
    {
      address: { host: '127.0.0.1', port: Number(port) },
      readIdentity: () => readDialIdentity(files),
      instance: randomUUID(),
      version: '0.0.0',
      serve: (stream) => serveOnStream(api, stream, PING_INTERVAL),
      ...{ connectTimeout: 15_000, silenceLimit: SILENCE_LIMIT, backoff: DIAL_BACKOFF },
      ...{ random: Math.random, monotonic: () => performance.now(), note: () => undefined },
      sleep: (time, signal) => sleep(time, undefined, { signal }).catch(() => undefined),
    },
    new AbortController().signal,
  );
}
untilStdinEnds();
