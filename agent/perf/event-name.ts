// Which event names, filters, cgroup paths and CPU lists reach perf's command line. Everything else is refused, not quoted.
import type { EventSpec } from '../../proto/capture.js';
import { type FailureError, fail } from '../../proto/failure.js';

const MAX_NAME = 512;
const MAX_FILTER = 4096;
const MAX_EVENTS = 64;

/** perf's own alphabet of event names: `r01c4`, `sched:sched_switch`, `cpu/event=0x3c,umask=0/u`, `{cycles,instructions}:S`. */
const ALPHABET = /^[A-Za-z0-9_%{][A-Za-z0-9_:./,=@{}~*?%+-]*$/;

/** `pmu/terms/modifiers`; the only use of a slash, so that no name is a path. */
const PMU_EVENT = /[A-Za-z0-9_.-]+\/[^/]*\/[A-Za-z]*/g;

/** Names that perf before 6.5 takes for BPF programs, which it would compile and load into the kernel. */
const BPF_PROGRAM = /\.(?:c|o|bpf)(?=$|[/:,}])/;

/** @throws FailureError `bad-request` for a name that perf must not see */
export function checkEvents(events: readonly EventSpec[]): void {
  if (events.length === 0)
    throw fail('bad-request', 'the capture names no event', 'name at least one: --event page-faults');
  if (events.length > MAX_EVENTS) {
    throw fail('bad-request', `${events.length} events are more than ${MAX_EVENTS}`, 'ask for fewer events');
  }
  for (const event of events) {
    checkEventName(event.name);
    if (event.filter !== undefined) checkFilter(event.name, event.filter);
  }
}

/** @throws FailureError `bad-request` */
export function checkEventName(name: string): void {
  const refused = (why: string): FailureError =>
    fail(
      'bad-request',
      `${quote(name)} is no event name: ${why}`,
      'see `perf list` on the host for the names it knows',
    );
  if (name === '') throw refused('it is empty');
  if (name.length > MAX_NAME) throw refused(`it is longer than ${MAX_NAME} characters`);
  if (!ALPHABET.test(name)) {
    throw refused(
      'event names start with a letter, digit, `_`, `%` or `{` and hold only letters, digits and _:./,=@{}~*?%+-',
    );
  }
  const outsidePmu = name.replace(PMU_EVENT, '');
  if (outsidePmu.includes('/') && !/^mem:0x[0-9a-fA-F]+\/[0-9]+(?::[rwx]+)?$/.test(name)) {
    throw refused('a slash belongs to `pmu/terms/` only');
  }
  if (BPF_PROGRAM.test(name)) throw refused('perf would load it as a BPF program');
  if (!outsidePmu.includes('{') && outsidePmu.includes(',')) throw refused('give several events one by one');
  if (count(name, '{') !== count(name, '}')) throw refused('its braces do not match');
}

function checkFilter(event: string, filter: string): void {
  if (filter === '') throw fail('bad-request', `the filter of ${event} is empty`, 'leave it out');
  if (filter.length > MAX_FILTER) {
    throw fail('bad-request', `the filter of ${event} is longer than ${MAX_FILTER} characters`, 'shorten it');
  }
  if (hasControls(filter)) throw fail('bad-request', `the filter of ${event} holds control characters`, 'remove them');
  if (!event.includes(':')) {
    throw fail(
      'bad-request',
      `${event} takes no filter: only tracepoints do`,
      'filter a tracepoint such as sched:sched_switch',
    );
  }
}

/**
 * The path that perf's `--cgroup` takes: relative to the cgroup mount, `/` for its root.
 * @throws FailureError `bad-request`
 */
export function cgroupArgument(path: string): string {
  const refused = (why: string) =>
    fail('bad-request', `${quote(path)} is no cgroup path: ${why}`, 'as in /proc/PID/cgroup');
  if (path === '') throw refused('it is empty');
  if (path.length > 4096) throw refused('it is longer than 4096 characters');
  if (hasControls(path)) throw refused('it holds control characters');
  if (/[,;]/.test(path)) throw refused('perf takes `,` and `;` for separators');
  const relative = path.replace(/^\/sys\/fs\/cgroup(?:\/unified|\/perf_event)?(?=\/|$)/, '').replace(/^\/+|\/+$/g, '');
  if (relative.split('/').some((part) => part === '..' || part === '.')) throw refused('it holds `.` or `..`');
  if (relative.startsWith('-')) throw refused('it begins with a dash, as an option does');
  return relative === '' ? '/' : relative;
}

/** @throws FailureError `bad-request` unless `cpus` is a CPU list such as `0-3,8` */
export function checkCpus(cpus: string): void {
  const isList = cpus.length <= 4096 && /^\d{1,5}(?:-\d{1,5})?(?:,\d{1,5}(?:-\d{1,5})?)*$/.test(cpus);
  if (!isList) throw fail('bad-request', `${quote(cpus)} is no CPU list`, 'write it as 0-3,8');
}

/** Shown in messages: control characters escaped, cut to a readable length. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 120 ? `${text.slice(0, 120)}…` : text);
}

function hasControls(text: string): boolean {
  return /\p{Cc}/u.test(text);
}

function count(text: string, character: string): number {
  return text.split(character).length - 1;
}
