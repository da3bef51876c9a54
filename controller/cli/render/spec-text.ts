// What a capture is asked to do, in one line.
import type { CaptureSpec, KitPart, Milliseconds, StapSpec, Target, WatchSpec } from '../../../proto/capture.js';
import { conditionText } from '../../../proto/watch-condition.js';
import { durationText } from './time-text.js';

/** `record page-faults, comm postgres, 30.0 s`. */
export function describeSpec(spec: CaptureSpec): string {
  if (spec.kind === 'file') return `file ${spec.path}`;
  if (spec.kind === 'watch')
    return `${describeWatch(spec)}, ${describeTarget(spec.target)}, ${durationText(spec.duration)}`;
  const what = spec.kind === 'kit' ? `kit of ${spec.parts.map(describePart).join(' + ')}` : describePart(spec);
  return `${what}, ${describeTarget(spec.target)}, ${durationText(spec.duration)}`;
}

/** `record page-faults`, `stap pagefault-latency by=comm every 10.0 s`. */
function describePart(spec: KitPart): string {
  if (spec.kind === 'stap') return `stap ${describeScript(spec)}${describeInterval(spec.interval)}`;
  return `${spec.kind} ${spec.events.map((event) => event.name).join(',')}`;
}

/** `watch for page-faults/s > 5000 for 3 intervals of 1.0 s, record page-faults for 30.0 s`. */
function describeWatch({ conditions, holds, interval, record, lookBack }: WatchSpec): string {
  const when = conditions.map(conditionText).join(' or ');
  const held = `${when} for ${holds === 1 ? 'an interval' : `${holds} intervals`} of ${durationText(interval)}`;
  const before = lookBack === 0 ? '' : ` and the ${durationText(lookBack)} before`;
  const what = record.events.map(({ name }) => name).join(',');
  return `watch for ${when === '' ? 'whoever triggers it' : held}, record ${what} for ${durationText(record.duration)}${before}`;
}

function describeScript({ script, command }: StapSpec): string {
  const given =
    script.from === 'catalogue'
      ? Object.entries(script.parameters).map(([name, value]) => `${name}=${value}`)
      : script.arguments;
  return [script.name, ...given, ...(command === undefined ? [] : ['--', ...command])].join(' ');
}

function describeInterval(interval: Milliseconds): string {
  return interval === 0 ? '' : ` every ${durationText(interval)}`;
}

function describeTarget(target: Target): string {
  switch (target.kind) {
    case 'system':
      return target.cpus === undefined ? 'whole system' : `CPUs ${target.cpus}`;
    case 'pids':
      return `pids ${target.pids.join(',')}`;
    case 'tids':
      return `threads ${target.tids.join(',')}`;
    case 'cgroup':
      return `cgroup ${target.path}`;
    case 'processes': {
      const { comms, cmdline, unit, container } = target.selector;
      const parts = [
        ...(comms ?? []).map((comm) => `comm ${comm}`),
        ...(cmdline === undefined ? [] : [`cmdline ${cmdline}`]),
        ...(unit === undefined ? [] : [`unit ${unit}`]),
        ...(container === undefined ? [] : [`container ${container}`]),
      ];
      return parts.join(', ');
    }
  }
}
