// A store in which something of every kind was written, by the commands and by the stores that jobs write to.
import { expect } from 'vitest';
import type { Job } from '../../../controller/api.js';
import { Aggregate, wantedTypes } from '../../../controller/jobs/aggregate.js';
import { defaultIntakeLimits } from '../../../controller/jobs/capture-intake.js';
import { addStored } from '../../../controller/jobs/job-run.js';
import { sqlControlStore } from '../../../controller/store/sql-control-store.js';
import { sqlSampleStore } from '../../../controller/store/sql-sample-store.js';
import type { TextLine } from '../../../profile/text-line.js';
import { encodeProfile } from '../../../proto/profile-codec.js';
import { drawProfile } from '../../profile/draw-profile.js';
import { drawSeries } from '../draw-histogram.js';
import { RECORD, STAP, STAT } from '../specs.js';
import { job, run } from '../store/control-store-contract.js';
import { open } from '../store/every-engine.js';
import { NOW, perftrawl, type Surroundings } from './real-cli.js';

/** What a person asks of a store; each answer is to be the same of a copy. */
export const QUESTIONS: readonly (readonly string[])[] = [
  ['jobs', 'ls'],
  ['jobs', 'show', 'recorded', '--json'],
  ['show', 'recorded'],
  ['show', 'recorded', '--json'],
  ['top'],
  ['top', '--by', 'comm', '--json'],
  ['top', '--group-by', 'role', '--json'],
  ['outliers', 'recorded'],
  ['show', 'counted', '--json'],
  ['hist', 'scripted', '--json'],
  ['text', 'scripted'],
  ['export', 'recorded', '--format', 'folded', '-o', '-'],
  ['users', 'ls', '--json'],
  ['teams', 'ls', '--json'],
  ['enroll-token', 'ls', '--json'],
  ['schedule', 'ls', '--json'],
  ['schedule', 'show', 'nightly', '--json'],
];

export async function answersOf(surroundings: Surroundings) {
  const answers: Record<string, unknown> = {};
  for (const question of QUESTIONS) {
    const answer = await perftrawl(question, surroundings);
    // An empty answer, or none, would be the same of any two stores.
    expect(answer, question.join(' ')).toMatchObject({ code: 0, stdout: expect.stringMatching(/\S{3}/) });
    answers[question.join(' ')] = answer;
  }
  return answers;
}

export async function fill(store: string, surroundings: Surroundings): Promise<void> {
  const database = await open(store);
  const [control, samples] = [sqlControlStore(database), sqlSampleStore(database)];
  const hosts = ['db', 'wéb'].map((name) => ({
    ...{ name, labels: { role: name }, address: { transport: 'tls', host: name, port: 1 } as const },
  }));
  async function ended(id: string, spec: Job['request']['spec'], put: (host: string, at: number) => Promise<void>) {
    const request = { ...job(id).request, spec, hosts, note: "it's ünusual" };
    await control.createJob(
      { ...job(id), request, created: NOW - 60_000 },
      hosts.map(({ name }) => run(id, name)),
    );
    for (const [at, { name }] of hosts.entries()) {
      await put(name, at);
      const times = { started: NOW - 50_000, ended: NOW - 40_000.5 };
      await control.updateHostRun({ ...run(id, name), state: 'succeeded', ...times });
    }
    const aggregate = new Aggregate(wantedTypes(spec));
    for (const { name } of hosts) await addStored(aggregate, samples, id, name, defaultIntakeLimits.decode);
    const { profile, ...merged } = aggregate.finish([]);
    const chunks = profile === undefined ? [] : [...encodeProfile(profile)];
    await samples.put({ jobId: id, host: undefined }, { ...merged, chunks, text: [] });
    await control.finishJob(id, 'me', 'succeeded', NOW - 30_000);
  }
  const nothing = { chunks: [], series: undefined, histograms: undefined, text: [] };
  await ended('recorded', RECORD, async (host, at) => {
    const stacks = Array.from({ length: 300 }, (_, i) => `main;läuft${i}@/lib/ü.so ${i + 1}`).join('\n');
    const profile = drawProfile(`${stacks}\n{comm=${host}} main;own${at}@[kernel.kallsyms] 700/7`);
    await samples.put({ jobId: 'recorded', host }, { ...nothing, chunks: [...encodeProfile(profile)], profile });
  });
  await ended('counted', STAT, async (host, at) => {
    const points = [0, 1, 2].map((i) => ({
      ...{ time: 1000 * (i + 1), event: 'page-faults', scope: '', status: 'counted' as const },
      ...{ value: 0.1 + i * 1000 + at, unit: '', runningPercent: 100 },
    }));
    await samples.put({ jobId: 'counted', host }, { ...nothing, series: { interval: 1000, points, losses: [] } });
  });
  await ended('scripted', STAP, async (host, at) => {
    const text: TextLine[] = [{ time: 1, number: 1, stream: 'stdout', text: `\u0000ü of ${host}` }];
    await samples.put({ jobId: 'scripted', host }, { ...nothing, histograms: drawSeries(`1:${at + 1}`, '4:2'), text });
  });
  await database.close();
  const done = async (...argv: readonly string[]) =>
    expect(await perftrawl(argv, surroundings), argv.join(' ')).toMatchObject({ code: 0 });
  await done('ca', 'init');
  await done('users', 'add', 'alice', '--role', 'admin', '--team', 'db');
  await done('users', 'add', 'bob');
  await done('users', 'revoke', 'bob');
  await done('teams', 'set', 'db', '--weight', '2.5', '--most-jobs', '3');
  await done('enroll-token', 'create', '--labels', 'role=db');
  await done('schedule', 'add', '--cron', '0 3 * * *', 'nightly', '--', 'stat', '-e', 'page-faults', '--for', '1s');
}
