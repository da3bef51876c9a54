// Rollouts and samples on the command line: what is asked of the app, what is refused, what a person sees.
import { describe, expect, it } from 'vitest';
import type { Host } from '../../../controller/api.js';
import { FakeApp, jobOf, run, runOf, WEB1, WEB2 } from './fake-app.js';

const hosts: readonly Host[] = Array.from({ length: 8 }, (_, i) => ({
  ...WEB1,
  name: `web${i}`,
  labels: { region: i < 6 ? 'eu' : 'us' },
}));

async function asked(...argv: string[]) {
  const app = new FakeApp();
  app.inventory = hosts;
  app.runs = hosts.map(({ name }) => runOf(name));
  const outcome = await run(argv, { app });
  return { ...outcome, request: app.submitted };
}

describe.each([['record'], ['stat'], ['stap', 'pagefault-latency'], ['faults']])('%s', (...command) => {
  it('takes canary, waves and failure rate', async () => {
    const words = ['--canary', '1', '--waves', '25%,100%', '--fail-fast', '20%', '--settle', '10s'];
    const { request } = await asked(...command, ...words);
    expect(request?.rollout).toEqual({
      canary: { kind: 'hosts', hosts: 1 },
      waves: [
        { kind: 'percent', percent: 25 },
        { kind: 'percent', percent: 100 },
      ],
      failFast: 20,
      settle: 10_000,
    });
  });

  it('begins at one moment where that is wanted', async () => {
    expect((await asked(...command, '--sync', '--sync-lead', '5s')).request?.sync).toEqual({ lead: 5000 });
    const lead = ['stap', 'faults'].includes(command[0]) ? 60_000 : 3000;
    expect((await asked(...command, '--sync')).request?.sync).toEqual({ lead });
    expect((await asked(...command)).request).not.toHaveProperty('sync');
  });

  it('draws the same sample from the same seed', async () => {
    const words = ['--sample', '50%', '--stratify', 'region', '--seed', 'x'];
    const { request } = await asked(...command, ...words);
    expect(request?.hosts).toHaveLength(4);
    expect(request?.sample).toMatchObject({
      ...{ seed: 'x', of: 8, stratify: 'region' },
      strata: [
        { value: 'eu', hosts: 6, chosen: 3 },
        { value: 'us', hosts: 2, chosen: 1 },
      ],
    });
    expect((await asked(...command, ...words)).request?.hosts).toEqual(request?.hosts);
  });
});

describe('record', () => {
  it('starts on all hosts at once unless told otherwise', async () => {
    const { request } = await asked('record');
    expect(request).not.toHaveProperty('rollout');
    expect(request).not.toHaveProperty('sample');
  });

  it('takes limits of health', async () => {
    const { request } = await asked('record', '--abort-on', 'load>2.5,memory<10%,io-pressure>20%');
    expect(request?.rollout?.abortOn).toEqual([
      { of: 'load', limit: 2.5 },
      { of: 'memory', limit: 10 },
      { of: 'io-pressure', limit: 20 },
    ]);
  });

  it.each([
    [['--canary', '0'], '--canary'],
    [['--waves', '5%,5%'], '--waves'],
    [['--waves', '0%'], '--waves'],
    [['--waves', 'x'], '--waves'],
    [['--fail-fast', '101'], '--fail-fast'],
    [['--settle', '1s'], '--settle'],
    [['--abort-on', 'load<2'], '--abort-on'],
    [['--abort-on', 'memory>10%'], '--abort-on'],
    [['--abort-on', 'load>2%'], '--abort-on'],
    [['--abort-on', 'swap>1'], '--abort-on'],
    [['--sync-lead', '1s'], '--sync-lead'],
    [['--sync', '--sync-lead', '11m'], '--sync-lead'],
    [['--sample', '101%'], '--sample'],
    [['--stratify', 'region'], '--stratify'],
    [['--seed', '1'], '--seed'],
  ])('refuses %j', async (words, named) => {
    const { code, stderr } = await asked('record', ...words);
    expect(code).toBe(2);
    expect(stderr).toContain(named);
  });
});

describe('jobs show', () => {
  it('tells how far a rollout came, and how the hosts were drawn', async () => {
    const app = new FakeApp();
    const failure = { code: 'cancelled', message: 'the canary failed on web1', remedy: '' } as const;
    app.runs = [runOf('web1', { state: 'failed', failure }), runOf('web2', { state: 'skipped', failure })];
    const job = jobOf('failed');
    const sample = { seed: '7', of: 3, strata: [{ value: '', hosts: 3, chosen: 2 }], left: ['web3'] };
    const rollout = { waves: [], settle: 0, canary: { kind: 'hosts', hosts: 1 } } as const;
    app.job = async () => ({ ...job, request: { ...job.request, hosts: [WEB1, WEB2], rollout, sample } });
    const { stdout } = await run(['jobs', 'show', 'job1'], { app });
    expect(stdout).toContain('sample of 2 of 3 hosts (--seed 7); without web3');
    expect(stdout).toContain('rollout in 2 waves of hosts: 1, 1 (0 started)');
    expect(stdout).toContain('rollout stopped, 1 not started: the canary failed on web1');
    expect(stdout).toMatch(/web2 +skipped/);
  });

  it('tells how close to each other the hosts began', async () => {
    const app = new FakeApp();
    const moment = Date.UTC(2026, 0, 1, 12, 30, 5, 250);
    const agreed = { kind: 'agreed', moment, clockOffset: -90_000, clockUncertainty: 1.5 } as const;
    const told = (late: number) => ({ start: { ...agreed, told: { time: moment - 90_000 + late, late } } });
    const why = 'its clock could not be asked: no';
    app.runs = [runOf('web1', told(2)), runOf('web2', told(14)), runOf('web3', { start: { kind: 'alone', why } })];
    const job = jobOf('succeeded');
    app.job = async () => ({ ...job, request: { ...job.request, hosts: [WEB1, WEB2], sync: { lead: 3000 } } });
    const { stdout } = await run(['jobs', 'show', 'job1'], { app });
    const text = 'started within 12.0 ms of each other (± 3.0 ms), 2 hosts';
    expect(stdout).toContain(`${text}, at most 14.0 ms after the agreed 12:30:05.250 UTC (web2)`);
    expect(stdout).toContain(`not started together: web3: ${why}`);
    const json = JSON.parse((await run(['jobs', 'show', 'job1', '--json'], { app })).stdout);
    expect(json.starts).toEqual([
      { moment, hosts: 2, spread: 12, uncertainty: 3, last: { host: 'web2', late: 14 }, apart: [] },
    ]);
  });
});
