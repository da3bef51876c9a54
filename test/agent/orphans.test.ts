// Tools that a killed agent left are ended by the next one, and nobody else is.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, expect, it } from 'vitest';
import { AGENT_MARK, agentMark, endOrphans, findOrphans } from '../../agent/orphans.js';
import { runTool } from '../../agent/process.js';

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

async function sleeper(mark: string): Promise<number> {
  const child = spawn('sleep', ['300'], { env: { PATH: process.env.PATH, [AGENT_MARK]: mark }, stdio: 'ignore' });
  children.push(child);
  await once(child, 'spawn');
  return child.pid ?? 0;
}

it('ends what bears the mark of an agent that is no more, and waits until it is gone', async () => {
  const [space, bootId, pid, startTicks] = agentMark().split(' ');
  const alive = await sleeper(agentMark());
  // Its number is that of a living process, which started later.
  const orphan = await sleeper([space, bootId, pid, String(Number(startTicks) - 1)].join(' '));
  const rebooted = await sleeper([space, 'another-boot', pid, startTicks].join(' '));
  const elsewhere = await sleeper(['pid:[1]', bootId, '1', '1'].join(' '));
  const nonsense = await sleeper('1');
  const ours = (orphans: readonly { pid: number }[]) =>
    orphans.map((found) => found.pid).filter((found) => children.some((child) => child.pid === found));
  const ended = await endOrphans();
  expect(ours(ended).sort()).toEqual([orphan, rebooted].sort());
  expect(ended.find((found) => found.pid === orphan)?.comm).toBe('sleep');
  expect(ours(findOrphans())).toEqual([]);
  const killed = children.filter((child) => child.pid === orphan || child.pid === rebooted);
  for (const child of killed) if (child.signalCode === null) await once(child, 'exit');
  const stay = children.filter((child) => child.exitCode === null && child.signalCode === null);
  expect(stay.map((child) => child.pid)).toEqual([alive, elsewhere, nonsense]);
});

it('is borne by every tool', async () => {
  const { signal } = new AbortController();
  const { stdout } = await runTool(['env'], { signal, env: { [AGENT_MARK]: 'something else' } });
  expect(stdout).toContain(`${AGENT_MARK}=${agentMark()}\n`);
});
