// Tools whose agent was killed: found by a mark in their environment, which names that agent, and ended by the next one that starts.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive, ownIdentity, type ProcessIdentity } from './spool/owner.js';

/** Every tool has it, and so has what a tool starts. `PIDNAMESPACE BOOTID PID STARTTICKS`: no other process ever matches it. */
export const AGENT_MARK = 'PERFTRAWL_AGENT';

export interface Orphan {
  readonly pid: number;
  /** As the kernel calls it. */
  readonly comm: string;
}

/** How long the kernel may take to end what was killed. */
const LOOKS = 100;
const BETWEEN_LOOKS_MS = 20;

/** What this process gives its tools. */
export function agentMark(): string {
  const { bootId, pid, startTicks } = ownIdentity();
  return [pidNamespace(), bootId, pid, startTicks].join(' ');
}

/** Processes of tools whose agent is no more. Those that this user may not look at are not ours. */
export function findOrphans(): Orphan[] {
  const space = pidNamespace();
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      const mark = markOf(pid);
      return mark !== undefined && mark.space === space && !isAlive(mark.agent);
    })
    .map((pid) => ({ pid: Number(pid), comm: (text(`/proc/${pid}/comm`) ?? '').trim() }));
}

/** Kill them all and wait until they are gone. @returns what was killed */
export async function endOrphans(): Promise<Orphan[]> {
  const ended = new Map<number, Orphan>();
  for (let look = 0; look < LOOKS; look++) {
    const orphans = findOrphans();
    if (orphans.length === 0) break;
    for (const orphan of orphans) {
      ended.set(orphan.pid, orphan);
      kill(orphan.pid);
    }
    await sleep(BETWEEN_LOOKS_MS);
  }
  return [...ended.values()];
}

/** undefined for processes without a mark, zombies among them: their environment is empty. */
function markOf(pid: string): { space: string; agent: ProcessIdentity } | undefined {
  const mark = text(`/proc/${pid}/environ`)
    ?.split('\0')
    .find((entry) => entry.startsWith(`${AGENT_MARK}=`))
    ?.slice(AGENT_MARK.length + 1)
    .split(' ');
  if (mark === undefined || mark.length !== 4) return undefined;
  const [space, bootId, agent, startTicks] = mark;
  return { space, agent: { bootId, pid: Number(agent), startTicks } };
}

/** A pid means the same process only in here. */
function pidNamespace(): string {
  return readlinkSync('/proc/self/ns/pid');
}

function text(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isCode(error, 'ENOENT', 'ESRCH', 'EACCES', 'EPERM')) return undefined;
    throw error;
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!isCode(error, 'ESRCH', 'EPERM')) throw error;
  }
}

function isCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}
