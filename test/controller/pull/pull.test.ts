// Pulling from an app in this process and from a server: the same files, nothing twice, gone on with where it was cut off.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { link, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Job } from '../../../controller/api.js';
import { type Manifest, parseManifest } from '../../../controller/pull/manifest.js';
import { previewPull, pull } from '../../../controller/pull/pull.js';
import { verifyDirectory } from '../../../controller/pull/verify.js';
import { toFailure } from '../../../proto/failure.js';
import { drawProfile } from '../../profile/draw-profile.js';
import { readPprof } from '../export/read-pprof.js';
import { profileLog } from '../fake-agent.js';
import { DATA, filesBelow, type Ground, ground, hold, pullOptions, SHA256, told } from './pulled-app.js';

const run = promisify(execFile);
const trust = { ca: undefined, signer: undefined, isNeeded: false, now: Date.now() };
const verdictOf = (directory: string) => verifyDirectory(directory, trust, new AbortController().signal);
const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.fail('it did not fail'),
    (error: unknown) => toFailure(error),
  );

describe.each([
  ['in this process', false],
  ['of a server', true],
])('a pull from an app %s', (_name, isRemote) => {
  let place: Ground;
  let job: Job;
  beforeEach(async () => {
    place = await ground(isRemote);
    job = await place.record();
  });
  afterEach(() => place.close());

  const pulled = (more: Parameters<typeof pullOptions>[2] = {}) =>
    pull(place.app, pullOptions(place.out, [job.id], more));
  const read = (file: string) => readFile(join(place.out, file));
  const manifestOf = async (): Promise<Manifest> => parseManifest((await read('manifest.json')).toString(), 'it');

  it('writes all there is, per host and merged, and a manifest that sha256sum checks', async () => {
    const { outcomes } = await pulled();
    expect(new Set(outcomes.map(({ kind }) => kind))).toEqual(new Set(['made']));
    const host = (name: string) =>
      ['flame.svg', 'profile.json', 'profile.pb.gz', 'raw/perf.data', 'stacks.folded', 'stacks.txt'].map(
        (file) => `${job.id}/hosts/${name}/${file}`,
      );
    const merged = ['flame.svg', 'profile.json', 'profile.pb.gz', 'stacks.folded'];
    expect(await filesBelow(place.out)).toEqual(
      [
        ...['SHA256SUMS', 'manifest.json', `${job.id}/job.json`, `${job.id}/report.html`],
        ...[...host('web1'), ...host('web2'), ...merged.map((file) => `${job.id}/merged/${file}`)],
      ].sort(),
    );
    expect(await read(`${job.id}/hosts/web1/raw/perf.data`)).toEqual(DATA);
    expect((await read(`${job.id}/merged/stacks.folded`)).toString()).toBe('app;main;touch 10\n');
    expect(readPprof(await read(`${job.id}/hosts/web2/profile.pb.gz`)).stacks).toEqual(['main;touch 5']);
    expect((await run('sha256sum', ['--strict', '-c', 'SHA256SUMS'], { cwd: place.out })).stdout).not.toMatch(/FAILED/);
    expect(await verdictOf(place.out)).toMatchObject({ state: 'sound', problems: [], signature: { state: 'none' } });
  });

  it('says in the manifest what was asked, by whom, what ran where on what, and how the clocks were', async () => {
    await pulled({ puller: 'alice@desk', from: 'somewhere' });
    const { jobs, files, isComplete } = await manifestOf();
    expect(isComplete).toBe(true);
    expect(jobs).toMatchObject([
      {
        ...{ id: job.id, state: 'succeeded', isComplete: true, missing: [], created: job.created, ended: job.ended },
        request: { selectorText: 'role=web', note: 'to be pulled', spec: { kind: 'record' } },
        pulled: { by: 'alice@desk', from: 'somewhere', version: '1.2.3' },
      },
    ]);
    expect(jobs[0].request.requester).toMatch(isRemote ? /^root@/ : /^me@here$/);
    expect(jobs[0].request).not.toHaveProperty('hosts');
    expect(jobs[0].hosts).toMatchObject([
      {
        ...{ host: 'web1', state: 'succeeded', commandLines: ['perf record -e page-faults'], losses: [] },
        ...{ cost: { toolCpu: 10, agentCpu: 20 }, labels: {}, directory: `${job.id}/hosts/web1` },
        machine: { kernelRelease: '6.1.0', tools: [{ name: 'stap', version: '4.8/0.188', path: '/usr/bin/stap' }] },
        checks: { before: { clockUncertainty: expect.any(Number) }, after: { clockOffset: expect.any(Number) } },
      },
      { host: 'web2' },
    ]);
    expect(files.find(({ path }) => path.endsWith('web1/raw/perf.data'))).toEqual({
      ...{ path: `${job.id}/hosts/web1/raw/perf.data`, size: DATA.length, sha256: SHA256, job: job.id, host: 'web1' },
      ...{ mediaType: 'application/x-perf-data', format: 'raw' },
    });
    expect(JSON.stringify(await manifestOf())).not.toContain('127.0.0.1');
  });

  it('keeps what is there the second time, and mends what is not', async () => {
    await pulled();
    const before = await Promise.all((await filesBelow(place.out)).map((file) => stat(join(place.out, file))));
    const second = await pulled();
    expect(new Set(second.outcomes.map(({ kind }) => kind))).toEqual(new Set(['kept']));
    const after = await Promise.all((await filesBelow(place.out)).map((file) => stat(join(place.out, file))));
    const inodes = (stats: typeof before) => stats.map(({ ino }) => ino);
    // The manifest alone tells of the second pull, and the sums of the manifest.
    expect(inodes(after).filter((ino) => !inodes(before).includes(ino)).length).toBeLessThanOrEqual(2);

    await writeFile(join(place.out, job.id, 'merged/stacks.folded'), 'forged 1\n');
    await writeFile(join(place.out, job.id, 'hosts/web1/raw/perf.data'), DATA.subarray(0, 500));
    await rm(join(place.out, job.id, 'hosts/web2/flame.svg'));
    expect((await verdictOf(place.out)).problems.map(({ kind, path }) => [kind, path.split('/').at(-1)])).toEqual([
      ['changed', 'perf.data'],
      ['missing', 'flame.svg'],
      ['changed', 'stacks.folded'],
    ]);
    const { events, onEvent } = told();
    await pulled({ onEvent });
    const made = events.flatMap((event) =>
      event.kind === 'part' && event.outcome.kind === 'made' ? [event.part] : [],
    );
    expect(made.map(({ run: of, format }) => `${of?.host ?? 'merged'} ${format}`).sort()).toEqual([
      ...['merged folded', 'web1 raw', 'web2 svg'],
    ]);
    expect((await verdictOf(place.out)).state).toBe('sound');
  });

  it('goes on with a file at the byte where it was cut off', async () => {
    await pulled({ formats: ['folded'] });
    const file = join(place.out, job.id, 'hosts/web1/raw/perf.data');
    await mkdir(join(file, '..'));
    await writeFile(`${file}.part`, DATA.subarray(0, 60_000));
    const { jobs } = await previewPull(place.app, pullOptions(place.out, [job.id], { formats: ['raw'] }));
    expect(jobs[0].parts.filter(({ format }) => format === 'raw')).toEqual([
      { host: 'web1', format: 'raw', name: 'perf.data', does: 'resume', size: DATA.length, there: 60_000 },
      { host: 'web2', format: 'raw', name: 'perf.data', does: 'fetch', size: DATA.length, there: 0 },
    ]);
    const { events, onEvent } = told();
    await pulled({ formats: ['raw'], onEvent });
    const bytes = events.reduce((sum, event) => sum + (event.kind === 'bytes' ? event.bytes : 0), 0);
    expect(bytes).toBe(2 * DATA.length - 60_000);
    expect(await readFile(file)).toEqual(DATA);
    expect(await filesBelow(place.out)).not.toContain(`${job.id}/hosts/web1/raw/perf.data.part`);
  });

  it.each([
    ['other bytes', Buffer.alloc(60_000, 1)],
    ['one other byte', Buffer.concat([DATA.subarray(0, 59_999), Buffer.from([255])])],
    ['more bytes than there are', Buffer.concat([DATA, DATA])],
    ['all bytes and a wrong one', Buffer.concat([DATA.subarray(0, -1), Buffer.from([255])])],
    ['all bytes', DATA],
  ])('notices when what was cut off has %s', async (_what, part) => {
    const file = join(place.out, job.id, 'hosts/web1/raw/perf.data');
    await pulled({ formats: ['folded'] });
    await mkdir(join(file, '..'));
    await writeFile(`${file}.part`, part);
    const { outcomes } = await pulled({ formats: ['raw'] });
    expect(outcomes.filter(({ kind }) => kind === 'failed')).toEqual([]);
    expect(await readFile(file)).toEqual(DATA);
  });

  it('takes what it can when an agent is away, says what is missing, and has it the next time', async () => {
    const { agents } = place.served;
    const kept = new Map(agents.web1.artifacts);
    agents.web1.artifacts.clear();
    const { outcomes, jobs } = await pulled();
    expect(outcomes.filter(({ kind }) => kind === 'failed')).toHaveLength(2);
    expect(jobs[0]).toMatchObject({
      isComplete: false,
      missing: [
        { host: 'web1', what: 'perf-script.txt', code: 'not-found' },
        { host: 'web1', what: 'perf.data', code: 'not-found', message: 'no artifact perf.data', remedy: '' },
      ],
    });
    expect(await filesBelow(place.out)).toContain(`${job.id}/hosts/web2/raw/perf.data`);
    // Damaged is what differs from the manifest: an incomplete pull is none the less sound.
    expect(await verdictOf(place.out)).toMatchObject({ state: 'sound', manifest: { isComplete: false } });
    for (const [name, artifact] of kept) agents.web1.artifacts.set(name, artifact);
    expect((await pulled()).jobs[0].isComplete).toBe(true);
    expect((await verdictOf(place.out)).state).toBe('sound');
  });

  it('refuses a file that is not the one the capture made', async () => {
    hold(place.served, 'web1', Buffer.from(DATA).fill(0, 10, 20));
    const { outcomes } = await pulled({ formats: ['raw'] });
    const failures = outcomes.flatMap((outcome) => (outcome.kind === 'failed' ? [outcome.failure] : []));
    // A server can only break off.
    expect(failures.map(({ code }) => code)).toEqual([isRemote ? 'unreachable' : 'bad-data']);
    expect(await filesBelow(place.out)).not.toContain(`${job.id}/hosts/web1/raw/perf.data`);
    hold(place.served, 'web1', DATA);
    await pulled({ formats: ['raw'] });
    expect(await read(`${job.id}/hosts/web1/raw/perf.data`)).toEqual(DATA);
    expect((await verdictOf(place.out)).state).toBe('sound');
  });

  it('marks a job incomplete in which a host failed', async () => {
    const partial = await place.record(place.app.hosts(''));
    const { jobs, outcomes } = await pull(place.app, pullOptions(place.out, [partial.id]));
    expect(outcomes.filter(({ kind }) => kind === 'failed')).toEqual([]);
    expect(jobs[0]).toMatchObject({
      ...{ state: 'partial', isComplete: false },
      missing: [{ host: 'web3', what: 'result', code: 'permission', message: 'perf may not', remedy: 'be root' }],
    });
  });

  it('takes some hosts, some formats, merged only, hosts only; and what an earlier pull took stays', async () => {
    const choice = { names: [job.id], since: undefined, until: undefined, on: 'name=web1' };
    await pulled({ choice, formats: ['folded'] });
    const first = [`${job.id}/hosts/web1/stacks.folded`, `${job.id}/job.json`];
    const own = ['SHA256SUMS', 'manifest.json'];
    expect(await filesBelow(place.out)).toEqual([...first, ...own].sort());
    await pulled({ scope: 'merged', formats: ['folded'] });
    const second = [...first, `${job.id}/merged/stacks.folded`];
    expect(await filesBelow(place.out)).toEqual([...second, ...own].sort());
    await pulled({ scope: 'hosts', formats: ['pprof'] });
    const third = ['web1', 'web2'].map((host) => `${job.id}/hosts/${host}/profile.pb.gz`);
    expect(await filesBelow(place.out)).toEqual([...second, ...third, ...own].sort());
    expect((await manifestOf()).files.map(({ path }) => path)).toEqual([...second, ...third].sort());
    expect((await verdictOf(place.out)).state).toBe('sound');
    const none = pulled({ choice: { ...choice, on: 'name=web9' } });
    expect(await failureOf(none)).toMatchObject({ code: 'not-found' });
  });

  it('chooses jobs by time, and puts several into one directory', async () => {
    const later = await place.record();
    const by = (since?: number, until?: number, ...names: string[]) =>
      pullOptions(place.out, [], { choice: { names, since, until, on: '' }, formats: ['folded'] });
    const ids = async (options: ReturnType<typeof by>) => (await pull(place.app, options)).jobs.map(({ id }) => id);
    expect(await ids(by(later.created))).toEqual([later.id]);
    expect(await ids(by(undefined, later.created))).toEqual([job.id]);
    expect(await ids(by(0))).toEqual([job.id, later.id]);
    expect(await failureOf(pull(place.app, by(0, undefined, job.id)))).toMatchObject({ code: 'bad-request' });
    expect((await manifestOf()).jobs.map(({ id }) => id)).toEqual([job.id, later.id]);
    expect(await failureOf(pull(place.app, by(Date.now() + 1e6)))).toMatchObject({ code: 'not-found' });
    const both = pullOptions(place.out, ['last', job.id, job.id], { formats: ['folded'] });
    expect((await pull(place.app, both)).jobs).toHaveLength(2);
  });

  it('takes what there is of a job that runs, and what has changed when it has ended', async () => {
    await place.close();
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    place = await ground(isRemote, {
      web2: async ({ emit }) => {
        const [first, ...rest] = profileLog(drawProfile('main;later 7'));
        emit(first);
        await gate;
        emit(...rest);
      },
    });
    let running = '';
    const isWeb1Done = new Promise<void>((resolve) => {
      const ended = place.record(undefined, (event) => {
        if (event.kind !== 'host-run' || event.run.host !== 'web1' || event.run.state !== 'succeeded') return;
        running = event.run.jobId;
        resolve();
      });
      ended.catch(() => undefined);
    });
    await isWeb1Done;
    const pullIt = () => pull(place.app, pullOptions(place.out, [running], { formats: ['folded'] }));
    const merged = async () => (await read(`${running}/merged/stacks.folded`)).toString();
    expect((await pullIt()).jobs[0]).toMatchObject({
      ...{
        state: 'running',
        isComplete: false,
        missing: [{ what: 'job', message: expect.stringMatching(/has not ended/) }],
      },
    });
    expect(await merged()).toBe('app;main;touch 5\n');
    open();
    await expect.poll(async () => (await place.app.job(running)).state, { timeout: 20_000 }).toBe('succeeded');
    const { jobs, outcomes } = await pullIt();
    expect(jobs[0]).toMatchObject({ state: 'succeeded', isComplete: true, missing: [] });
    expect(await merged()).toBe('app;main;later 7\napp;main;touch 5\n');
    expect((await read(`${running}/hosts/web2/stacks.folded`)).toString()).toBe('app;main;later 7\n');
    expect(outcomes.map(({ kind }) => kind).sort()).toEqual(['kept', 'made', 'made', 'made']);
    expect((await verdictOf(place.out)).state).toBe('sound');
  }, 60_000);

  it('takes the jobs of a schedule by its name, of all time or of some', async () => {
    const ticks = [await place.recordBySchedule('nightly'), await place.recordBySchedule('nightly')];
    await place.recordBySchedule('weekly');
    const pullOf = async (since?: number) => {
      const choice = { names: ['nightly'], since, until: undefined, on: '' };
      return (await pull(place.app, pullOptions(place.out, [], { choice, formats: ['job'] }))).jobs;
    };
    const jobs = await pullOf();
    expect(jobs.map(({ id }) => id).sort()).toEqual(ticks.map(({ id }) => id).sort());
    expect(jobs[0].request.schedule).toMatchObject({ name: 'nightly', due: expect.any(Number) });
    expect((await pullOf(ticks[1].created)).map(({ id }) => id)).toContain(ticks[1].id);
    expect(await failureOf(pullOf(Date.now() + 1e6))).toMatchObject({
      ...{ code: 'not-found', message: "there is no job 'nightly', nor jobs of a schedule of that name in that time" },
    });
  });

  it('follows no links, and writes to no file by another name', async () => {
    const outside = await mkdtemp(join(place.directory, 'outside-'));
    const secrets = ['followed', 'linked', 'shown'].map((name) => join(outside, name));
    for (const secret of secrets) await writeFile(secret, 'secret');
    const before = await filesBelow(outside);
    const later = await place.record();
    await pull(place.app, pullOptions(place.out, [job.id, later.id], { formats: ['job'] }));
    const at = (file: string) => join(place.out, job.id, file);
    await symlink(outside, at('merged'));
    await mkdir(at('hosts/web1/raw'), { recursive: true });
    await symlink(secrets[0], at('hosts/web1/raw/perf.data.part'));
    await mkdir(at('hosts/web2/raw'), { recursive: true });
    await link(secrets[1], at('hosts/web2/raw/perf.data.part'));
    await symlink(secrets[2], at('hosts/web2/stacks.folded'));
    await mkdir(join(place.out, later.id, 'hosts/web1'), { recursive: true });
    await symlink(outside, join(place.out, later.id, 'hosts/web1/raw'));
    const both = pullOptions(place.out, [job.id, later.id], { formats: ['folded', 'raw'] });
    const { outcomes } = await pull(place.app, both);
    const failures = outcomes.flatMap((outcome) => (outcome.kind === 'failed' ? [outcome.failure] : []));
    expect(failures.map(({ code }) => code)).toEqual(Array.from({ length: 5 }, () => 'conflict'));
    expect(failures[0].message).toMatch(/is in the way/);
    for (const secret of secrets) expect(await readFile(secret, 'utf8')).toBe('secret');
    expect(await filesBelow(outside)).toEqual(before);
    // Neither does whoever looks for what is stale, or checks.
    await pull(place.app, { ...both, isForced: true });
    for (const secret of secrets) expect(await readFile(secret, 'utf8')).toBe('secret');
    expect(await filesBelow(outside)).toEqual(before);
    expect((await verdictOf(place.out)).state).toBe('damaged');
  });

  it('writes into no directory that holds something else, unless it is forced', async () => {
    await mkdir(place.out);
    await writeFile(join(place.out, 'thesis.txt'), 'mine');
    expect(await failureOf(pulled())).toMatchObject({ code: 'conflict', message: expect.stringMatching(/not empty/) });
    expect(await filesBelow(place.out)).toEqual(['thesis.txt']);
    await pulled({ isForced: true });
    expect((await verdictOf(place.out)).problems).toMatchObject([{ kind: 'extra', path: 'thesis.txt' }]);
  });

  it('is alone in its directory, and not stopped by a lock whose process is gone', async () => {
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    const began = new Promise<void>((resolve) => {
      const makeReport = pullOptions('', []).makeReport;
      const first = pulled({
        makeReport: async (...of) => {
          resolve();
          await gate;
          return makeReport(...of);
        },
      });
      first.catch(() => undefined);
    });
    await began;
    expect(await failureOf(pulled())).toMatchObject({
      code: 'conflict',
      message: expect.stringMatching(/another pull/),
    });
    open();
    await expect.poll(() => filesBelow(place.out)).not.toContain('.pull.lock');
    await writeFile(join(place.out, '.pull.lock'), (await readLock()).replace(/\|\d+\|\d+\|/, '|4194303|1|'));
    await pulled();
    expect((await verdictOf(place.out)).state).toBe('sound');
  });

  it('leaves what it has when it is interrupted, and the next one goes on', async () => {
    const stop = new AbortController();
    let made = 0;
    const interrupted = pulled({
      ...{ signal: stop.signal, maxParallel: 1 },
      onEvent: (event) => {
        if (event.kind === 'part' && ++made === 3) stop.abort();
      },
    });
    expect(await failureOf(interrupted)).toMatchObject({ code: 'cancelled', remedy: expect.stringMatching(/again/) });
    const left = await filesBelow(place.out);
    expect(left).toContain('.pull.journal');
    expect(left).not.toContain('.pull.lock');
    await writeFile(join(place.out, '.pull.journal'), `${await read('.pull.journal')}{"broken`);
    const { outcomes } = await pulled();
    expect(outcomes.filter(({ kind }) => kind === 'kept')).toHaveLength(3);
    expect(await verdictOf(place.out)).toMatchObject({ state: 'sound', problems: [] });
  });

  it('forgets files that a result does not have any more', async () => {
    await pulled();
    const forged = await manifestOf();
    const gone = `${job.id}/merged/gone.svg`;
    await writeFile(join(place.out, gone), 'gone');
    const sha256 = createHash('sha256').update('gone').digest('hex');
    const [first] = forged.files;
    const files = [...forged.files, { ...first, path: gone, size: 4, sha256 }];
    await writeFile(join(place.out, 'manifest.json'), JSON.stringify({ ...forged, files }));
    await pulled();
    expect(await filesBelow(place.out)).not.toContain(gone);
    expect((await verdictOf(place.out)).state).toBe('sound');
  });

  async function readLock(): Promise<string> {
    const { owners } = pullOptions('', []);
    const owner = owners.claim();
    owners.release(owner);
    return owner;
  }
});
