// Questions over plain HTTPS, as curl asks them: one JSON document, or events with the progress; and what is no question.
import { once } from 'node:events';
import { request } from 'node:https';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drawProfile } from '../../profile/draw-profile.js';
import { finished, profileLog } from '../fake-agent.js';
import { RECORD } from '../specs.js';
import { type ServedApp, servedApp } from './served-app.js';

let served: ServedApp;
let token: string;

beforeAll(async () => {
  const log = profileLog(drawProfile('main;touch 5'));
  served = await servedApp({ web1: async ({ emit }) => emit(...log.slice(0, -1), finished) });
  token = await served.token('eve', 'viewer');
  const { app } = served;
  const { id } = await app.submit({
    ...{ spec: RECORD, hosts: app.hosts(''), selectorText: '', requester: 'me@here', maxParallel: 1, grace: 30_000 },
    note: '',
  });
  await app.run(id, { signal: new AbortController().signal, onEvent: () => undefined });
});
afterAll(() => served.close());

async function ask(
  path: string,
  body: unknown,
): Promise<{ readonly status: number; readonly type: string; readonly text: string }> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const sent = request(new URL(path, served.url()), { ca: served.ca, method: 'POST', headers, agent: false });
  sent.end(JSON.stringify(body));
  const [answer] = await once(sent, 'response');
  let text = '';
  for await (const piece of answer) text += String(piece);
  return { status: answer.statusCode, type: String(answer.headers['content-type']), text };
}

describe('POST /v1/top', () => {
  it('answers with one JSON document; what is left out has a default', async () => {
    const { status, text } = await ask('/v1/top', {});
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({
      ...{ event: 'page-faults', captures: 1, weight: 5 },
      groups: [{ rows: [{ name: 'touch', selfShare: 1 }, { name: 'main' }] }],
    });
  });

  it('answers with events where they are asked for, the answer last', async () => {
    const { type, text } = await ask('/v1/top?events=true', { by: 'comm' });
    expect(type).toContain('text/event-stream');
    const events = text.split('\n\n').filter((event) => event.startsWith('event: '));
    expect(events.at(-1)).toMatch(/^event: answer\ndata: \{"answer":\{"event":"page-faults"/);
  });

  it('says what is wrong with a question, also in events', async () => {
    const wrong = await ask('/v1/top?events=true', { selectorText: 'role=' });
    expect(wrong.text).toMatch(/event: failure\ndata: \{"failure":\{"code":"bad-request"/);
    for (const body of [{ by: 'magic' }, { limit: 0 }, { since: -1 }, { groupBy: '' }, { unknown: 1 }, []]) {
      expect((await ask('/v1/top', body)).status).toBe(400);
    }
  });
});
