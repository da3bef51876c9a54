// A capture by the real command line, in the middle of which something happens to its hosts.
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { HostRun, Job } from '../../controller/api.js';
import type { Loss } from '../../profile/loss.js';
import type { Workstation } from './workstation.js';

export interface WatchedCapture {
  readonly code: number | null;
  readonly job: Job;
  readonly hosts: readonly HostRun[];
  readonly losses: readonly Loss[];
  /** `db1` -> `succeeded`, or `lost: lost`. */
  readonly ends: Readonly<Record<string, string>>;
}

/**
 * Run `perftrawl ...args --json` to its end.
 * @param atRunning what happens when the command says of a host that its capture runs
 * @throws when that fails, or the host never ran
 */
export async function watchedCapture(
  workstation: Workstation,
  args: readonly string[],
  atRunning: Readonly<Record<string, () => Promise<unknown>>>,
): Promise<WatchedCapture> {
  const { code, stdout, stderr } = await watchedRun(workstation, [...args, '--json'], atRunning);
  const report: unknown = JSON.parse(stdout === '' ? 'null' : stdout);
  if (!isReport(report))
    throw new Error(`perftrawl ${args.join(' ')} ended with ${code}: ${stderr.slice(-2000)}${stdout}`);
  const { job, hosts, losses } = report;
  const ends = hosts.map(({ host, state, failure }) => [
    host,
    failure === undefined ? state : `${state}: ${failure.code}`,
  ]);
  return { code, job, hosts, losses, ends: Object.fromEntries(ends) };
}

export interface WatchedRun {
  /** null when it was killed. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** As `watchedCapture`, for a command that may be killed. */
export async function watchedRun(
  workstation: Workstation,
  args: readonly string[],
  atRunning: Readonly<Record<string, () => Promise<unknown>>>,
): Promise<WatchedRun> {
  const controller = workstation.spawn(args);
  if (controller.stdout === null || controller.stderr === null) throw new Error('its output is not piped');
  const [stdout, stderr]: [Buffer[], string[]] = [[], []];
  controller.stdout.on('data', (part: Buffer) => stdout.push(part));
  const closed = once(controller, 'close');
  const happening = new Map<string, Promise<unknown>>();
  createInterface({ input: controller.stderr }).on('line', (line) => {
    stderr.push(line);
    const host = /^([\w-]+): running/.exec(line)?.[1] ?? '';
    const happens = atRunning[host];
    if (happens === undefined || happening.has(host)) return;
    const happened = happens();
    // Awaited below; this only keeps Node from calling it unhandled before then.
    happened.catch(() => undefined);
    happening.set(host, happened);
  });
  const [code] = await closed;
  await Promise.all(happening.values());
  const missed = Object.keys(atRunning).filter((host) => !happening.has(host));
  if (missed.length > 0) throw new Error(`never ran: ${missed.join(', ')}; it said: ${stderr.join('\n').slice(-2000)}`);
  return { code, stdout: Buffer.concat(stdout).toString(), stderr: stderr.join('\n') };
}

function isReport(value: unknown): value is Pick<WatchedCapture, 'job' | 'hosts' | 'losses'> {
  return typeof value === 'object' && value !== null && 'job' in value && 'hosts' in value && 'losses' in value;
}
