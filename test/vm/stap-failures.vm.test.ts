// Scripts that cannot be compiled, cannot go on, or get in each other's way on a real SystemTap: each tells its own reason, and none leaves a
// module in the kernel.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Job } from '../../controller/api.js';
import type { FailureCode } from '../../proto/failure.js';
import { type Ended, outputOf } from '../e2e/fleet.js';
import { StapFleet } from './stap-fleet.js';

let fleet: StapFleet;
let empty: string;
/** Goes on for a minute beside the tests, on an agent of its own. */
let overrun: { readonly module: string; readonly ended: Promise<Ended> };

beforeAll(async () => {
  fleet = await StapFleet.start();
  await fleet.startAgent('second', ['--state', '/var/lib/perftrawl/second']);
  // The first probe takes back the bound that the agent gave the script.
  const text = 'probe begin { perftrawl_duration_ms = 86400000 }\nprobe timer.s(1) { println("on") }\n';
  const script = await fleet.script('overrun', text);
  const ended = outputOf(fleet.start(script, '--on', 'role=second', '--for', '2s', '--note', 'overrun'));
  await fleet.whenLoaded();
  overrun = { ended, module: (await fleet.modules())[0] };
  empty = await mkdtemp(join(tmpdir(), 'perftrawl-empty-'));
});

afterAll(async () => {
  await fleet?.dispose();
  await rm(empty, { recursive: true, force: true });
});

/** Whatever a test did, nothing of ours stays in the kernel. */
afterEach(async () => {
  expect((await fleet.modules()).filter((name) => name !== overrun.module)).toEqual([]);
});

/** The job failed for this reason on its one host, and its command line said so. */
async function expectFailure(
  ended: { readonly code: number | null; readonly stdout: string },
  code: FailureCode,
  message: RegExp,
  remedy: RegExp,
  job = 'last',
): Promise<void> {
  expect(ended.code).toBe(1);
  const { state, failure } = await fleet.lastRun(job);
  expect({ state, ...failure }).toEqual({
    state: 'failed',
    code,
    message: expect.stringMatching(message),
    remedy: expect.stringMatching(remedy),
  });
  expect(ended.stdout.replaceAll(/\s+/g, ' ')).toMatch(message);
}

describe('a script that cannot be compiled', () => {
  it('for its syntax is told with line and column', async () => {
    const script = await fleet.script('syntax', 'probe begin {\n  printf("x"\n}\n');
    const ended = await fleet.run(script, '--for', '2s');
    await expectFailure(
      ended,
      'bad-request',
      /cannot be compiled on builder: .*parse error: .*:3:1/,
      /mend the script/,
    );
  });

  it('for a probe point that the kernel has not', async () => {
    const script = await fleet.script('missing', 'probe kernel.function("no_such_function") { println("x") }\n');
    const ended = await fleet.run(script, '--for', '2s');
    await expectFailure(ended, 'not-found', /while resolving probe point.*no match/, /stap -l/);
  });

  it('without debuginfo names the package of the kernel that the script is for', async () => {
    await fleet.startBuildHost('bare-builder', [{ from: empty, to: '/usr/lib/debug' }]);
    const script = await fleet.script('debuginfo', 'probe kernel.function("handle_mm_fault") { println($vma) }\n');
    const ended = await fleet.run(script, '--for', '2s', '--build-on', 'bare-builder');
    await expectFailure(ended, 'tool-missing', /debuginfo/, new RegExp(fleet.vm.release));
  });
});

describe('a script that cannot go on', () => {
  const beat = 'probe timer.ms(200) { println("beat") }\n';

  it('is not begun for a process that is not there', async () => {
    const ended = await fleet.run(await fleet.script('beat', beat), '--for', '2s', '--pid', '999999');
    await expectFailure(ended, 'not-found', /no process 999999/, /it ended/);
  });

  it('ends with the process that it watches, and keeps what it printed', async () => {
    const pid = await fleet.startPages();
    const running = fleet.start(await fleet.script('watch', beat), '--for', '200s', '--pid', String(pid));
    const ended = outputOf(running);
    await fleet.whenLoaded([overrun.module]);
    await fleet.vm.need(['kill', '-9', String(pid)]);
    expect(await ended).toMatchObject({ code: 0 });
    const run = await fleet.lastRun();
    expect(run.state).toBe('succeeded');
    const text = await fleet.lastText();
    expect(text).toContain('beat');
    expect(text).toContain('all processes that were watched have ended');
  });

  it('for an error while it runs', async () => {
    const script = await fleet.script('error', 'global n\nprobe timer.ms(500) { n += 1; println(10 / (2 - n)) }\n');
    await expectFailure(await fleet.run(script, '--for', '20s'), 'bad-request', /division by 0/, /mend the script/);
  });

  it('for probes that take more of the CPUs than allowed', async () => {
    await fleet.startPages();
    const busy = 'global n\nprobe kprobe.function("handle_mm_fault") { for (i = 0; i < 900; i++) n += i }\n';
    const script = await fleet.script('busy', busy);
    const ended = await fleet.run(script, '--for', '60s', '--overhead', '0.5%');
    await expectFailure(ended, 'exhausted', /probe overhead .* exceeded threshold/, /--overhead/);
  });

  it('for a full disk, before and while it runs', async () => {
    const state = '/mnt/small';
    await fleet.vm.need(['mkdir', '-p', state]);
    await fleet.vm.need(['mount', '-t', 'tmpfs', '-o', 'size=64m', 'none', state]);
    await fleet.startAgent('third', ['--state', state]);
    const fill = () => fleet.vm.run(['dd', 'if=/dev/zero', `of=${state}/filler`, 'bs=64k']);
    const script = await fleet.script('chatter', 'probe timer.ms(50) { printf("%s\\n", ctime(gettimeofday_s())) }\n');
    const onThird = ['--on', 'role=third', '--for', '200s'];
    const ended = outputOf(fleet.start(script, ...onThird));
    await fleet.whenLoaded([overrun.module]);
    expect((await fill()).stderr).toContain('No space left');
    await expectFailure(await ended, 'exhausted', /cannot write to the spool: ENOSPC/, /free disk space/);
    await expectFailure(await fleet.run(script, ...onThird), 'exhausted', /MiB are free/, /free disk space/);
  });

  it('past its duration is ended', async () => {
    const ended = await overrun.ended;
    const { jobs } = await fleet.fleet.json<{ jobs: readonly Job[] }>(['jobs', 'ls']);
    const id = jobs.find(({ request }) => request.note === 'overrun')?.id ?? '';
    await expectFailure(ended, 'deadline', /went on for a minute after its duration/, /probes loops/, id);
    expect(await fleet.modules()).toEqual([]);
  });
});
