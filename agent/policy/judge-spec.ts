// What a policy has against a capture, by its request alone. All rules that refuse, not only the first.
import type { CaptureSpec, KitPart, KitSpec, RecordSpec, StapSpec, StatSpec, WatchSpec } from '../../proto/capture.js';
import { FailureError } from '../../proto/failure.js';
import { matchesGlob } from '../../proto/glob.js';
import { countersOf, recordingOf } from '../../proto/watch-parts.js';
import { quote } from '../perf/event-name.js';
import { eventRefusals } from './judge-events.js';
import { checkStapPolicy, type Policy } from './policy.js';
import { listText, type Refused, ruleRefusal } from './refusal.js';

/** Of a kit: what is against all of it, or against every single part. A part that may not run is left out of a kit that may. */
export function specRefusals(policy: Policy, spec: CaptureSpec): FailureError[] {
  if (spec.kind === 'watch') return watchRefusals(policy, spec);
  if (spec.kind !== 'kit') return partRefusals(policy, spec);
  const parts = spec.parts.map((part) => partRefusals(policy, part));
  return parts.every((refusals) => refusals.length > 0) ? unique(parts.flat()) : durationRefusals(policy, spec);
}

/** A watch is allowed where what it counts is, for as long as it lasts, and what each firing records. */
function watchRefusals(policy: Policy, spec: WatchSpec): FailureError[] {
  const counters = countersOf(spec);
  const recording = recordingOf(spec);
  // What looks back records all the time.
  const recorded = { ...recording, duration: spec.lookBack === 0 ? recording.duration : spec.duration };
  return unique([...(counters === undefined ? [] : partRefusals(policy, counters)), ...partRefusals(policy, recorded)]);
}

export function partRefusals(policy: Policy, spec: Exclude<CaptureSpec, KitSpec | WatchSpec>): FailureError[] {
  const { kinds } = policy.rules;
  const refusals: FailureError[] = [];
  if (!kinds.includes(spec.kind)) {
    const asked = `captures of kind ${spec.kind}`;
    const line = `add ${spec.kind} to the list kinds`;
    refusals.push(ruleRefusal(policy, { rule: 'kinds', asked, allowed: kinds.join(', ') || 'none', line }));
  }
  switch (spec.kind) {
    case 'file':
      // Its path is judged by what it is once it is open: see permitted-file.ts.
      return refusals;
    case 'record':
      return [...refusals, ...durationRefusals(policy, spec), ...recordRefusals(policy, spec)];
    case 'stat':
      return [
        ...refusals,
        ...durationRefusals(policy, spec),
        ...intervalRefusals(policy, spec),
        ...eventRefusals(policy, spec.events),
      ];
    case 'stap':
      return [
        ...refusals,
        ...durationRefusals(policy, spec),
        ...(spec.interval === 0 ? [] : intervalRefusals(policy, spec)),
        ...(spec.keepRaw ? keepRawRefusals(policy) : []),
        ...stapRefusals(policy, spec),
      ];
  }
}

/** @param requester as the controller tells it */
export function requesterRefusals(policy: Policy, requester: string): FailureError[] {
  const { mayAsk } = policy.rules;
  if (mayAsk.some((pattern) => matchesGlob(pattern, requester))) return [];
  const line = `add ${JSON.stringify(requester.slice(0, 120))} to the list may-ask`;
  const asked = `requests of ${quote(requester)}`;
  return [ruleRefusal(policy, { rule: 'may-ask', asked, allowed: listText(mayAsk), line })];
}

function recordRefusals(policy: Policy, spec: RecordSpec): FailureError[] {
  const { highestFrequency, callGraphs, dwarfStackBytes } = policy.rules;
  const refused: Refused[] = [];
  const { rate, callGraph } = spec;
  if (rate !== undefined && 'frequency' in rate && rate.frequency > highestFrequency) {
    const asked = `${rate.frequency} samples per second`;
    const line = `highest-frequency: ${rate.frequency}`;
    refused.push({ rule: 'highest-frequency', asked, allowed: `${highestFrequency}`, line });
  }
  if (!callGraphs.includes(callGraph.mode)) {
    const asked = `call graphs of mode ${callGraph.mode}`;
    const line = `add ${callGraph.mode} to the list call-graphs`;
    refused.push({ rule: 'call-graphs', asked, allowed: callGraphs.join(', ') || 'none', line });
  }
  if (callGraph.mode === 'dwarf' && callGraph.stackBytes > dwarfStackBytes) {
    const asked = `copies of ${callGraph.stackBytes} bytes of stack`;
    const line = `dwarf-stack-bytes: ${callGraph.stackBytes}`;
    refused.push({ rule: 'dwarf-stack-bytes', asked, allowed: `${dwarfStackBytes}`, line });
  }
  return [
    ...refused.map((one) => ruleRefusal(policy, one)),
    ...(spec.keepRaw ? keepRawRefusals(policy) : []),
    ...eventRefusals(policy, spec.events),
  ];
}

function durationRefusals(policy: Policy, { duration }: KitPart | KitSpec): FailureError[] {
  const { longestDuration } = policy.rules;
  if (duration <= longestDuration) return [];
  const [asked, line] = [`a capture of ${duration / 1000} s`, `longest-duration: ${Math.ceil(duration / 1000)}s`];
  return [ruleRefusal(policy, { rule: 'longest-duration', asked, allowed: `${longestDuration / 1000} s`, line })];
}

function intervalRefusals(policy: Policy, { interval }: StatSpec | StapSpec): FailureError[] {
  const { shortestInterval } = policy.rules;
  if (interval >= shortestInterval) return [];
  const [asked, line] = [`an interval of ${interval} ms`, `shortest-interval: ${Math.floor(interval)}ms`];
  return [ruleRefusal(policy, { rule: 'shortest-interval', asked, allowed: `${shortestInterval} ms`, line })];
}

function keepRawRefusals(policy: Policy): FailureError[] {
  if (policy.rules.keepRaw === 'allow') return [];
  const asked = 'keeping the raw recording';
  return [ruleRefusal(policy, { rule: 'keep-raw', asked, allowed: 'results only', line: 'keep-raw: allow' })];
}

function stapRefusals(policy: Policy, spec: StapSpec): FailureError[] {
  try {
    checkStapPolicy(policy, spec);
    return [];
  } catch (error) {
    if (error instanceof FailureError) return [error];
    throw error;
  }
}

function unique(refusals: readonly FailureError[]): FailureError[] {
  return [...new Map(refusals.map((refusal) => [refusal.failure.message, refusal])).values()];
}
