// Watches with real perf on a real process: it begins to fault, and the host captures by itself; whoever asks fires one as well.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { CaptureService } from '../../../agent/capture-service.js';
import type { CaptureEvent, CaptureSpec, Firing, WatchSpec } from '../../../proto/capture.js';
import { parseCondition } from '../../../proto/watch-condition.js';
import { all, capture, faultsOf, followed, LiveHost, never, profileOf, the, total } from '../capture/live-host.js';

let live: LiveHost;
let service: CaptureService;
let pid: number;

beforeAll(async () => {
  live = await LiveHost.create();
});
afterAll(() => live.dispose());
beforeEach(async () => {
  service = await live.service();
  pid = await live.startWorkload('phases');
});
afterEach(async () => {
  await service.stopAll();
  process.kill(pid, 'SIGKILL');
  for (const { captureId } of await service.listCaptures()) await service.releaseCapture(captureId);
});

/** Of that process, short enough for a test. */
function watch(change: Partial<WatchSpec> = {}): WatchSpec {
  const { kind: _kind, target, ...record } = faultsOf(pid, { duration: 700 });
  return {
    ...{ kind: 'watch', target, duration: 60_000, events: [{ name: 'page-faults' }], interval: 100 },
    ...{ conditions: [parseCondition('page-faults/s > 1000')], holds: 3, record, coolDown: 1000, most: 1, lookBack: 0 },
    ...change,
  };
}

async function firstFiring(captureId: string): Promise<Firing> {
  for await (const { body } of service.followCapture(captureId, 1, never)) {
    if (body.kind === 'triggered') return body.firing;
    if (body.kind === 'done') throw new Error(`the watch ended before: ${JSON.stringify(body)}`);
  }
  throw new Error('the log ended');
}

/** Until it has counted. */
async function hasCounted(captureId: string): Promise<void> {
  for await (const { body } of service.followCapture(captureId, 1, never)) if (body.kind === 'counters') return;
}

function start(captureId: string, spec: CaptureSpec) {
  return service.startCapture({ captureId, spec, requester: 'test' });
}

/** On to its second phase, once it has a handler for the signal. */
async function turn(process_: number): Promise<void> {
  const handled = () => /^SigCgt:.*[2367abef]..$/m.test(readFileSync(`/proc/${process_}/status`, 'utf8'));
  while (!handled()) await sleep(10);
  process.kill(process_, 'SIGUSR1');
}

const idOf = ({ capture: of }: Firing): string => (of.ok ? of.captureId : '');
const functionsOf = (events: readonly CaptureEvent[]): readonly string[] => profileOf(events).strings;

describe('a watch', () => {
  it('fires by itself when the process begins to fault, and records the function that does', async () => {
    await start('w', watch());
    await hasCounted('w');
    const before = Date.now();
    await turn(pid);
    const firing = await firstFiring('w');
    expect(firing).toMatchObject({ number: 1, capture: { ok: true, captureId: 'w.t1' } });
    if (firing.cause.kind !== 'held') throw new Error(`fired by ${firing.cause.kind}`);
    expect(firing.cause.condition).toEqual(parseCondition('page-faults/s > 1000'));
    expect(firing.cause.observed).toHaveLength(3);
    for (const { values, time, interval } of firing.cause.observed) {
      expect(values[0]).toBeGreaterThan(1000);
      expect(interval).toBeGreaterThan(50);
      expect(time).toBeGreaterThan(before);
      expect(time).toBeLessThan(Date.now() + 1);
    }
    const recorded = await followed(service, 'w.t1');
    expect(the(recorded, 'done')).toMatchObject({ outcome: 'finished' });
    expect(functionsOf(recorded)).toContain('storm');
    expect(total(profileOf(recorded), 'page-faults')).toBeGreaterThan(100);
    // It was the last one that it may have: the watch is over, and has told what it counted.
    const events = await followed(service, 'w');
    expect(the(events, 'done')).toMatchObject({ outcome: 'finished' });
    expect(all(events, 'counters').flatMap(({ points }) => points).length).toBeGreaterThan(3);
    expect(the(events, 'done').commandLines).toEqual([
      expect.stringMatching(/perf stat .*-- timeout --foreground [0-9.]+ cat$/),
    ]);
  });

  it('does not fire for a process that is calm, and ends after its duration', async () => {
    const events = await capture(service, 'w', watch({ duration: 1500 }));
    expect(all(events, 'triggered')).toEqual([]);
    expect(the(events, 'done')).toMatchObject({ outcome: 'finished' });
    const points = all(events, 'counters').flatMap((body) => body.points);
    expect(points.length).toBeGreaterThanOrEqual(10);
    expect((await service.listCaptures()).map(({ captureId }) => captureId)).toEqual(['w']);
  });

  it('fires when somebody asks, once for each request, and not while it records or cools down', async () => {
    await start('w', watch({ events: [], conditions: [], most: 2, coolDown: 2500 }));
    const request = { captureId: 'w', who: 'alice', reason: 'pager', requestId: 'r1' };
    const firing = await service.triggerCapture(request);
    expect(firing).toMatchObject({ number: 1, cause: { kind: 'asked', who: 'alice', reason: 'pager' } });
    expect(await service.triggerCapture(request)).toEqual(firing);
    const again = (requestId: string) => service.triggerCapture({ ...request, requestId });
    await expect(again('r2')).rejects.toMatchObject({
      failure: { code: 'refused', message: expect.stringMatching('records') },
    });
    await followed(service, idOf(firing));
    await expect(again('r3')).rejects.toMatchObject({ failure: { message: expect.stringMatching('cools down') } });
    let second: Firing | undefined;
    for (let i = 0; second === undefined; i++)
      second = await again(`s${i}`).catch(() => sleep(100).then(() => undefined));
    expect(second.number).toBe(2);
    const events = await followed(service, 'w');
    expect(all(events, 'triggered').map(({ firing: { number } }) => number)).toEqual([1, 2]);
    await expect(again('late')).rejects.toMatchObject({
      failure: { code: 'refused', message: expect.stringMatching('ended') },
    });
  });

  it('is fired through another process of the same state directory', async () => {
    await start('w', watch({ events: [], conditions: [] }));
    const other = await live.service();
    const firing = await other.triggerCapture({ captureId: 'w', who: 'bob', reason: '', requestId: 'r' });
    expect(firing).toMatchObject({ number: 1, capture: { ok: true, captureId: 'w.t1' } });
    expect(the(await followed(other, 'w.t1'), 'done')).toMatchObject({ outcome: 'finished' });
  });

  it('is neither fired nor ended by what else lies where requests are, and by no stop but a plain file', async () => {
    await start('w', watch({ events: [], conditions: [] }));
    const own = join(live.state, 'captures', 'w');
    const place = join(own, 'work', 'triggers');
    await expect.poll(() => existsSync(place), { timeout: 10_000 }).toBe(true);
    execFileSync('mkfifo', [join(place, 'fifo.ask'), join(own, 'stop')]);
    symlinkSync('/dev/zero', join(place, 'zeros.ask'));
    mkdirSync(join(place, 'directory.ask'));
    writeFileSync(join(place, 'object.ask'), '{"who":{"toString":1},"reason":"x"}');
    writeFileSync(join(place, 'junk.ask'), 'junk');
    const all5 = /^(directory|fifo|junk|object|zeros)\.answer$/;
    await expect.poll(() => readdirSync(place).filter((name) => all5.test(name)).length, { timeout: 10_000 }).toBe(5);
    expect((await service.listCaptures()).map(({ captureId, state }) => [captureId, state])).toEqual([
      ['w', 'running'],
    ]);
    const asked = { captureId: 'w', who: 'bob', reason: '', requestId: 'r' };
    expect(await service.triggerCapture(asked)).toMatchObject({ number: 1, capture: { ok: true, captureId: 'w.t1' } });
    const events = await followed(service, 'w');
    expect(all(events, 'triggered')).toHaveLength(1);
    expect(the(events, 'done')).toMatchObject({ outcome: 'finished' });
  });

  it('tells a firing that the host does not let it record, and goes on', async () => {
    await start('other', faultsOf(pid, { duration: 60_000 }));
    await start('w', watch({ most: 2 }));
    await hasCounted('w');
    await turn(pid);
    const firing = await firstFiring('w');
    expect(firing.capture).toMatchObject({
      ok: false,
      failure: { code: 'busy', message: expect.stringContaining('other') },
    });
    await service.stopCapture('other', true);
    const events = await followed(service, 'w');
    expect(all(events, 'triggered').map(({ firing: { number, capture: of } }) => [number, of.ok])).toEqual([
      [1, false],
      [2, true],
    ]);
  });

  it('that is stopped ends what it records, and both keep what there is', async () => {
    await start('w', watch({ record: { ...watch().record, duration: 60_000 } }));
    await hasCounted('w');
    await turn(pid);
    await firstFiring('w');
    for await (const { body } of service.followCapture('w.t1', 1, never)) {
      if (body.kind === 'progress' && body.samples > 0) break;
    }
    await service.stopCapture('w', false);
    expect(the(await followed(service, 'w'), 'done')).toMatchObject({ outcome: 'stopped' });
    const recorded = await followed(service, 'w.t1');
    expect(the(recorded, 'done')).toMatchObject({ outcome: 'stopped' });
    expect(functionsOf(recorded)).toContain('storm');
    expect(perfOf(pid)).toEqual([]);
  });

  it('finds processes that a selector means only later', async () => {
    const target = { kind: 'processes', selector: { cmdline: live.directory, comms: ['phases'] } } as const;
    await start('w', watch({ target, duration: 60_000 }));
    await hasCounted('w');
    const later = await live.startWorkload('phases');
    await turn(later);
    const firing = await firstFiring('w');
    expect(functionsOf(await followed(service, idOf(firing)))).toContain('storm');
    process.kill(later, 'SIGKILL');
  });

  it.each([
    ['a condition on what is not counted', { events: [{ name: 'cs' }] }, /does not count/],
    ['patterns', { events: [{ name: 'page-faults' }, { name: 'sched:*' }] }, /single events/],
    ['no intervals', { holds: 0 }, /intervals/],
    ['no firings', { most: 0 }, /firings/],
    ['no time to cool down', { coolDown: 0 }, /cools down/],
    ['a duration of days', { duration: 1e9 }, /duration/],
  ])('is refused with %s', async (_what, change, message) => {
    await expect(start('w', watch(change))).rejects.toMatchObject({
      failure: { code: 'bad-request', message: expect.stringMatching(message) },
    });
    expect(await service.listCaptures()).toEqual([]);
  });

  it('fails where no condition can ever hold', async () => {
    const { unusableEvents } = await service.describe(never);
    const [event] = unusableEvents;
    if (event === undefined) throw new Error('this machine has every counter: choose a test for it');
    const conditions = [parseCondition(`${event} > 1`)];
    const events = await capture(service, 'w', watch({ events: [{ name: event }], conditions }));
    expect(the(events, 'done')).toMatchObject({
      outcome: 'failed',
      failure: { code: 'tool-failed', message: expect.stringContaining(`no counter for ${event}`) },
    });
  });

  it('would tell beforehand what runs and what is in its way', async () => {
    const { commandLines, problems } = await service.preflight(watch(), never);
    expect(problems.filter(({ isFatal }) => isFatal)).toEqual([]);
    expect(commandLines).toEqual([expect.stringMatching(/perf stat/), expect.stringMatching(/perf record/)]);
  });
});

/** Processes of perf that observe a process. */
function perfOf(observed: number): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => {
      try {
        return readFileSync(`/proc/${name}/cmdline`, 'utf8');
      } catch {
        return '';
      }
    })
    .filter((line) => line.includes('perf\0') && line.includes(`--pid=${observed}\0`));
}

describe('a watch that looks back', () => {
  it('has the function that ran only before the firing, and tells how far back the rings went', async () => {
    const record = { ...watch().record, events: [{ name: 'cpu-clock' }], rate: { frequency: 199 } };
    await start('w', watch({ record, lookBack: 60_000, coolDown: 1000, most: 2 }));
    await hasCounted('w');
    await sleep(1500);
    await turn(pid);
    const firing = await firstFiring('w');
    expect(firing).toMatchObject({ number: 1, lookBackId: 'w.b1' });
    const before = await followed(service, 'w.b1');
    expect(the(before, 'done')).toMatchObject({ outcome: 'finished' });
    expect(functionsOf(before)).toContain('calm');
    const { duration, startTime } = profileOf(before);
    expect(duration).toBeGreaterThan(1000);
    expect(duration).toBeLessThan(60_000);
    expect(startTime + duration).toBeLessThanOrEqual(firing.time + 1000);
    expect(all(before, 'losses').flatMap(({ losses }) => losses)).toContainEqual(
      expect.objectContaining({ detail: expect.stringMatching(/the rings held [0-9.]+ s before the firing, of 60 s/) }),
    );
    const after = await followed(service, 'w.t1');
    expect(functionsOf(after)).toContain('storm');
    expect(functionsOf(after)).not.toContain('calm');
    await service.stopCapture('w', false);
    expect(the(await followed(service, 'w'), 'done').commandLines).toContainEqual(
      expect.stringMatching(/perf record --overwrite --switch-output=signal .* cat$/),
    );
    expect(perfOf(pid)).toEqual([]);
  });
});
