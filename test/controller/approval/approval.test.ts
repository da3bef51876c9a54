// Two-person approval over the real app: what waits, who may decide, and that a decision is for exactly one request, once.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JobRequest } from '../../../controller/api.js';
import { createApp, type LocalApp } from '../../../controller/app.js';
import { APPROVAL_RULES, scriptsToRead } from '../../../controller/approval/approval.js';
import { requestHash } from '../../../controller/approval/request-hash.js';
import { systemClock } from '../../../controller/clock.js';
import type { CaptureSpec, StapSpec } from '../../../proto/capture.js';
import { toFailure } from '../../../proto/failure.js';
import { STAT } from '../specs.js';

const own: StapSpec = {
  ...{ kind: 'stap', target: { kind: 'system' }, duration: 1000, interval: 0, overheadPercent: 0, keepRaw: false },
  script: { from: 'request', name: 'own.stp', text: 'probe begin {}', arguments: [], isGuru: false },
};
const guru: StapSpec = { ...own, script: { ...own.script, isGuru: true } as StapSpec['script'] };
const known: StapSpec = { ...own, script: { from: 'catalogue', name: 'pagefault-latency', parameters: {} } };
const started: StapSpec = { ...known, command: ['sh', '-c', 'true'] };
const kit: CaptureSpec = { kind: 'kit', target: own.target, duration: 1000, parts: [own] };

describe('what waits', () => {
  it.each([
    ['none', []],
    ['stap-own', ['own', 'guru', 'started', 'kit']],
    ['stap-guru', ['guru']],
    ['stap', ['own', 'guru', 'known', 'started', 'kit']],
  ] as const)('under %s is %j', (rule, expected) => {
    expect(APPROVAL_RULES).toContain(rule);
    const waiting = Object.entries({ own, guru, known, started, kit, stat: STAT }).filter(
      ([, spec]) => scriptsToRead(spec, rule).length > 0,
    );
    expect(waiting.map(([name]) => name)).toEqual(expected);
  });
});

describe('a job that waits', () => {
  let directory: string;
  let app: LocalApp;
  let now: number;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'perftrawl-approval-'));
    now = Date.now();
    app = await createApp({
      ...{ dataDir: directory, configDir: join(directory, 'none'), agentCommand: ['/nonexistent'] },
      ...{ approve: 'stap-own', clock: { ...systemClock, now: () => now, monotonic: () => now } },
    });
  });
  afterEach(async () => {
    await app.close();
    await rm(directory, { recursive: true });
  });

  const request = (change: Partial<JobRequest> = {}): JobRequest => ({
    ...{ spec: own, hosts: app.hosts(''), selectorText: '', requester: 'alice@server', maxParallel: 1 },
    ...{ grace: 2000, note: '', ...change },
  });
  const options = { signal: new AbortController().signal, onEvent: () => undefined };
  const failureOf = (promise: Promise<unknown>) =>
    promise.then(
      () => expect.fail('it did not fail'),
      (error: unknown) => toFailure(error),
    );

  it('shows parameters and the command, which are as good as a script', async () => {
    const script = { from: 'catalogue', name: 'pagefault-latency', parameters: { threshold: '5' } } as const;
    const job = await app.submit(request({ spec: { ...started, script } }));
    expect((await app.approvals.get(job.id)).scripts).toMatchObject([
      { name: 'pagefault-latency', arguments: ['threshold=5'], command: ['sh', '-c', 'true'] },
    ]);
  });

  it('cannot be replaced by a module of somebody else under the name of a script that is known', async () => {
    const module = { sha256: 'ab'.repeat(32), size: 3, variant: '' };
    for (const part of [known, own]) {
      const spec = { ...part, module };
      expect(await failureOf(app.submit(request({ spec })))).toMatchObject({ code: 'bad-request' });
      expect(await failureOf(app.submit(request({ spec: { ...kit, parts: [spec] } })))).toMatchObject({
        code: 'bad-request',
      });
    }
    expect(await app.jobs({ limit: 1 })).toEqual([]);
  });

  it('does not run, shows its script, and runs after somebody else has approved exactly it', async () => {
    const job = await app.submit(request());
    expect(job.state).toBe('awaiting-approval');
    expect(await failureOf(app.run(job.id, options))).toMatchObject({ code: 'refused' });
    const approval = await app.approvals.get(job.id);
    expect(approval.scripts).toMatchObject([{ name: 'own.stp', text: 'probe begin {}' }]);
    expect(approval.requestSha256).toBe(requestHash(job.request));
    const { approvals } = app;
    const approve = (who: string, hash = approval.requestSha256) => approvals.approve(job.id, who, hash);
    expect(await failureOf(approve('alice@server'))).toMatchObject({ code: 'permission' });
    expect(await failureOf(approve('bob@server', '0'.repeat(64)))).toMatchObject({ code: 'conflict' });
    expect((await app.job(job.id)).state).toBe('awaiting-approval');
    await approve('bob@server');
    expect((await app.job(job.id)).state).toBe('queued');
    expect(await failureOf(approve('carol@server'))).toMatchObject({ code: 'conflict' });
    expect(await failureOf(approvals.reject(job.id, 'carol@server', 'no'))).toMatchObject({ code: 'conflict' });
    // Its one host has no agent: what matters is that it was tried.
    expect((await app.run(job.id, options)).state).toBe('failed');
    expect((await approvals.get(job.id)).decision).toMatchObject({ kind: 'approved', who: 'bob@server' });
  });

  it('ends without having run when it is rejected or cancelled, or when nobody came in time', async () => {
    const rejected = await app.submit(request());
    await app.approvals.reject(rejected.id, 'bob@server', 'too much');
    expect((await app.approvals.get(rejected.id)).decision).toMatchObject({ kind: 'rejected', reason: 'too much' });
    const cancelled = await app.submit(request());
    expect((await app.cancel(cancelled.id, options.signal)).state).toBe('cancelled');
    const late = await app.submit(request());
    const { requestSha256, expires } = await app.approvals.get(late.id);
    now = expires;
    const failure = await failureOf(app.approvals.approve(late.id, 'bob@server', requestSha256));
    expect(failure).toMatchObject({ code: 'deadline' });
    for (const { id } of [rejected, cancelled, late]) {
      expect((await app.job(id)).state).toBe('cancelled');
      expect((await app.hostRuns(id)).map(({ state }) => state)).toEqual(['cancelled']);
    }
  });

  it('is decided on once, by whoever is first, and not after it was cancelled', async () => {
    const job = await app.submit(request());
    const { requestSha256 } = await app.approvals.get(job.id);
    const decisions = await Promise.allSettled([
      app.approvals.reject(job.id, 'carol@server', 'no'),
      ...['bob@server', 'dave@server'].map((who) => app.approvals.approve(job.id, who, requestSha256)),
    ]);
    expect(decisions.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const cancelled = await app.submit(request());
    const approval = await app.approvals.get(cancelled.id);
    const [, approved] = await Promise.allSettled([
      app.cancel(cancelled.id, options.signal),
      app.approvals.approve(cancelled.id, 'bob@server', approval.requestSha256),
    ]);
    const decision = await app.approvals.get(cancelled.id).then(
      ({ decision }) => decision?.kind,
      () => 'none',
    );
    expect(decision).toBe(approved.status === 'fulfilled' ? 'approved' : 'none');
    expect((await app.job(cancelled.id)).state).toBe('cancelled');
  });

  it('is one with a script of the request; others run at once', async () => {
    const job = await app.submit(request({ spec: known }));
    expect(job.state).toBe('running');
    expect(await failureOf(app.approvals.get(job.id))).toMatchObject({ code: 'conflict' });
  });
});

it('a request has one hash, whatever the order of its fields', () => {
  expect(requestHash({ a: 1, b: { c: [1, { e: 2, d: 3 }] } })).toBe(
    requestHash({ b: { c: [1, { d: 3, e: 2 }] }, a: 1 }),
  );
  expect(requestHash({ a: [1, 2] })).not.toBe(requestHash({ a: [2, 1] }));
});
