// Jobs asked for from elsewhere: run by the server, followed over HTTPS, also when it is restarted meanwhile.
import { afterEach, describe, expect, it } from 'vitest';
import type { App, JobEvent, JobRequest, RunOptions } from '../../../controller/api.js';
import { toFailure } from '../../../proto/failure.js';
import { drawProfile } from '../../profile/draw-profile.js';
import { profileLog, type Script } from '../fake-agent.js';
import { type ServedApp, servedApp } from '../web/served-app.js';

let served: ServedApp;
afterEach(() => served.close());

const recorded: Script = async ({ emit }) => emit(...profileLog(drawProfile('main;touch 5')));

const spec: JobRequest['spec'] = {
  ...{ kind: 'record', target: { kind: 'system' }, duration: 100, events: [{ name: 'page-faults' }] },
  ...{ callGraph: { mode: 'fp' }, detail: { split: 'comm', keepTimestamps: false, lines: false }, keepRaw: false },
};

function request(app: App): JobRequest {
  return {
    ...{
      spec,
      hosts: app.hosts(''),
      selectorText: '',
      requester: 'root@liar',
      maxParallel: 8,
      grace: 30_000,
      note: '',
    },
  };
}

function watched(): RunOptions & { readonly events: JobEvent[] } {
  const events: JobEvent[] = [];
  return { events, signal: new AbortController().signal, onEvent: (event) => events.push(event) };
}

function gate(): { readonly opened: Promise<void>; open(): void } {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

describe('a job of a remote client', () => {
  it('is run by the server, for the user whom the server knows', async () => {
    served = await servedApp({ web1: recorded, web2: recorded });
    const remote = await served.remote(await served.token('alice', 'operator'));
    const { id } = await remote.submit(request(remote));
    const options = watched();
    const job = await remote.run(id, options);
    expect(job).toMatchObject({ state: 'succeeded', request: { requester: 'alice@server' } });
    expect(options.events.at(-1)).toEqual({ kind: 'job', job });
    expect(await remote.profile(id)).toEqual(await served.app.profile(id));
    expect(await remote.hostRuns(id)).toEqual(await served.app.hostRuns(id));
  });

  it('goes on after a restart of the server, and its client with it', async () => {
    const held = gate();
    served = await servedApp({
      web1: async ({ emit }) => {
        emit({ kind: 'state', state: 'running', detail: '' });
        await held.opened;
        emit(...profileLog(drawProfile('main;touch 5')));
      },
    });
    const remote = await served.remote(await served.token('alice', 'operator'));
    const { id } = await remote.submit(request(remote));
    const begun = gate();
    const ended = remote.run(id, {
      signal: new AbortController().signal,
      onEvent: (event) => {
        if (event.kind === 'capture') begun.open();
      },
    });
    await begun.opened;
    await served.restart();
    held.open();
    expect((await ended).state).toBe('succeeded');
    expect(served.agents.web1.calls.filter((call) => call.startsWith('start'))).toHaveLength(1);
  });

  it('is stopped by its client and keeps what there is', async () => {
    served = await servedApp({
      web1: async ({ emit, stopped }) => {
        emit({ kind: 'state', state: 'running', detail: '' });
        await stopped;
        emit(...profileLog(drawProfile('main;touch 5')).slice(0, -1));
        emit({ kind: 'done', outcome: 'stopped', commandLines: [] });
      },
    });
    const remote = await served.remote(await served.token('alice', 'operator'));
    const stop = new AbortController();
    const { id } = await remote.submit(request(remote));
    const job = await remote.run(id, {
      signal: stop.signal,
      onEvent: (event) => {
        if (event.kind === 'capture') stop.abort();
      },
    });
    expect(job.state).toBe('succeeded');
    expect(served.agents.web1.calls).toContain(`stop ${id}.web1`);
  });

  it('cannot be for a host that the server does not have, nor for a file', async () => {
    served = await servedApp({ web1: recorded });
    const remote = await served.remote(await served.token('alice', 'operator'));
    const failureOf = (asked: JobRequest) =>
      remote.submit(asked).then(
        () => expect.fail('it did not fail'),
        (error: unknown) => toFailure(error),
      );
    const elsewhere = { name: 'db1', labels: {}, address: { transport: 'ssh', host: 'db1' } } as const;
    const noHost = await failureOf({ ...request(remote), hosts: [elsewhere] });
    expect([noHost.code, noHost.message]).toEqual([
      'bad-request',
      expect.stringMatching(/db1 is no host of the server/),
    ]);
    const detail = { split: 'comm', keepTimestamps: false, lines: false } as const;
    const file = { kind: 'file', path: '/etc/shadow', format: 'stap-text', detail } as const;
    const noFile = await failureOf({ ...request(remote), spec: file });
    expect([noFile.code, noFile.message]).toEqual(['bad-request', 'a server does not read files such as /etc/shadow']);
    expect(await remote.jobs({ limit: 1 })).toEqual([]);
  });
});
