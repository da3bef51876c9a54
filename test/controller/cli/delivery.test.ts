// How far the agent is on its way to a host: in a job, and where hosts are asked something.
import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import type { AgentDelivery, RunOptions } from '../../../controller/api.js';
import { deliveryView } from '../../../controller/cli/delivery-view.js';
import { FakeApp, run, runOf } from './fake-app.js';

const MIB = 1024 ** 2;
const making: AgentDelivery = { state: 'making' };
const sent = (sentBytes: number, totalBytes = 32 * MIB): AgentDelivery => ({
  ...{ state: 'sending', sentBytes, totalBytes },
});
const QUARTER_MIB = Array.from({ length: 129 }, (_, i) => sent((i * MIB) / 4));

async function duringJob(isTty: boolean): Promise<string> {
  const app = new FakeApp();
  app.during = async (options: RunOptions) => {
    const tell = (more: Parameters<typeof runOf>[1]) =>
      options.onEvent({ kind: 'host-run', run: runOf('web1', { progress, ...more }) });
    const progress = { elapsed: 0, samples: 0, bytes: 0, lost: 0 };
    for (const delivery of [making, ...QUARTER_MIB]) tell({ state: 'connecting', delivery });
    if (isTty) return;
    tell({ state: 'connecting' });
    tell({ state: 'running' });
  };
  return (await run(['record'], { app, isTty })).stderr;
}

it('a log of a job has a line for each quarter', async () => {
  expect((await duringJob(false)).split('\n')).toEqual([
    'job job1: 2 hosts',
    'web1: connecting  making the agent with Node inside',
    'web1: connecting  sending the agent, 0 B of 32.0 MiB',
    'web1: connecting  sending the agent, 8.00 MiB of 32.0 MiB',
    'web1: connecting  sending the agent, 16.0 MiB of 32.0 MiB',
    'web1: connecting  sending the agent, 24.0 MiB of 32.0 MiB',
    'web1: connecting  sending the agent, 32.0 MiB of 32.0 MiB',
    'web1: running',
    '',
  ]);
});

it('a terminal shows the last of a job', async () => {
  const stderr = await duringJob(true);
  const last = stderr.slice(stderr.lastIndexOf('\x1b[J') + 3);
  expect(last).toContain('  web1: connecting  sending the agent, 32.0 MiB of 32.0 MiB\n');
});

function view(isStderrTty: boolean) {
  const stderr = new PassThrough();
  let time = 0;
  const tell = deliveryView({ stderr, isStderrTty, progressColumns: 60, env: {}, now: () => time });
  return {
    tell,
    wait: (duration: number) => {
      time += duration;
    },
    written: () => String(stderr.read() ?? ''),
  };
}

it('a log of a question has the same lines, anew when it is sent anew, and none of what is small', () => {
  const { tell, written } = view(false);
  for (const delivery of [making, ...QUARTER_MIB, undefined, sent(0), undefined]) tell('web\x1b1', delivery);
  for (const bytes of [0, MIB / 4, MIB / 2]) tell('web2', sent(bytes, MIB / 2));
  const of32 = (size: string) => `web␛1: sending the agent, ${size} of 32.0 MiB`;
  expect(written().split('\n')).toEqual([
    'web␛1: making the agent with Node inside',
    ...['0 B', '8.00 MiB', '16.0 MiB', '24.0 MiB', '32.0 MiB', '0 B'].map(of32),
    '',
  ]);
});

it('a terminal has one line, drawn over, that is gone in the end', () => {
  const { tell, wait, written } = view(true);
  tell('web1', making);
  expect(written()).toBe('\r\x1b[Kweb1: making the agent with Node inside');
  tell('web1', sent(MIB));
  expect(written()).toBe('');
  wait(100);
  tell('web2', sent(0));
  expect(written()).toBe('\r\x1b[Kweb1: sending the agent, 1.00 MiB of 32.0 MiB; … and 1 more');
  tell('web1', undefined);
  tell('web2', undefined);
  expect(written()).toBe('\r\x1b[K');
});
