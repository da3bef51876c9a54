// What is missing from a job that was pulled, and why: an incomplete result is marked as one.
import type { Loss, LossKind } from '../../profile/loss.js';
import type { Failure } from '../../proto/failure.js';
import type { HostRun, Job } from '../api.js';
import type { ManifestPart, Missing } from './manifest.js';

/** Whether something that was to be observed is not in the result; the others only tell less about what is. */
const TAKES_AWAY: Readonly<Record<LossKind, boolean>> = {
  'lost-events': true,
  'lost-samples': true,
  throttled: true,
  'truncated-stacks': false,
  'unsymbolized-frames': false,
  'frames-without-lines': false,
  'skipped-records': false,
  'skipped-samples': true,
  'unreadable-bytes': true,
  'truncated-input': true,
  'skipped-lines': false,
  'skipped-probes': true,
  'damaged-histograms': true,
  'dropped-lines': true,
  'missing-parts': true,
  'not-counted': true,
  'not-supported': true,
  'out-of-budget': true,
  'refused-processes': true,
  'missing-hosts': true,
};

export function missingOf(job: Job, runs: readonly HostRun[], parts: readonly ManifestPart[]): Missing[] {
  return [
    ...(job.ended === 0 ? [unended(job)] : []),
    ...runs.flatMap(ofRun),
    ...parts.flatMap(({ host, format, name, failure }) =>
      failure === undefined ? [] : [missing(host, name === '' ? format : name, failure)],
    ),
  ];
}

function unended({ id, state }: Job): Missing {
  const message = `job ${id} has not ended: it is ${state}`;
  const remedy =
    state === 'interrupted' ? `perftrawl jobs resume ${id}, then pull it again` : 'pull it again when it has ended';
  return { host: null, what: 'job', code: 'conflict', message, remedy };
}

function ofRun(run: HostRun): Missing[] {
  const { host, state, failure, losses, cost, parts } = run;
  if (failure !== undefined) return [missing(host, 'result', failure)];
  // That a job which has not ended lacks it is said once, for the whole job.
  if (state !== 'succeeded') return [];
  const over = cost?.budget?.overBudget ?? '';
  return [
    ...parts.flatMap((part) => (part.failure === undefined ? [] : [missing(host, `part ${part.part}`, part.failure)])),
    ...losses.filter(({ kind, count }) => count > 0 && takesAway(kind)).map((loss) => ofLoss(host, loss)),
    ...(over === '' ? [] : [missing(host, 'time', { code: 'exhausted', message: `over budget: ${over}`, remedy: '' })]),
  ];
}

/** A kind of a later version is taken for the worse. */
function takesAway(kind: LossKind): boolean {
  return !Object.hasOwn(TAKES_AWAY, kind) || TAKES_AWAY[kind];
}

function ofLoss(host: string, { kind, count, detail }: Loss): Missing {
  return {
    host,
    what: 'loss',
    code: kind,
    message: `${count} ${kind}${detail === '' ? '' : `: ${detail}`}`,
    remedy: '',
  };
}

function missing(host: string | null, what: string, { code, message, remedy }: ManifestFailure): Missing {
  return { host, what, code, message, remedy };
}

type ManifestFailure = Pick<Failure, 'message' | 'remedy'> & { readonly code: string };
