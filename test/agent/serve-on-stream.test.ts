// Serving on one stream ends with the stream, whenever that goes: an agent that dials connects again only then.
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { serveOnStream } from '../../agent/serve.js';
import type { AgentApi } from '../../proto/agent-api.js';
import { socketPair } from '../../proto/socket-pair.js';

const unasked = (): never => expect.fail('nobody asks this agent');
const api: AgentApi = new Proxy({} as AgentApi, { get: () => unasked });

it('ends when the stream goes', async () => {
  const [near, far] = await socketPair();
  const served = serveOnStream(api, near);
  far.destroy();
  await served;
});

it('ends when the stream has gone before serving began', async () => {
  const [near, far] = await socketPair();
  near.resume();
  far.destroy();
  await once(near, 'close');
  await serveOnStream(api, near);
});

it('ends when the stream was destroyed in the same moment', async () => {
  const [near, far] = await socketPair();
  near.destroy();
  await serveOnStream(api, near);
  far.destroy();
});
