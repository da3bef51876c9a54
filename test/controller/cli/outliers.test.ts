// `perftrawl outliers`: hosts first, then what makes them so, then the command that shows the difference; profiles and histograms alike.
import { beforeEach, describe, expect, it } from 'vitest';
import { drawProfile } from '../../profile/draw-profile.js';
import { drawSeries } from '../draw-histogram.js';
import { SPECS, STAP, STAT } from '../specs.js';
import { FAILED_RUN, FakeApp, jobOf, run, runOf } from './fake-app.js';

const HOSTS = ['web1', 'web2', 'web3', 'web4', 'web5'];
let app: FakeApp;

beforeEach(() => {
  app = new FakeApp();
  app.runs = HOSTS.map((host) => runOf(host));
  const lines = HOSTS.flatMap((host, i) => [
    `{comm=app host=${host}} main;parse ${500 + i}`,
    `{comm=app host=${host}} main;write@/lib/libc.so.6 ${400 - i}`,
    `{comm=app host=${host}} main;evict ${host === 'web3' ? 400 : 10}`,
  ]);
  app.merged = drawProfile(lines.join('\n'));
});

const outliers = (...argv: string[]) => run(['outliers', ...argv], { app });

describe('outliers of profiles', () => {
  it('names the host, the functions and the next command', async () => {
    const { code, stdout, stderr } = await outliers();
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toBe(`job1  page-faults: 4,940

   HOST  SAMPLES  DISTANCE
▲  web3    1,300      0.38  another mix of functions: distance 0.38 (limit 0.1)
   web1      910      0.00  like the others
   web2      910      0.00  like the others
   web4      910      0.00  like the others
   web5      910      0.00  like the others
distance: of the host's mix of functions (self) to the mean mix of the other hosts that are not marked (Jensen-Shannon
distance, 0 to 1). Marked: farther than 0.1 (the greater of 0.1 and median + 3.5 MAD) and than chance explains.

HOST   SHARE  MEDIAN   SPREAD     CHANGE  FUNCTION  OBJECT
web3  30.77%   1.10%  0.00 pp  +29.67 pp  evict     app
web3  38.62%  55.05%  0.33 pp  -16.44 pp  parse     app
web3  30.62%  43.63%  0.33 pp  -13.01 pp  write     libc.so.6
shares (self) of the functions that are farther from the median of the hosts than 1 pp, than 3.5 MAD, and than chance
explains among so many functions and hosts.

next:
  perftrawl diff job1 --host web3 --against-rest
`);
  });

  it('says when nobody differs, when there are too few, and who is missing', async () => {
    app.merged = drawProfile(HOSTS.map((host) => `{comm=app host=${host}} main;parse 500`).join('\n'));
    app.runs = [...app.runs, { ...FAILED_RUN, host: 'web6' }];
    const { stdout } = await outliers();
    expect(stdout).toContain('nothing differs by more than the hosts do among each other');
    expect(stdout).toContain('not in it: web6');
    app.merged = drawProfile('{comm=app host=web1} f 100');
    expect((await outliers()).stdout).toMatch(
      /web2 +0 +- +not judged: 0 samples, 30 are needed[\s\S]*No judgement: it takes 4/,
    );
  });

  it('can be about one host, and about what is anywhere on the stacks', async () => {
    const one = (await outliers('--host', 'web3', '--sort', 'total')).stdout;
    expect(one).toContain('another mix of functions');
    expect(one).not.toContain('web1');
    expect(one).toContain('shares (total)');
    const other = (await outliers('--host', 'web1')).stdout;
    expect([other.includes('web3'), other.includes('nothing differs')]).toEqual([false, true]);
    expect(await outliers('--host', 'nosuch')).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('web1, web2'),
    });
  });

  it('draws who has what', async () => {
    const { stdout } = await outliers('--heat-map');
    expect(stdout).toContain(`FUNCTION  LARGEST   1 2 3 4 5
evict       30.8%  ██········
parse       55.4%  ▓▓████████
write       44.0%  ▓▓████████
up to so much of the largest share: · 20%  ░ 40%  ▒ 60%  ▓ 80%  █ 100%
hosts: 1 web3, 2 web1, 3 web2, 4 web4, 5 web5
`);
    const plain = (await run(['outliers', '--heat-map'], { app, env: { LANG: 'C' } })).stdout;
    expect(plain).toMatch(/^[\n -~]*$/);
  });

  it('gives all of it as JSON', async () => {
    const json = JSON.parse((await outliers('--json', '--host', 'web3')).stdout);
    expect(json).toMatchObject({
      ...{ job: 'job1', host: 'web3', missing: [], histograms: [] },
      profile: { judgement: 'made', threshold: 0.1, rows: [{ host: 'web3', isOutlier: true, functions: 3 }] },
    });
    expect(json.profile.functions[0]).toMatchObject({ host: 'web3', name: 'evict', median: expect.closeTo(0.011, 3) });
    expect(json.profile.shares[0].hosts).toHaveLength(5);
  });

  it('shows names of other machines as harmless text', async () => {
    app.merged = drawProfile(
      HOSTS.map((host) => `{comm=app host=${host}} ${host === 'web3' ? '\u001b[2J' : ''}f 500`).join('\n'),
    );
    const { stdout } = await outliers('--heat-map');
    expect(stdout).toContain('␛[2Jf');
    expect(stdout).not.toContain('\u001b[2J');
  });
});

describe('outliers of histograms', () => {
  it('are told in the same way', async () => {
    app.known = jobOf('succeeded', STAP);
    app.merged = undefined;
    app.histogramsOf = Object.fromEntries([
      ['all', drawSeries('1024:1')],
      ...HOSTS.map((host) => [host, drawSeries(host === 'web3' ? '65536:100' : '1024:100')]),
    ]);
    const { code, stdout } = await outliers();
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(/▲ +web3 +100 .*values 6 doublings higher than on the typical host/),
    ]);
    expect(stdout).toContain('next:\n  perftrawl hist job1 --by-host\n');
    const json = JSON.parse((await outliers('--json', '--host', 'web3')).stdout);
    expect([json.profile, json.histograms.length]).toEqual([null, 1]);
    expect(json.histograms[0].rows).toMatchObject([{ host: 'web3', isOutlier: true }]);
  });

  it('are not those of counters, nor of nothing', async () => {
    app.known = jobOf('succeeded', STAT);
    expect((await outliers()).stderr).toContain('counters alone');
    app.known = jobOf('failed', SPECS.record);
    app.merged = undefined;
    expect(await outliers()).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('neither a profile nor histograms'),
    });
  });
});
