// A recording that is begun anew at a lower rate, with real perf: asked for here at a moment of our own, not by what it costs.
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BudgetAccounting } from '../../../agent/capture/budget-accounting.js';
import { CaptureContext } from '../../../agent/capture/capture-context.js';
import { CaptureStop } from '../../../agent/capture/capture-stop.js';
import { CostMeter } from '../../../agent/capture/cost-meter.js';
import { runRecord } from '../../../agent/capture/record-run.js';
import { SpoolRoom } from '../../../agent/capture/spool-room.js';
import { localMachine } from '../../../agent/host/machine.js';
import { defaultPolicy } from '../../../agent/policy/policy.js';
import { Spool } from '../../../agent/spool/spool.js';
import type { CaptureEvent, RecordSpec } from '../../../proto/capture.js';
import { faultsOf, LiveHost, never, profileOf, total } from './live-host.js';
import { UNRESTRAINED } from './unrestrained.js';

const FIRST = 1_000_000;
const FACTOR = 1 / 16;

let host: LiveHost;
beforeAll(async () => {
  host = await LiveHost.create();
});
afterAll(async () => {
  await host.dispose();
});

/** A capture of its own, as the agent makes one. */
async function begun(id: string, spec: RecordSpec) {
  const directory = join(host.directory, id);
  const spool = await Spool.open({ directory, limit: 1e9, now: Date.now });
  const made = await spool.create({ captureId: id, kind: 'record', spec: '', requester: '' }, () => undefined);
  if (made === undefined) throw new Error('not made');
  const settings = { policy: defaultPolicy(false), stateDirectory: directory, budget: UNRESTRAINED.budget };
  const cost = new CostMeter();
  const accounting = new BudgetAccounting(spec, settings.budget, cost, host.cpuCount);
  const stop = new CaptureStop();
  const context = new CaptureContext({
    ...{ machine: localMachine({ path: process.env.PATH ?? '' }), capture: made, stop },
    ...{ spool: new SpoolRoom(spool, made.log, 0), settings, cost, accounting },
  });
  return { spool, made, context, stop };
}

it('goes on with the processes that there are when those of the first piece have ended', async () => {
  const name = join(host.directory, 'brief');
  await symlink('/bin/sh', name);
  // One of that name is always there; the others end soon, and there are always some of them.
  const brief = `${name} -c 'i=0; while [ $i -lt 9999 ]; do i=$((i+1)); done; sleep 0.3; :'`;
  const oneAfterTheOther = `(while kill -0 $$ 2> /dev/null; do ${brief}; done)`;
  await host.start([name, '-c', `${oneAfterTheOther} & ${oneAfterTheOther} & wait`]);
  const spec = faultsOf(1, {
    events: [{ name: 'cpu-clock' }],
    rate: { period: FIRST },
    mmapPages: 16,
    duration: 60_000,
    target: { kind: 'processes', selector: { comms: ['brief'] } },
  });
  const { spool, made, context, stop } = await begun('comers', spec);
  const running = runRecord(context, spec);
  let hasEnded = false;
  const ended = running.finally(() => {
    hasEnded = true;
  });
  const wanted = 3;
  for (let lowered = 0; lowered < wanted && !hasEnded; ) {
    if (context.lowerRate?.(1 / 2, 'over budget: as the test wants it')) lowered++;
    await Promise.race([ended, sleep(700)]);
  }
  while (context.lowerRate === undefined && !hasEnded) await Promise.race([ended, sleep(50)]);
  // perf opens its events meanwhile, or fails to.
  await Promise.race([ended, sleep(1500)]);
  stop.request('keep');
  await ended;
  await context.capture.log.append({ kind: 'done', outcome: 'finished', commandLines: [] });
  await spool.finish(made);
  const told = context.losses.filter(({ kind }) => kind === 'out-of-budget').map(({ detail }) => detail);
  expect(told).toEqual(Array(wanted).fill(expect.stringMatching(/^rate lowered from one sample/)));
  const pids = context.commandLines.map((line) => /--pid=(\S+)/.exec(line)?.[1] ?? line);
  expect(new Set(pids).size).toBeGreaterThan(wanted);
});

it('joins both pieces, and each sample has the weight of the rate it was taken at', async () => {
  const busy = await host.start(['sh', '-c', 'while :; do :; done']);
  // perf hands its buffers over when they are half full: small ones soon are.
  const spec = faultsOf(busy, {
    events: [{ name: 'cpu-clock' }],
    rate: { period: FIRST },
    mmapPages: 16,
    duration: 15_000,
  });
  const { spool, made, context } = await begun('lowered', spec);
  const running = runRecord(context, spec);
  while (context.progress().samples === 0) await Promise.race([running, sleep(50)]);
  expect(context.lowerRate?.(FACTOR, 'over budget: as the test wants it')).toBe(true);
  // Once is enough until perf runs again.
  expect(context.lowerRate?.(FACTOR, 'again') ?? false).toBe(false);
  await running;
  await context.capture.log.append({ kind: 'done', outcome: 'finished', commandLines: [] });
  await spool.finish(made);

  const told = context.losses.filter(({ kind }) => kind === 'out-of-budget').map(({ detail }) => detail);
  expect(told).toEqual([
    expect.stringMatching(
      /^rate lowered from one sample every 1000000 events to one every 16000000 at \d+\.\d s, over budget: as the test wants it; \d+\.\d s in between were not recorded$/,
    ),
  ]);
  expect(context.commandLines.map((line) => /--count=(\d+)/.exec(line)?.[1])).toEqual(['1000000', '16000000']);
  const events: CaptureEvent[] = [];
  for await (const event of spool.follow('lowered', 1, never)) events.push(event);
  const profile = profileOf(events);
  const samples = total(profile, 'samples:cpu-clock');
  const weight = total(profile, 'cpu-clock');
  expect(context.progress().samples).toBe(samples);
  // So many samples of each weight give this sum, and no others.
  const second = (weight - samples * FIRST) / (FIRST / FACTOR - FIRST);
  expect(Number.isInteger(second)).toBe(true);
  expect(second).toBeGreaterThan(0);
  expect(samples - second).toBeGreaterThan(0);
  expect(profile.losses.map(({ detail }) => detail)).toContain(told[0]);
});
