// What Prometheus scrapes of a server, read by Prometheus's own parser in Python.
import { execFileSync } from 'node:child_process';
import { request } from 'node:https';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openMetrics } from '../../../controller/web/metrics.js';
import { drawProfile } from '../../profile/draw-profile.js';
import { runOf } from '../cli/fake-app.js';
import { profileLog } from '../fake-agent.js';
import { RECORD } from '../specs.js';
import { type ServedApp, servedApp } from './served-app.js';

const reader = `
import json, sys
from prometheus_client.parser import text_string_to_metric_families
out = {}
for family in text_string_to_metric_families(sys.stdin.read()):
    for s in family.samples:
        # NaN is no JSON; the lag of the event loop is NaN at first.
        if s.value == s.value: out[s.name + json.dumps(s.labels, sort_keys=True)] = s.value
print(json.dumps(out))
`;

function read(text: string): Record<string, number> {
  return JSON.parse(execFileSync('/usr/bin/python3', ['-c', reader], { input: text, encoding: 'utf8' }));
}

describe('a server', () => {
  let served: ServedApp;
  beforeAll(async () => {
    const log = profileLog(drawProfile('main;read 3'));
    served = await servedApp({
      web1: async ({ emit }) => emit(...log),
      web2: async ({ emit }) =>
        emit({
          kind: 'done',
          outcome: 'failed',
          failure: { code: 'tool-failed', message: 'x', remedy: '' },
          commandLines: [],
        }),
    });
  });
  afterAll(() => served.close());

  const scrape = async (token: string) =>
    new Promise<{ status: number | undefined; type: string | undefined; text: string }>((resolve, reject) => {
      const headers = { authorization: `Bearer ${token}` };
      request(new URL('/metrics', served.url()), { ca: served.ca, headers, agent: false }, (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (piece: string) => {
          text += piece;
        });
        answer.on('end', () => resolve({ status: answer.statusCode, type: answer.headers['content-type'], text }));
      })
        .on('error', reject)
        .end();
    });

  it('counts its jobs, host runs and requests, for whoever may read', async () => {
    const bob = await served.remote(await served.token('bob', 'operator'));
    const job = await bob.submit({
      ...{ spec: RECORD, hosts: bob.hosts(''), selectorText: '', requester: '', maxParallel: 2, grace: 9000, note: '' },
    });
    await bob.run(job.id, { signal: new AbortController().signal, onEvent: () => undefined });
    const { status, type, text } = await scrape(await served.token('prometheus', 'viewer'));
    expect([status, type]).toEqual([200, expect.stringContaining('text/plain; version=0.0.4')]);
    const figures = read(text);
    expect(figures).toMatchObject({
      'perftrawl_store_up{}': 1,
      'perftrawl_running_jobs{}': 0,
      'perftrawl_jobs_ended_total{"state": "partial"}': 1,
      'perftrawl_host_runs_ended_total{"failure": "", "state": "succeeded"}': 1,
      'perftrawl_host_runs_ended_total{"failure": "tool-failed", "state": "failed"}': 1,
      'perftrawl_job_queue_seconds_count{}': 1,
      'perftrawl_build_info{"version": "1.2.3"}': 1,
      'perftrawl_http_request_duration_seconds_count{"method": "POST", "route": "/v1/jobs", "status": "200"}': 1,
    });
    expect(figures['process_resident_memory_bytes{}']).toBeGreaterThan(1e7);
    expect((await scrape('ptu.nobody')).status).toBe(401);
  });
});

describe('figures', () => {
  const open = (queue: () => Promise<never>) => openMetrics({ version: '1', queue, running: () => 2, agents: () => 7 });

  it('tell that the store is away, and all else all the same', async () => {
    const figures = read(await open(() => Promise.reject(new Error('away'))).text());
    expect(figures).toMatchObject({
      ...{ 'perftrawl_store_up{}': 0, 'perftrawl_running_jobs{}': 2, 'perftrawl_agents_connected{}': 7 },
    });
  });

  it('take whatever a host says of itself', async () => {
    const metrics = open(() => Promise.reject(new Error('away')));
    for (const value of [Number.NaN, -5, Number.POSITIVE_INFINITY, 3]) {
      const progress = { elapsed: value, samples: value, bytes: value, lost: value };
      const cost = {
        toolCpu: value,
        agentCpu: value,
        peakMemoryBytes: value,
        recordedBytes: value,
        spooledBytes: value,
        wall: value,
      };
      metrics.onJobEvent({ kind: 'host-run', run: runOf('web1', { progress, cost }) });
    }
    expect(read(await metrics.text())).toMatchObject({
      ...{ 'perftrawl_samples_total{}': 3, 'perftrawl_lost_events_total{}': 3, 'perftrawl_result_bytes_total{}': 3 },
      'perftrawl_capture_cpu_seconds_total{"of": "tools"}': 0.003,
    });
  });
});
