// Alerts that fire start jobs of schedules on the hosts that they name (https://prometheus.io/docs/alerting/latest/configuration/#webhook_config).

import { toFailure } from '../../proto/failure.js';
import { matchesGlob } from '../../proto/glob.js';
import type { Host } from '../job-request.js';
import type { Schedule, Tick, Timing } from './schedule.js';
import { openJobs, type SchedulerOptions } from './scheduler.js';
import { tickJob } from './tick-job.js';
import { openWindows } from './windows.js';

/** What is used of an alert. */
export interface Alert {
  readonly status: 'firing' | 'resolved';
  readonly labels: Readonly<Record<string, string>>;
}

/** What a schedule did about alerts that are for it. */
export interface AlertAnswer {
  readonly schedule: string;
  readonly state: Tick['state'];
  /** '' when there is none. */
  readonly jobId: string;
  /** Names of those that it captures on. */
  readonly hosts: readonly string[];
  /** '' when all was done as asked. */
  readonly reason: string;
}

type AlertTiming = Extract<Timing, { kind: 'alert' }>;

/** One job at most for each schedule, for all alerts of one message. */
export async function answerAlerts(
  alerts: readonly Alert[],
  options: SchedulerOptions,
): Promise<readonly AlertAnswer[]> {
  const answers: AlertAnswer[] = [];
  for (const schedule of await options.store.list()) {
    const { timing } = schedule.definition;
    if (timing.kind !== 'alert' || schedule.state !== 'active') continue;
    const meant = alerts.filter((alert) => isMeant(alert, timing));
    if (meant.length > 0) answers.push(await answer(schedule, timing, meant, options));
  }
  return answers;
}

function isMeant({ status, labels }: Alert, { match }: AlertTiming): boolean {
  return status === 'firing' && Object.entries(match).every(([key, wanted]) => matchesGlob(wanted, labels[key] ?? ''));
}

async function answer(
  schedule: Schedule,
  timing: AlertTiming,
  alerts: readonly Alert[],
  options: SchedulerOptions,
): Promise<AlertAnswer> {
  const { store, control, clock, cancel } = options;
  const { definition, requester } = schedule;
  const { name, overlap, windows, blackouts, timeZone, until = Number.POSITIVE_INFINITY } = definition;
  const due = clock.now();
  const told = async (more: Omit<AlertAnswer, 'schedule'>): Promise<AlertAnswer> => {
    const { state, jobId, reason } = more;
    if (jobId === '')
      await store.addTick({ schedule: name, due, last: due, count: 1, decided: due, state, jobId, reason }, []);
    return { schedule: name, ...more };
  };
  const not = (state: 'skipped' | 'failed', reason: string) => told({ state, reason, jobId: '', hosts: [] });

  if (due >= until) return not('skipped', 'the schedule has ended');
  if (!openWindows(windows, blackouts, timeZone).isOpen(due)) return not('skipped', 'outside its windows');
  const refusal = await options.refusalOf(requester);
  if (refusal !== undefined) return not('failed', refusal.message);
  const { named, unknown } = hostsOf(alerts, timing, options.hosts(''));
  const cooling = new Set<string>();
  for (const host of named) {
    const [recent] = await control.jobs({ schedule: name, host, since: due - timing.coolDown, limit: 1 });
    if (recent !== undefined) cooling.add(host);
  }
  const only = new Set([...named].filter((host) => !cooling.has(host)));
  const left = [
    ...(unknown.length === 0 ? [] : [`no such host: ${unknown.join(', ')}`]),
    ...(cooling.size === 0 ? [] : [`cooling down: ${[...cooling].join(', ')}`]),
  ].join('; ');
  if (only.size === 0)
    return not(cooling.size > 0 ? 'skipped' : 'failed', left === '' ? 'the alert names no host' : left);
  const before = await openJobs(control, name);
  if (overlap === 'skip' && before.length > 0) return not('skipped', `job ${before[0]} has not ended`);
  try {
    const request = tickJob(schedule, { hosts: options.hosts, due, only, cause: causeOf(alerts) });
    const made = options.newJob(request);
    const tick = { schedule: name, due, last: due, count: 1, decided: due };
    const jobId = made.job.id;
    if (!(await store.addTick({ ...tick, state: 'fired', jobId, reason: causeOf(alerts) }, [made]))) {
      return {
        schedule: name,
        state: 'skipped',
        jobId: '',
        hosts: [],
        reason: 'another alert came in the same moment',
      };
    }
    if (overlap === 'cancel') for (const id of before) cancel(id);
    if (timing.triggersWatches) options.fireWatches(only, { who: requester, reason: causeOf(alerts) });
    return { schedule: name, state: 'fired', jobId, hosts: request.hosts.map((host) => host.name), reason: left };
  } catch (error) {
    return not('failed', toFailure(error).message);
  }
}

/** `db1`, `db1:9100` and `db1.example.net:9100` are db1, unless a host has the longer name. */
function hostsOf(
  alerts: readonly Alert[],
  { hostLabel }: AlertTiming,
  known: readonly Host[],
): { readonly named: ReadonlySet<string>; readonly unknown: readonly string[] } {
  const names = new Set(known.map(({ name }) => name));
  const named = new Set<string>();
  const unknown = new Set<string>();
  for (const { labels } of alerts) {
    const value = labels[hostLabel] ?? '';
    if (value === '') continue;
    const bare = value.replace(/:\d+$/, '');
    const found = [value, bare, bare.split('.')[0]].find((name) => names.has(name));
    if (found === undefined) unknown.add(value.slice(0, 100));
    else named.add(found);
  }
  return { named, unknown: [...unknown].slice(0, 20) };
}

/** `alert HighPageFaults (severity=page)` */
function causeOf(alerts: readonly Alert[]): string {
  const names = new Set(alerts.map(({ labels }) => labels.alertname ?? 'without a name'));
  const severities = new Set(alerts.flatMap(({ labels }) => labels.severity ?? []));
  const severity = severities.size === 0 ? '' : ` (severity ${[...severities].join(', ')})`;
  return `alert ${[...names].join(', ')}${severity}`.slice(0, 500);
}
