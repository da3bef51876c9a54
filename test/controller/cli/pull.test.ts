// `perftrawl pull` and `perftrawl verify` as command lines: what they take, what they say, how they end.
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { initCa, issueCertificate } from '../../../controller/ca/certificate-authority.js';
import { parseMoment } from '../../../controller/cli/options/moment.js';
import { fail } from '../../../proto/failure.js';
import { drawProfile } from '../../profile/draw-profile.js';
import { drawSeries } from '../draw-histogram.js';
import { KIT } from '../specs.js';
import { FAILED_RUN, FakeApp, jobOf, run, runOf } from './fake-app.js';

let app: FakeApp;
let directory: string;
let out: string;

beforeEach(async () => {
  app = new FakeApp();
  app.merged = drawProfile('main;touch 5');
  app.ofHost = drawProfile('main;touch 2');
  const artifact = { name: 'perf.data', size: 10, sha256: app.artifactHash, mediaType: 'application/x-perf-data' };
  app.runs = [runOf('web1', { artifacts: [artifact] }), runOf('web2')];
  directory = await mkdtemp(join(tmpdir(), 'perftrawl-pull-'));
  out = join(directory, 'out');
});
afterEach(() => rm(directory, { recursive: true }));

const pull = (...more: string[]) => run(['pull', 'last', '-o', out, ...more], { app });

describe('pull', () => {
  it('says what it wrote, whether it is complete, and how to check it', async () => {
    const { code, stdout, stderr } = await pull();
    expect(code).toBe(0);
    expect(stdout.split('\n')).toEqual([
      expect.stringMatching(/out: 16 files, .* KiB; 16 written, 0 were there$/),
      ...['job job1 is complete', `check it with: perftrawl verify ${out}`, ''],
    ]);
    expect(stderr).toMatch(/^1 job: 0 of 16 parts\n/);
    expect(stderr).toMatch(/\njob1 web1: perf\.data: 10 B\n/);
    expect(stderr).toMatch(/\n1 job: 16 of 16 parts, 20 B from agents\n$/);
    expect((await pull()).stdout).toMatch(/; 0 written, 16 were there/);
  });

  it('is one JSON document with --json', async () => {
    const { code, stdout } = await pull('--json', '--formats', 'folded');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      ...{ directory: out, files: 4, bytes: expect.any(Number), written: 4, kept: 0, failed: 0, isComplete: true },
      ...{ signer: null, jobs: [{ id: 'job1', directory: 'job1', state: 'succeeded', isComplete: true, missing: [] }] },
    });
  });

  it('has all that a kit gives', async () => {
    app.known = jobOf('succeeded', KIT);
    app.counters = {
      ...{ interval: 500, losses: [] },
      points: [
        { time: 500, event: 'page-faults', scope: '', status: 'counted', value: 7, unit: '', runningPercent: 100 },
      ],
    };
    app.histogramsOf = { all: drawSeries('1:2', '1:1 4:1'), web1: drawSeries('1:2') };
    app.lines = { web1: [{ time: 1, number: 1, stream: 'stdout', text: 'hot \u001b[2J page' }] };
    expect((await pull()).code).toBe(0);
    const files = (place: string) => readdir(join(out, 'job1', place)).then((names) => names.sort());
    const both = [
      'counters.csv',
      'counters.json',
      'flame.svg',
      'histograms.csv',
      'histograms.json',
      'histograms.om.txt',
    ];
    const pictures = ['histograms.svg', 'profile.json', 'profile.pb.gz', 'stacks.folded'];
    expect(await files('merged')).toEqual([...both, 'heat-map.svg', ...pictures].sort());
    expect(await files('hosts/web1')).toEqual(
      [...both, ...pictures, 'raw', 'stacks.txt', 'text.json', 'text.log'].sort(),
    );
    expect(await files('hosts/web2')).toEqual([
      'counters.csv',
      'counters.json',
      'flame.svg',
      'profile.json',
      'profile.pb.gz',
      'stacks.folded',
    ]);
    expect(await readFile(join(out, 'job1/hosts/web1/text.log'), 'utf8')).toBe('hot ␛[2J page\n');
    const { lines } = JSON.parse(await readFile(join(out, 'job1/hosts/web1/text.json'), 'utf8'));
    expect(lines).toEqual(app.lines.web1);
    expect(await readFile(join(out, 'job1/merged/counters.csv'), 'utf8')).toMatch(
      /\r\n500,page-faults,,counted,7,,100\r\n/,
    );
    expect(JSON.parse(await readFile(join(out, 'job1/merged/histograms.json'), 'utf8')).totals).toHaveLength(2);
    expect(await readFile(join(out, 'job1/report.html'), 'utf8')).toMatch(/Job job1/);
  });

  it('keeps events apart, where there are several', async () => {
    const [one, other] = [drawProfile('main 5'), drawProfile('main 7')];
    app.merged = {
      ...one,
      sampleTypes: [...one.sampleTypes, { type: 'samples:sched:x', unit: 'count' }, { type: 'sched:x', unit: 'count' }],
      samples: { ...one.samples, values: [...one.samples.values, ...other.samples.values] },
    };
    await pull('--merged-only', '--formats', 'folded,svg');
    const names = await readdir(join(out, 'job1/merged'));
    expect(names).toEqual([
      ...['flame.page-faults.svg', expect.stringMatching(/^flame\.sched_x~[0-9a-f]{16}\.svg$/)],
      ...['stacks.page-faults.folded', expect.stringMatching(/^stacks\.sched_x~[0-9a-f]{16}\.folded$/)],
    ]);
    expect(await readFile(join(out, 'job1/merged', names[3]), 'utf8')).toBe('app;main 7\n');
  });

  it('ends with 3 when an agent does not give its file, and says which', async () => {
    app.fetchArtifact = async function* () {
      yield { data: new Uint8Array([1]) };
      throw fail('unreachable', 'web1 does not answer', 'start its agent');
    };
    const { code, stdout, stderr } = await pull();
    expect(code).toBe(3);
    expect(stdout).toContain('job job1 is incomplete:\n');
    expect(stdout).toContain('  web1: no perf.data: web1 does not answer (start its agent)\n');
    expect(stderr).toContain('job1 web1: perf.data: web1 does not answer (start its agent)\n');
    expect(JSON.parse((await pull('--json')).stdout)).toMatchObject({ failed: 2, isComplete: false });
    // What has come is gone on with.
    expect(await readdir(join(out, 'job1/hosts/web1/raw'))).toEqual(['perf.data.part']);
  });

  it('ends with 0 for a job in which a host failed, and says so', async () => {
    app.known = jobOf('partial');
    app.runs = [runOf('web1'), { ...FAILED_RUN, sequence: 0 }];
    const { code, stdout } = await pull('--formats', 'folded');
    expect(code).toBe(0);
    expect(stdout).toContain('job job1 is incomplete:\n  web2: no result: web2 does not answer (start its agent)\n');
  });

  it('marks what was lost, what went over its budget, and what has not ended', async () => {
    const lost = { kind: 'lost-samples', count: 12, detail: 'cpu 1' } as const;
    const fine = { kind: 'unsymbolized-frames', count: 9, detail: '/bin/x' } as const;
    app.runs = [runOf('web1', { losses: [lost, fine] })];
    app.known = jobOf('running');
    const { stdout } = await pull('--formats', 'folded');
    expect(stdout).toMatch(/no job: job job1 has not ended: it is running \(pull it again when it has ended\)/);
    expect(stdout).toMatch(/web1: no loss: 12 lost-samples: cpu 1/);
    expect(stdout).not.toContain('unsymbolized');
  });

  it('says beforehand what it would do, and writes nothing', async () => {
    const { code, stdout } = await pull('--dry-run', '--formats', 'folded,raw');
    expect(code).toBe(0);
    expect(stdout.split('\n').map((line) => line.trim().split(/ {2,}/))).toEqual([
      ['JOB', 'HOST', 'WHAT', 'DOES', 'SIZE'],
      ...[
        ['job1', '(merged)', 'job', 'make'],
        ['job1', '(merged)', 'folded', 'make'],
      ],
      ...[
        ['job1', 'web1', 'folded', 'make'],
        ['job1', 'web1', 'perf.data', 'fetch', '10 B'],
      ],
      ...[['job1', 'web2', 'folded', 'make'], ['']],
    ]);
    expect(await readdir(directory)).toEqual([]);
    expect(JSON.parse((await pull('--dry-run', '--json')).stdout).jobs[0].parts).toHaveLength(16);
  });

  it('ends with 130 when it is interrupted, and says how to go on', async () => {
    const stop = new AbortController();
    app.profile = async () => {
      stop.abort();
      return undefined;
    };
    const { code, stderr } = await run(['pull', 'last', '-o', out], { app, stop });
    expect(code).toBe(130);
    expect(stderr).toMatch(
      /the pull was interrupted; what has come is kept \(the same command again goes on from there\)/,
    );
    expect(await readdir(out)).toContain('.pull.journal');
  });

  it('draws one line over and over on a terminal', async () => {
    const { stderr } = await run(['pull', 'last', '-o', out], { app, isTty: true });
    expect(stderr.startsWith('\r\u001b[K1 job: 0 of 16 parts')).toBe(true);
    expect(stderr.endsWith('\r\u001b[K')).toBe(true);
  });

  it.each([
    [['pull', '-o', 'x'], 2, /say which jobs: their ids, `last`, a schedule, or --since 2h/],
    [['pull', 'last'], 2, /required option '-o, --output/],
    [['pull', 'last', '-o', '/tmp/x', '--since', '2h'], 2, /job1 is one job: a time chooses among those of a schedule/],
    [['pull', '-o', 'x', '--since', 'yesterday'], 2, /--since: 'yesterday' is neither so long ago/],
    [['pull', 'last', '-o', 'x', '--formats', 'folded,png'], 2, /--formats: 'png' is not one of job, report/],
    [['pull', 'last', '-o', 'x', '--hosts-only', '--merged-only'], 2, /exclude each other/],
    [['pull', 'last', '-o', 'x', '--jobs', '0'], 2, /--jobs: '0'/],
    [['pull', 'last', '-o', 'x', '--key', 'k'], 2, /--key and --cert belong together/],
    [['pull', 'last', '-o', 'x', '--sign'], 4, /cannot read what to sign with/],
    [['pull', 'nosuch', '-o', '/tmp/x'], 4, /there is no job 'nosuch', nor jobs of a schedule/],
  ])('%j ends with %d', async (argv, code, message) => {
    const outcome = await run(argv, { app, env: { PERFTRAWL_CONFIG: directory } });
    expect(outcome.code).toBe(code);
    expect(outcome.stderr).toMatch(message);
  });
});

describe('a moment', () => {
  it('is so long ago, or a date in UTC', () => {
    const now = Date.UTC(2026, 2, 1, 12);
    expect(parseMoment('--since', '2h', now)).toBe(Date.UTC(2026, 2, 1, 10));
    expect(parseMoment('--since', '7d', now)).toBe(Date.UTC(2026, 1, 22, 12));
    for (const text of ['2026-03-01T10:30', '2026-03-01 10:30', '2026-03-01T10:30:00Z']) {
      expect(parseMoment('--since', text, now), text).toBe(Date.UTC(2026, 2, 1, 10, 30));
    }
    expect(parseMoment('--since', '2026-02-28', now)).toBe(Date.UTC(2026, 1, 28));
    for (const text of ['', '2', '2026-13-01', '2026-02-30x', '1e9', '-2h', '2026-02-01T25:00']) {
      expect(() => parseMoment('--since', text, now), text).toThrow(/--since/);
    }
  });
});

describe('verify', () => {
  const verify = (...more: string[]) => run(['verify', out, ...more], { app, env: { PERFTRAWL_CONFIG: directory } });

  it('says that all is right, and how far that can be trusted', async () => {
    await pull();
    const { code, stdout } = await verify();
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /out is sound\n {2}16 files, .* of 1 job, pulled by perftrawl 1\.2\.3 at 2023-11-14 22:13:20 UTC\n {2}not signed/,
    );
    expect(JSON.parse((await verify('--json')).stdout)).toMatchObject({
      ...{ state: 'sound', problems: [], files: 16, isComplete: true, signature: { state: 'none' } },
    });
  });

  it('ends with 6 when something was changed, and says what', async () => {
    await pull();
    await writeFile(join(out, 'job1/merged/flame.svg'), '<svg/>');
    await writeFile(join(out, 'notes\u001b.txt'), 'x');
    const { code, stdout } = await verify();
    expect(code).toBe(6);
    expect(stdout).toMatch(/out is damaged\n/);
    expect(stdout).toMatch(/ {2}changed: job1\/merged\/flame\.svg: it has 6 bytes, not \d+\n/);
    expect(stdout).toContain('  extra: notes␛.txt: it is not in the manifest\n');
    expect(JSON.parse((await verify('--json')).stdout)).toMatchObject({ state: 'damaged', problems: [{}, {}] });
  });

  it('ends with 5 when it is not signed by whom it should be, with 0 when it is', async () => {
    await pull();
    const ca = join(directory, 'ca');
    const now = 1_700_000_000_000;
    await initCa(ca, now);
    expect((await verify('--ca', join(ca, 'ca.crt'))).code).toBe(5);
    expect((await verify('--signer', 'alice')).code).toBe(5);
    await issueCertificate(ca, { name: 'controller', addresses: [], role: 'controller', days: 1 }, now);
    const signed = await run(['pull', 'last', '-o', out, '--sign'], { app, env: { PERFTRAWL_CONFIG: directory } });
    expect(signed.code, signed.stderr).toBe(0);
    expect(signed.stdout).toContain('signed by controller\n');
    const trusted = await verify('--signer', 'controller');
    expect(trusted.code).toBe(0);
    expect(trusted.stdout).toMatch(/signed by controller at 2023-11-14 22:13:20 UTC, certificate [0-9a-f]{64}/);
    expect((await verify()).code).toBe(0);
    await rm(join(ca, 'ca.crt'));
    const nobody = await verify();
    expect(nobody.code).toBe(5);
    expect(nobody.stdout).toMatch(
      /out is untrusted\n(.*\n)* {2}not trusted: it is signed by 'controller', and nothing says whose/,
    );
  });

  it('names an incomplete job', async () => {
    app.known = jobOf('partial');
    app.runs = [runOf('web1'), FAILED_RUN];
    await pull();
    const { code, stdout } = await verify();
    expect(code).toBe(0);
    expect(stdout).toContain('  incomplete when it was pulled: job job1\n');
  });

  it.each([
    [['verify', '/nonexistent/dir'], 4, /ENOENT/],
    [['verify', '/tmp', '--ca', '/nonexistent/ca.crt'], 4, /there is no file/],
  ])('%j ends with %d', async (argv, code, message) => {
    const outcome = await run(argv, { app, env: { PERFTRAWL_CONFIG: directory } });
    expect(outcome.code).toBe(code);
    expect(outcome.stderr).toMatch(message);
  });
});
