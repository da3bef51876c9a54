// What a capture is asked to do, in one line.
import type { CaptureSpec, KitPart, Milliseconds, StapSpec, Target } from '../../../proto/capture.js';
import { durationText } from './time-text.js';

/** `record page-faults, comm postgres, 30.0 s`. */
export function describeSpec(spec: CaptureSpec): string {
  if (spec.kind === 'file') return `file ${spec.path}`;
  const what = spec.kind === 'kit' ? `kit of ${spec.parts.map(describePart).join(' + ')}` : describePart(spec);
  return `${what}, ${describeTarget(spec.target)}, ${durationText(spec.duration)}`;
}

/** `record page-faults`, `stap pagefault-latency by=comm every 10.0 s`. */
function describePart(spec: KitPart): string {
  if (spec.kind === 'stap') return `stap ${describeScript(spec)}${describeInterval(spec.interval)}`;
  return `${spec.kind} ${spec.events.map((event) => event.name).join(',')}`;
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
