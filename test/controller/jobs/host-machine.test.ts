// What is kept of a host's description: what names its kernel and its tools, however much it tells.
import { expect, it } from 'vitest';
import { hostMachine } from '../../../controller/jobs/host-machine.js';
import type { HostDescription } from '../../../proto/capture.js';

const description: HostDescription = {
  ...{ hostname: 'db1', kernelRelease: '6.1.0-13-amd64', kernelBuildId: 'abc', architecture: 'x64', cpuCount: 4 },
  ...{ memoryBytes: 2 ** 34, osName: 'Debian GNU/Linux 12', agentVersion: '0.1.0', perfEventParanoid: 2 },
  ...{ kptrRestrict: 0, isRoot: true, clock: 1, runningCaptures: ['x'], usableEvents: [], unusableEvents: [] },
  ...{ tools: [{ name: 'perf', version: '6.1.52', path: '/usr/bin/perf' }], problems: [] },
};

it('is the machine without its state at the moment', () => {
  const { perfEventParanoid: _1, kptrRestrict: _2, isRoot: _3, clock: _4, runningCaptures: _5, ...rest } = description;
  const { usableEvents: _6, unusableEvents: _7, problems: _8, ...machine } = rest;
  expect(hostMachine(description)).toEqual(machine);
});

it('is short, whatever a host claims', () => {
  const long = 'x'.repeat(1_000_000);
  const tools = Array.from({ length: 10_000 }, () => ({ name: long, version: long, path: long }));
  const claimed = { ...description, hostname: long, kernelRelease: long, osName: long, agentVersion: long, tools };
  expect(JSON.stringify(hostMachine(claimed)).length).toBeLessThan(25_000);
});
