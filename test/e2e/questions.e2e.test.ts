// Questions on real captures of five agents with a planted difference: db5 sees a process that the others may not, and that process
// does something else from one moment on. Figures are held against the folded text of the same jobs, added up here.
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Job } from '../../controller/api.js';
import type { TopAnswered } from '../../controller/questions/top-question.js';
import type { FunctionDifference } from '../../controller/views/profile-difference.js';
import type { ProfileOutlierReport } from '../../controller/views/profile-outliers.js';
import { Fleet, outputOf } from './fleet.js';

const NAMES = ['db1', 'db2', 'db3', 'db4', 'db5'];
const FAULTS = ['record', '-e', 'page-faults', '-c', '1', '--comm', 'faults', '--comm', 'phases', '--for', '2s'];
const CLOCK = ['record', '-e', 'cpu-clock', '-F', '999', '--comm', 'phases', '--on', 'name=db5', '--for', '2s'];

interface Differing {
  readonly functions: readonly FunctionDifference[];
}

let fleet: Fleet;
let phases: number;

beforeAll(async () => {
  fleet = await Fleet.create();
  await fleet.makeCertificates(...NAMES);
  const policy = join(fleet.directory, 'policy.yaml');
  await writeFile(policy, 'targets:\n  only:\n    comms: [faults]\n', { mode: 0o644 });
  const hosts = [];
  for (const name of NAMES) {
    const { port } = await fleet.startAgent(name, ...(name === 'db5' ? [] : ['--policy', policy]));
    hosts.push({ name, address: `tls://127.0.0.1:${port}`, labels: { role: name === 'db5' ? 'odd' : 'db' } });
  }
  await fleet.writeInventory(hosts);
  await fleet.startWorkload('faults', '100000000', '20', '300', '30000');
  phases = await fleet.startWorkload('phases');
});

afterAll(() => fleet.dispose());

async function recorded(args: readonly string[]): Promise<string> {
  const { job } = await fleet.json<{ job: Job }>(args);
  expect(job.state).toBe('succeeded');
  return job.id;
}

/** Weight by the name at the end of a stack. */
async function leavesOf(job: string, ...more: string[]): Promise<Map<string, number>> {
  const { code, stdout, stderr } = await fleet.run('export', job, '--format', 'folded', ...more);
  expect(code, stderr).toBe(0);
  const sums = new Map<string, number>();
  for (const line of stdout.split('\n').filter(Boolean)) {
    const at = line.lastIndexOf(' ');
    const leaf = line.slice(line.lastIndexOf(';', at) + 1, at);
    sums.set(leaf, (sums.get(leaf) ?? 0) + Number(line.slice(at + 1)));
  }
  return sums;
}

const sumOf = (weights: ReadonlyMap<string, number>) => [...weights.values()].reduce((sum, weight) => sum + weight, 0);

describe('one process that changes, on one host that differs', () => {
  let [calm, storm, fleetJob] = ['', '', ''];

  beforeAll(async () => {
    calm = await recorded(CLOCK);
    process.kill(phases, 'SIGUSR1');
    storm = await recorded(CLOCK);
    fleetJob = await recorded(FAULTS);
  });

  it('diff names the function that is gone and the one that is new, in figures of the folded text', async () => {
    const { functions } = await fleet.json<Differing>(['diff', calm, storm, '--top', '10000']);
    const rows = new Map(functions.map((row) => [row.name, row]));
    expect(rows.get('calm')?.self).toMatchObject({ isNoise: false });
    expect(rows.get('storm')?.self).toMatchObject({ isNoise: false });
    expect(rows.get('calm')?.self.change).toBeLessThan(-0.5);
    expect(rows.get('storm')?.self.change).toBeGreaterThan(0.1);
    const [before, after] = [await leavesOf(calm), await leavesOf(storm)];
    for (const name of ['calm', 'storm']) {
      expect(rows.get(name)?.self.a).toBeCloseTo((before.get(name) ?? 0) / sumOf(before), 9);
      expect(rows.get(name)?.self.b).toBeCloseTo((after.get(name) ?? 0) / sumOf(after), 9);
    }
    const table = await fleet.run('diff', calm, storm);
    expect(table.stdout).toMatch(/\d+\.\d\d% +0\.00% +-\d+\.\d\d pp +gone +-\d+\.\d +calm +phases/);
  });

  it('diff draws it', async () => {
    const file = join(fleet.directory, 'diff.svg');
    const { code, stderr } = await fleet.run('diff', calm, storm, '--format', 'svg', '--widths', 'a', '-o', file);
    expect(code, stderr).toBe(0);
    expect(await readFile(file, 'utf8')).toMatch(/<title>calm \(A \d+\.\d\d%, B 0\.00%; own: -/);
  });

  it('diff refuses what does not compare', async () => {
    const { code, stderr } = await fleet.run('diff', calm, fleetJob);
    expect([code, stderr]).toEqual([2, expect.stringContaining('units differ: cpu-clock is counted in nanoseconds')]);
  });

  it('outliers finds the host, its function, and the command that shows it', async () => {
    const { profile } = await fleet.json<{ profile: ProfileOutlierReport }>(['outliers', fleetJob]);
    expect(profile.judgement).toBe('made');
    expect(profile.rows.filter((row) => row.isOutlier).map((row) => row.host)).toEqual(['db5']);
    expect(profile.functions.filter(({ name }) => name === 'storm')).toMatchObject([{ host: 'db5', median: 0 }]);
    const { stdout } = await fleet.run('outliers', fleetJob);
    const command = /^ {2}perftrawl (diff .*)$/m.exec(stdout)?.[1] ?? '';
    expect(command).toBe(`diff ${fleetJob} --host db5 --against-rest`);
    const { functions } = await fleet.json<Differing>(command.split(' '));
    expect(functions.find(({ name }) => name === 'storm')?.self).toMatchObject({ a: 0, isNoise: false });
  });

  it('top adds up what the folded texts of its captures add up to, and a server answers everything in the same way', async () => {
    const question = ['top', '--event', 'page-faults', '--limit', '10000', '--group-by', 'role'];
    const alone = await fleet.json<TopAnswered>(question);
    expect(alone).toMatchObject({ captures: 5, hosts: 5, jobs: 1 });
    expect(alone.leftOut).toMatchObject([{ reason: 'other-event', detail: 'cpu-clock', captures: 2 }]);
    const odd = alone.groups.find(({ group }) => group === 'odd');
    const folded = await leavesOf(fleetJob, '--host', 'db5');
    expect(odd?.weight).toBe(sumOf(folded));
    expect(odd?.rows.find(({ name }) => name === 'storm')?.self.weight).toBe(folded.get('storm'));
    expect(alone.weight).toBe(sumOf(await leavesOf(fleetJob)));

    const token = /^(ptu\.\S+)$/m.exec((await fleet.run('users', 'add', 'eve', '--role', 'viewer')).stdout)?.[1] ?? '';
    const serving = fleet.start(['serve', '--listen', '127.0.0.1:0']);
    const url = await new Promise<string>((resolve, reject) => {
      serving.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
      for (const stream of [serving.stdout, serving.stderr]) {
        if (stream === null) continue;
        createInterface({ input: stream }).on('line', (line) => {
          const told = /^serving on (https:\S+)$/.exec(line)?.[1];
          if (told !== undefined) resolve(told.replace('127.0.0.1', 'localhost'));
        });
      }
    });
    for (const args of [question, ['outliers', fleetJob], ['diff', calm, storm, '--normalise', 'time']]) {
      const asked = fleet.start([...args, '--server', url, '--json'], { PERFTRAWL_TOKEN: token });
      const { code, stdout, stderr } = await outputOf(asked);
      expect(code, stderr).toBe(0);
      const { question: _, ...answer } = JSON.parse(stdout);
      const { question: __, ...own } = await fleet.json<Record<string, unknown>>(args);
      expect(answer).toEqual(own);
    }
    serving.kill('SIGTERM');
    await once(serving, 'exit');
  });
});
