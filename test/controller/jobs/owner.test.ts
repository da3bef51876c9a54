// Who is alive: processes of this machine by their start time, others by how long they have been silent.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { processOwners } from '../../../controller/jobs/owner.js';

const owners = (pid = process.pid) => processOwners({ random: () => 0.5, pid, procRoot: '/proc' });

describe('owners', () => {
  it('of this process live until they are released', () => {
    const mine = owners();
    const owner = mine.claim();
    expect([mine.isAlive(owner, 0), owners().isAlive(owner, 0)]).toEqual([true, true]);
    mine.release(owner);
    expect(mine.isAlive(owner, 0)).toBe(false);
  });

  it('of another process live as long as it does', async () => {
    const child = spawn('sleep', ['60'], { stdio: 'ignore' });
    await once(child, 'spawn');
    const owner = owners(child.pid).claim();
    expect(owners().isAlive(owner, 0)).toBe(true);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(owners().isAlive(owner, 0)).toBe(false);
  });

  it('of an older process with the same pid are gone', () => {
    const [machine, , start] = owners().claim().split('|');
    const initStart = readFileSync('/proc/1/stat', 'utf8')
      .replace(/^.*\) /, '')
      .split(' ')[19];
    expect(owners().isAlive(`${machine}|1|${initStart}|x`, 0)).toBe(true);
    expect(owners().isAlive(`${machine}|1|${Number(start) + 1}|x`, 0)).toBe(false);
  });

  it('on other machines live while they are heard of', () => {
    expect(owners().isAlive('elsewhere|1|2|x', 20_000)).toBe(true);
    expect(owners().isAlive('elsewhere|1|2|x', 40_000)).toBe(false);
  });

  it('that make no sense are gone', () => {
    expect(['', 'x', '||||'].map((owner) => owners().isAlive(owner, 1e9))).toEqual([false, false, false]);
  });
});
