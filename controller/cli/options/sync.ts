// Whether the hosts of a job begin at one moment.
import { Option } from '@commander-js/extra-typings';
import type { CaptureSpec, Milliseconds } from '../../../proto/capture.js';
import type { Host, JobRequest } from '../../api.js';
import { LONGEST_LEAD } from '../../jobs/agreed-start.js';
import { partsOf } from '../../jobs/capture-gives.js';
import { UsageError } from '../usage-error.js';
import { parseDuration } from './duration.js';

/** As commander hands them over. */
export interface SyncFlags {
  readonly sync?: boolean | undefined;
  readonly syncLead?: string | undefined;
}

export interface SyncOptions {
  /** Absent: as long as the capture needs to be prepared. */
  readonly lead?: Milliseconds;
}

/** Options of every command that starts a job. */
export const SYNC_OPTIONS = {
  sync: new Option('--sync', 'begin at one moment on all hosts (of a wave), by their measured clocks'),
  syncLead: new Option(
    '--sync-lead <duration>',
    'with --sync: how long hosts may prepare, at most 10m (default: 3s; 60s where each compiles a script by itself)',
  ),
};

const LEAD: Milliseconds = 3_000;
const LEAD_WITH_COMPILER: Milliseconds = 60_000;

/** @throws UsageError */
export function parseSync({ sync, syncLead }: SyncFlags): { readonly sync?: SyncOptions } {
  if (syncLead === undefined) return sync === true ? { sync: {} } : {};
  if (sync !== true) throw new UsageError('--sync-lead is about a common start: give --sync, too');
  const lead = parseDuration('--sync-lead', syncLead);
  if (lead > LONGEST_LEAD) throw new UsageError('--sync-lead: hosts wait for 10m at most');
  return { sync: { lead } };
}

/** For the request of a job. */
export function syncOf(
  sync: SyncOptions | undefined,
  spec: CaptureSpec,
  buildHost: Host | undefined,
): Pick<JobRequest, 'sync'> {
  if (sync === undefined) return {};
  const isCompiledThere = buildHost === undefined && partsOf(spec).some((part) => part.kind === 'stap');
  return { sync: { lead: sync.lead ?? (isCompiledThere ? LEAD_WITH_COMPILER : LEAD) } };
}
