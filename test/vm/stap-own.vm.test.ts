// A script of one's own on a real SystemTap: its histograms against the counts that it prints itself; and captures that are ended early.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { outputOf } from '../e2e/fleet.js';
import { StapFleet, sumOf, until } from './stap-fleet.js';

const LATENCY = `global entered, latency, spread
probe kprobe.function("handle_mm_fault") { if (pid() == target()) entered[tid()] = gettimeofday_ns() }
probe kprobe.function("handle_mm_fault").return {
  if (tid() in entered) {
    took = gettimeofday_ns() - entered[tid()]
    delete entered[tid()]
    latency <<< took
    spread <<< took
  }
}
probe timer.s(2) {
  if (@count(latency) > 0) {
    printf("log count=%d\\n", @count(latency))
    print(@hist_log(latency))
    printf("linear count=%d\\n", @count(spread))
    print(@hist_linear(spread, 0, 100000, 5000))
    delete latency
    delete spread
  }
}
`;

let fleet: StapFleet;
let pages: string;

beforeAll(async () => {
  fleet = await StapFleet.start();
  pages = String(await fleet.startPages());
});

afterAll(() => fleet?.dispose());

/** Whatever a test did, nothing of ours stays in the kernel. */
afterEach(async () => {
  expect(await fleet.modules()).toEqual([]);
});

describe('a script that prints @hist_log and @hist_linear every two seconds', () => {
  it('gives as many values as it counted itself, interval by interval', async () => {
    const script = await fleet.script('latency', LATENCY);
    const options = ['--pid', pages, '--for', '9s', '--interval', '2s', '--keep-raw'];
    expect(await fleet.run(script, ...options)).toMatchObject({ code: 0 });
    const saved = join(fleet.fleet.directory, 'stap.out');
    const fetched = await fleet.fleet.run('artifacts', 'last', '--host', 'target', '-o', saved);
    expect(fetched).toMatchObject({ code: 0 });
    const printed = await readFile(saved, 'utf8');
    const { histograms, interval } = await fleet.hist();
    expect(interval).toBe(2000);
    for (const [kind, word] of [
      ['log2', 'log'],
      ['linear', 'linear'],
    ] as const) {
      const counts = [...printed.matchAll(new RegExp(`^${word} count=(\\d+)$`, 'gm'))].map(([, count]) =>
        Number(count),
      );
      const ours = histograms.filter(({ scale }) => scale.kind === kind).sort((a, b) => a.time - b.time);
      expect(counts.length).toBeGreaterThanOrEqual(2);
      expect(ours.map(sumOf)).toEqual(counts);
      expect(ours.map(({ count }) => count)).toEqual(counts);
    }
  });
});

describe('a capture that is ended early', () => {
  const beats = async () => fleet.script('beat', 'probe timer.ms(200) { println("beat") }\n');
  const heard = async () => (await fleet.lastText()).includes('beat');

  it('with Ctrl-C keeps what there is', async () => {
    const running = fleet.start(await beats(), '--for', '200s');
    const ended = outputOf(running);
    let shown = '';
    running.stderr?.on('data', (part: Buffer) => {
      shown += part.toString();
    });
    await until(async () => shown.includes('beat'));
    expect(await fleet.modules()).toHaveLength(1);
    running.kill('SIGINT');
    expect(await ended).toMatchObject({ code: 0 });
    expect(await fleet.lastRun()).toMatchObject({ state: 'succeeded', progress: { samples: 0 } });
    expect(await heard()).toBe(true);
  });

  it('with `jobs cancel` from elsewhere keeps nothing', async () => {
    const ended = outputOf(fleet.start(await beats(), '--for', '200s'));
    await fleet.whenLoaded();
    expect(await fleet.fleet.run('jobs', 'cancel', 'last')).toMatchObject({ code: 0 });
    expect(await ended).toMatchObject({ code: 130 });
    expect(await fleet.lastRun()).toMatchObject({ state: 'cancelled', failure: { code: 'cancelled' } });
    expect(await heard()).toBe(false);
  });

  it('with two times Ctrl-C keeps nothing', async () => {
    const running = fleet.start(await beats(), '--for', '200s');
    const ended = outputOf(running);
    await fleet.whenLoaded();
    running.kill('SIGINT');
    running.stderr?.once('data', () => running.kill('SIGINT'));
    expect(await ended).toMatchObject({ code: 130 });
    expect(await fleet.lastRun()).toMatchObject({ state: 'cancelled' });
  });
});
