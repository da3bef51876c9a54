// Refuses a spec that could never become a command line, before anything is written down.
import type { CaptureSpec, Target } from '../../proto/capture.js';
import { checkSelector } from '../host/processes.js';
import { recordArguments } from '../perf/record-args.js';
import { statArguments } from '../perf/stat-args.js';
import type { ResolvedTarget } from '../perf/target-args.js';

/** @throws FailureError `bad-request` */
export function checkSpec(spec: CaptureSpec): void {
  switch (spec.kind) {
    case 'record':
      recordArguments(spec, anyOf(spec.target), '-', { perf: 'perf', isRoot: false, cpuCount: 1 });
      return;
    case 'stat':
      statArguments(spec, anyOf(spec.target), 'perf');
      return;
    case 'file':
      return;
  }
}

function anyOf(target: Target): ResolvedTarget {
  if (target.kind !== 'processes') return target;
  checkSelector(target.selector);
  return { kind: 'pids', pids: [1] };
}
