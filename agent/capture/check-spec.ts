// Refuses a spec that could never become a command line, before anything is written down.
import { isDeepStrictEqual } from 'node:util';
import type { CaptureSpec, KitSpec, Target, WatchSpec } from '../../proto/capture.js';
import { fail } from '../../proto/failure.js';
import { countersOf, recordingOf } from '../../proto/watch-parts.js';
import { checkSelector } from '../host/processes.js';
import { recordArguments } from '../perf/record-args.js';
import { statArguments } from '../perf/stat-args.js';
import type { ResolvedTarget } from '../perf/target-args.js';
import { checkStapSpec, checkStapTarget } from '../stap/stap-script.js';
import { checkWatchRule } from '../watch/check-watch.js';

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
    case 'stap':
      checkStapTarget(spec);
      anyOf(spec.target);
      checkStapSpec(spec);
      return;
    case 'kit':
      checkKit(spec);
      return;
    case 'watch':
      checkWatch(spec);
      return;
  }
}

function checkKit({ parts, target, duration }: KitSpec): void {
  if (parts.length === 0) throw fail('bad-request', 'the kit has no parts', 'give it at least one');
  if (new Set(parts.map((part) => part.kind)).size < parts.length) {
    throw fail('bad-request', 'the kit has two parts of one kind', 'run them one after the other');
  }
  anyOf(target);
  for (const part of parts) {
    if (part.duration !== duration || !isDeepStrictEqual(part.target, target)) {
      throw fail('bad-request', `the ${part.kind} part of the kit has another target or duration than the kit`);
    }
    // A target that only SystemTap cannot have is no reason against the other parts.
    if (part.kind === 'stap') checkStapSpec(part);
    else checkSpec(part);
  }
}

function checkWatch(spec: WatchSpec): void {
  checkWatchRule(spec);
  const counters = countersOf(spec);
  if (counters !== undefined) checkSpec(counters);
  checkSpec(recordingOf(spec));
}

function anyOf(target: Target): ResolvedTarget {
  if (target.kind !== 'processes') return target;
  checkSelector(target.selector);
  return { kind: 'pids', pids: [1] };
}
