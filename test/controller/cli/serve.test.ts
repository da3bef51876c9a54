// `perftrawl serve` and the options that choose a server, from argv to what they ask for.
import { afterEach, expect, it } from 'vitest';
import type { AppOptions } from '../../../controller/cli/context.js';
import { FakeApp, run } from './fake-app.js';

const app = new FakeApp();
afterEach(() => {
  app.calls.length = 0;
});

it('serves until it is told to stop', async () => {
  const stop = new AbortController();
  const serving = run(['serve', '--listen', '[::1]:7450', '--approve', 'stap-own'], { app, stop });
  await expect.poll(() => app.calls, { timeout: 60_000 }).toEqual(['serve ::1:7450 approve stap-own']);
  stop.abort();
  expect(await serving).toMatchObject({ code: 0, stdout: 'serving on https://[::1]:7450\n' });
  expect(app.calls.at(-1)).toBe('stop serving');
});

it('tells where agents dial in, where they do', async () => {
  const stop = new AbortController();
  const options = ['--listen', '127.0.0.1:7450', '--agents', '127.0.0.1:7452'];
  const serving = [run(['serve', ...options], { app, stop }), run(['serve', ...options, '--json'], { app, stop })];
  await expect.poll(() => app.calls.length, { timeout: 60_000 }).toBe(2);
  stop.abort();
  const [text, json] = await Promise.all(serving);
  expect(text.stdout).toBe('serving on https://127.0.0.1:7450\nagents dial in at 127.0.0.1:7452\n');
  expect(JSON.parse(json.stdout)).toMatchObject({ url: 'https://127.0.0.1:7450', agents: '127.0.0.1:7452' });
});

it.each([
  [['--listen', '7450']],
  [['--listen', '127.0.0.1:99999']],
  [['--listen', '[localhost]:7450']],
  [['--approve', 'everything']],
  [['--cert', 'a.crt']],
])('does not serve with %j', async (options) => {
  expect((await run(['serve', ...options], { app })).code).toBe(2);
  expect(app.calls).toEqual([]);
});

it('takes a server from the command line before the environment, for every command', async () => {
  const opened: AppOptions['server'][] = [];
  const env = { PERFTRAWL_SERVER: 'https://env:7450', PERFTRAWL_SERVER_CA: 'env.crt' };
  const onOpen = ({ server }: AppOptions) => opened.push(server);
  await run(['jobs'], { app, env, onOpen });
  await run(['jobs', '--server', 'https://a:7450', '--token-file', 't', '--server-ca', 'ca.crt'], { app, env, onOpen });
  expect(opened).toEqual([
    { url: 'https://env:7450', caFile: 'env.crt', tokenFile: undefined, certFile: undefined, keyFile: undefined },
    { url: 'https://a:7450', caFile: 'ca.crt', tokenFile: 't', certFile: undefined, keyFile: undefined },
  ]);
});
