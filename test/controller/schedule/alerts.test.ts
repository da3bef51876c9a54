// Alerts as Alertmanager posts them, over HTTPS to a server with agents: jobs on the hosts that they name.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiClient } from '../../../controller/remote/api-client.js';
import type { Timing } from '../../../controller/schedule/schedule.js';
import { toFailure } from '../../../proto/failure.js';
import { STAT } from '../specs.js';
import { type ServedApp, servedApp } from '../web/served-app.js';

/** The example of Alertmanager's documentation, with these alerts. */
function message(...alerts: readonly { readonly labels: Record<string, string>; readonly status?: string }[]) {
  return {
    ...{
      version: '4',
      groupKey: '{}:{alertname="HighFaults"}',
      truncatedAlerts: 0,
      status: 'firing',
      receiver: 'perftrawl',
    },
    ...{ groupLabels: {}, commonLabels: {}, commonAnnotations: {}, externalURL: 'http://alertmanager:9093' },
    alerts: alerts.map(({ labels, status = 'firing' }) => ({
      ...{ status, labels, annotations: { summary: 'many page faults' }, startsAt: '2026-11-27T10:00:00Z' },
      ...{ endsAt: '0001-01-01T00:00:00Z', generatorURL: 'http://prometheus', fingerprint: 'c0ffee' },
    })),
  };
}

let served: ServedApp;
let client: ApiClient;

beforeEach(async () => {
  const quick = async ({ emit }: { emit(body: { kind: 'done'; outcome: 'finished'; commandLines: [] }): void }) =>
    emit({ kind: 'done', outcome: 'finished', commandLines: [] });
  served = await servedApp({ db1: quick, db2: quick, 'db3.example.net': quick });
  const token = await served.token('alertmanager', 'operator');
  client = new ApiClient({ url: served.url(), ca: served.ca, token });
});
afterEach(async () => {
  client.close();
  await served.close();
});

const post = async (body: unknown) => (await client.json<{ answers: unknown[] }>('POST /v1/alerts', { body }))?.answers;

async function add(
  name: string,
  more: Partial<Extract<Timing, { kind: 'alert' }>> = {},
  rest: object = {},
): Promise<void> {
  const timing: Timing = {
    kind: 'alert',
    match: { alertname: 'HighFaults' },
    hostLabel: 'instance',
    coolDown: 600_000,
    ...more,
  };
  await served.app.schedules.add(
    {
      ...{ name, timing, timeZone: 'UTC', windows: [], blackouts: [], jitter: 0, overlap: 'allow', missed: 'skip' },
      ...{ tolerance: 0, retention: {}, job: { spec: STAT, selectorText: '', maxParallel: 9, grace: 2000, note: '' } },
      ...rest,
    },
    'root@here',
  );
}

describe('alerts', () => {
  it('start one job on the hosts that they name, whatever the port and the domain', async () => {
    await add('faults');
    const fired = await post(
      message(
        { labels: { alertname: 'HighFaults', instance: 'db1:9100', severity: 'page' } },
        { labels: { alertname: 'HighFaults', instance: 'db3.example.net:9100', severity: 'page' } },
        { labels: { alertname: 'HighFaults', instance: 'db2', severity: 'page' }, status: 'resolved' },
        { labels: { alertname: 'Other', instance: 'db2' } },
      ),
    );
    expect(fired).toMatchObject([
      { schedule: 'faults', state: 'fired', hosts: ['db1', 'db3.example.net'], reason: '' },
    ]);
    const [job] = await served.app.jobs({ limit: 9, schedule: 'faults' });
    expect(job.request).toMatchObject({
      requester: 'root@here',
      schedule: { cause: 'alert HighFaults (severity page)' },
    });
    await vi.waitFor(() => expect(served.agents['db3.example.net'].requests).toHaveLength(1), 30_000);
    expect(served.agents.db2.requests).toHaveLength(0);
  });

  it('cool down host by host', async () => {
    await add('faults');
    const labels = { alertname: 'HighFaults', instance: 'db1' };
    expect(await post(message({ labels }))).toMatchObject([{ state: 'fired', hosts: ['db1'] }]);
    expect(await post(message({ labels }))).toMatchObject([{ state: 'skipped', reason: 'cooling down: db1' }]);
    expect(await post(message({ labels }, { labels: { ...labels, instance: 'db2.example.org:1' } }))).toMatchObject([
      { state: 'fired', hosts: ['db2'], reason: 'cooling down: db1' },
    ]);
    expect((await served.app.schedules.history('faults', 9)).map(({ state }) => state).toSorted()).toEqual([
      ...['fired', 'fired', 'skipped'],
    ]);
  });

  it('that are for nobody, name nobody or come outside windows start nothing, and that is told', async () => {
    await add('none', { match: { alertname: 'Other*' } });
    await add('never', {}, { blackouts: ['mon-sun'] });
    await add('paused');
    await served.app.schedules.pause('paused');
    const labels = { alertname: 'HighFaults', instance: 'web9:9100' };
    expect(await post(message({ labels }))).toMatchObject([
      { schedule: 'never', state: 'skipped', reason: 'outside its windows' },
    ]);
    expect(await post(message({ labels: { alertname: 'OtherThing', instance: 'web9:9100' } }))).toMatchObject([
      { schedule: 'none', state: 'failed', reason: 'no such host: web9:9100' },
    ]);
    expect(await post(message({ labels: { alertname: 'OtherThing' } }))).toMatchObject([
      { schedule: 'none', state: 'failed', reason: 'the alert names no host' },
    ]);
    expect(await served.app.jobs({ limit: 9 })).toEqual([]);
  });

  it('are refused when they are none, or whoever posts them may only read', async () => {
    const codeOf = (work: Promise<unknown>) =>
      work.then(
        () => 'none',
        (error: unknown) => toFailure(error).code,
      );
    for (const body of [
      {},
      { alerts: 'x' },
      { alerts: [{ status: 'on', labels: {} }] },
      { alerts: [{ status: 'firing', labels: { a: 1 } }] },
    ]) {
      expect(await codeOf(post(body))).toBe('bad-request');
    }
    const viewer = new ApiClient({ url: served.url(), ca: served.ca, token: await served.token('eve', 'viewer') });
    expect(await codeOf(viewer.json('POST /v1/alerts', { body: message() }))).toBe('permission');
    viewer.close();
    expect(await post(message())).toEqual([]);
    const acts = [];
    for await (const entry of served.app.audit.entries(0)) acts.push(entry.what);
    expect(acts).not.toContain('receive-alerts');
  });
});
