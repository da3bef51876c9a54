// Twenty real hosts, of which four fail each in its own way: the job ends with the sixteen others merged and four named failures.
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { HostRun, Job } from '../../controller/api.js';
import type { Loss } from '../../profile/loss.js';
import type { HostOptions } from '../fleet/test-host.js';
import { WORKSTATION, Workstation } from '../fleet/workstation.js';

interface Report {
  readonly job: Job;
  readonly hosts: readonly HostRun[];
  readonly losses: readonly Loss[];
}

const SOUND = Array.from({ length: 16 }, (_, i) => `db${String(i + 1).padStart(2, '0')}`);
let workstation: Workstation;

beforeAll(async () => {
  const hosts: Record<string, HostOptions> = {
    ...Object.fromEntries(SOUND.map((name) => [name, {}])),
    unplugged: { unreachable: 'no-link' },
    stranger: {},
    perfless: { without: ['perf'] },
    cut: {},
  };
  workstation = await Workstation.start({
    hosts,
    strangers: ['stranger'],
    // 512 faults at the beginning of each second.
    workload: ['1000000000', '10', '50', '0', '512'],
  });
});

afterAll(async () => {
  await workstation.stop();
});

/** Sum of the weights in folded text. */
async function totalOf(job: Job, ...more: string[]): Promise<number> {
  const { code, stdout, stderr } = await workstation.run('export', job.id, '--format', 'folded', ...more);
  if (code !== 0) throw new Error(`export of ${more.join(' ')} ended with ${code}: ${stderr}`);
  const lines = stdout.split('\n').filter((line) => line !== '');
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

it('give sixteen merged results and four named failures', async () => {
  const controller = workstation.spawn([
    ...['record', '-e', 'page-faults', '-c', '1', '--comm', 'faults', '--for', '4s', '--grace', '30s'],
    ...['--on', `name!=${WORKSTATION}`, '--even-if-busy', '--json'],
  ]);
  const { stdout, stderr } = controller;
  if (stdout === null || stderr === null) return expect.fail('its output is not piped');
  const cut = new Promise<void>((resolve, reject) => {
    createInterface({ input: stderr }).on('line', (line) => {
      if (line.startsWith('cut: running')) workstation.fleet.host('cut').cut().then(resolve, reject);
    });
  });
  const parts: Buffer[] = [];
  stdout.on('data', (part: Buffer) => parts.push(part));
  const code = await new Promise((resolve) => controller.once('close', resolve));
  await cut;
  expect(code).toBe(3);
  const { job, hosts, losses } = JSON.parse(Buffer.concat(parts).toString()) as Report;
  expect(job.state).toBe('partial');
  const ends = Object.fromEntries(
    hosts.map(({ host, state, failure }) => [host, `${state} ${failure?.code ?? ''}`.trim()]),
  );
  expect(ends).toEqual({
    ...Object.fromEntries(SOUND.map((name) => [name, 'succeeded'])),
    unplugged: 'failed unreachable',
    stranger: 'failed untrusted',
    perfless: 'failed tool-missing',
    cut: 'lost lost',
  });
  const words = Object.fromEntries(hosts.map(({ host, failure }) => [host, `${failure?.message}; ${failure?.remedy}`]));
  expect(words.unplugged).toMatch(/unplugged.*(timed out|EHOSTUNREACH|within)/);
  expect(words.stranger).toMatch(/stranger.*certificate/i);
  expect(words.perfless).toMatch(/perf.*install/);
  expect(words.cut).toMatch(/gave up after 34000 ms|went away/);
  const missing = losses.find(({ kind }) => kind === 'missing-hosts');
  expect(missing?.count).toBe(4);
  for (const name of ['unplugged', 'stranger', 'perfless', 'cut']) expect(missing?.detail).toContain(name);

  let sum = 0;
  for (const name of SOUND) {
    const total = await totalOf(job, '--host', name);
    expect(total, name).toBeGreaterThan(0);
    sum += total;
  }
  expect(await totalOf(job)).toBe(sum);
});
