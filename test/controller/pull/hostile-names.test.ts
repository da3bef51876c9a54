// Jobs whose hosts, events and files have names that a file system could misread; jobs by the thousand; ids that are none.
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Host, Job, JobFilter } from '../../../controller/api.js';
import { chooseJobs } from '../../../controller/pull/choose-jobs.js';
import { pull } from '../../../controller/pull/pull.js';
import { verifyDirectory } from '../../../controller/pull/verify.js';
import { toFailure } from '../../../proto/failure.js';
import { drawProfile } from '../../profile/draw-profile.js';
import { FakeApp, jobOf, runOf } from '../cli/fake-app.js';
import { filesBelow, pullOptions } from './pulled-app.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'perftrawl-names-'));
});
afterEach(() => rm(directory, { recursive: true }));

const NAMES = [
  '../../etc',
  '/abs',
  'WEB',
  'web',
  'nul',
  '.ssh',
  'a b',
  'x'.repeat(300),
  '\u001b[2J',
  '..',
  'merged',
  'web.part',
];

it('stay in the directory, each apart, and the manifest has their names', async () => {
  const app = new FakeApp();
  app.ofHost = drawProfile('main 1');
  const artifact = (name: string) => ({ name, size: 10, sha256: app.artifactHash, mediaType: 'x' });
  const files = ['../../x', 'stacks.txt', 'Stacks.txt', 'perf.data.part', 'perf.data'];
  const hosts = NAMES.map((name): Host => ({ name, labels: {}, address: { transport: 'local' } }));
  app.known = jobOf('succeeded', undefined, hosts);
  app.runs = NAMES.map((name) => runOf(name, { artifacts: files.map(artifact) }));
  const out = join(directory, 'out');
  const { manifest, outcomes } = await pull(app, pullOptions(out, ['last'], { formats: ['folded', 'raw'] }));
  expect(outcomes.filter(({ kind }) => kind === 'failed')).toEqual([]);
  expect(await filesBelow(directory)).toEqual((await filesBelow(out)).map((file) => `out/${file}`));
  expect(await filesBelow(out)).toHaveLength(NAMES.length * (files.length + 1) + 3);
  expect(manifest.jobs[0].hosts.map(({ host }) => host)).toEqual(NAMES);
  for (const { host, directory: place } of manifest.jobs[0].hosts) {
    expect(manifest.files.filter((file) => file.host === host).every(({ path }) => path.startsWith(`${place}/`))).toBe(
      true,
    );
  }
  expect(await readFile(join(out, 'job1/hosts/web/raw/perf.data'), 'utf8')).toBe('0123456789');
  const trust = { ca: undefined, signer: undefined, isNeeded: false, now: Date.now() };
  expect((await verifyDirectory(out, trust, new AbortController().signal)).problems).toEqual([]);
});

describe('jobs', () => {
  it.each(['../x', 'a/b', '', '.', 'manifest.json', 'x'.repeat(65), 'a\nb'])(
    'with the id %j are refused',
    async (id) => {
      const app = new FakeApp();
      app.known = { ...jobOf('succeeded'), id };
      const refused = await pull(app, pullOptions(join(directory, 'out'), ['last'])).catch(toFailure);
      expect(refused).toMatchObject({ code: 'bad-data', message: expect.stringMatching(/is no id of a job/) });
      expect(await filesBelow(directory)).toEqual([]);
    },
  );

  it('are found page by page, the oldest first, until there are too many', async () => {
    const app = new FakeApp();
    const all = Array.from(
      { length: 1203 },
      (_, i): Job => ({ ...jobOf('succeeded'), id: `job${1203 - i}`, created: 1203 - i }),
    );
    const asked: JobFilter[] = [];
    app.jobs = async (filter) => {
      asked.push(filter);
      const from = filter.before === undefined ? 0 : all.findIndex(({ id }) => id === filter.before) + 1;
      return all.slice(from, from + filter.limit);
    };
    const chosen = await chooseJobs(app, { names: [], since: 1, until: 9e15, on: '' });
    expect(chosen.map(({ job }) => job.created)).toEqual(Array.from({ length: 1203 }, (_, i) => i + 1));
    expect(asked.map(({ since, until, before }) => [since, until, before])).toEqual([
      ...[
        [1, 9e15, undefined],
        [1, 9e15, 'job704'],
        [1, 9e15, 'job204'],
      ],
    ]);
    app.jobs = async ({ limit }) => all.slice(0, limit);
    const endless = chooseJobs(app, { names: [], since: 0, until: undefined, on: '' });
    expect(await endless.catch(toFailure)).toMatchObject({ code: 'exhausted' });
  });
});

it('is not taken for whole, whatever an app says of a file', async () => {
  const app = new FakeApp();
  const long = Buffer.alloc(1000, 7);
  const sha256 = createHash('sha256').update(long).digest('hex');
  app.runs = [runOf('web1', { artifacts: [{ name: 'perf.data', size: 10, sha256: 'ab'.repeat(32), mediaType: 'x' }] })];
  const out = join(directory, 'out');
  const failureOf = async (
    parts: () => AsyncGenerator<{ data: Uint8Array; end?: { sha256: string; size: number } }>,
  ) => {
    app.fetchArtifact = parts;
    const { outcomes } = await pull(app, pullOptions(out, ['last'], { formats: ['raw'] }));
    expect((await filesBelow(out)).filter((file) => file.includes('/raw/') && !file.endsWith('.part'))).toEqual([]);
    return outcomes.flatMap((outcome) => (outcome.kind === 'failed' ? [outcome.failure.message] : []));
  };
  expect(
    await failureOf(async function* () {
      for (;;) yield { data: long };
    }),
  ).toEqual([expect.stringMatching(/longer than the 10 bytes/)]);
  expect(
    await failureOf(async function* () {
      yield { data: long.subarray(0, 10), end: { sha256, size: 10 } };
    }),
  ).toEqual([expect.stringMatching(/its SHA-256 is .*, not abab/)]);
  expect(
    await failureOf(async function* () {
      yield { data: long.subarray(0, 4), end: { sha256, size: 4 } };
    }),
  ).toEqual([expect.stringMatching(/it has 4 bytes, not 10/)]);
  expect(
    await failureOf(async function* () {
      yield { data: long.subarray(0, 4) };
    }),
  ).toEqual([expect.stringMatching(/it has 4 bytes, not 10/)]);
});
