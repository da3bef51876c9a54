// What the audit log holds of jobs and their host runs. The store writes it in one transaction with what it is about.
import { auditedSpec } from '../../proto/audited-spec.js';
import type { HostRun, JobRequest, JobState } from '../api.js';
import { requestHash } from '../approval/request-hash.js';
import type { AuditEntry } from './audit-entry.js';

/** Command lines of a host run in an entry: their number, and characters of each. */
const mostLines = 32;
const mostText = 2048;

export function jobSubmitted(job: {
  readonly id: string;
  readonly request: JobRequest;
  readonly state: JobState;
}): AuditEntry {
  const { spec, hosts, requester, selectorText, maxParallel, note, rollout, sample, buildHost, firing, merged } =
    job.request;
  const what = merged === undefined ? 'submit-job' : 'merge-jobs';
  return {
    ...{ who: requester, what, jobId: job.id, hosts: hosts.map(({ name }) => name) },
    detail: {
      ...{ spec: auditedSpec(spec), requestSha256: requestHash(job.request), selectorText, maxParallel },
      ...(merged === undefined ? {} : { merged: { ...merged, jobs: merged.jobs.length } }),
      ...(note === '' ? {} : { note: note.slice(0, mostText) }),
      ...(rollout === undefined ? {} : { rollout }),
      ...(sample === undefined ? {} : { sample: { ...sample, left: sample.left.length } }),
      ...(buildHost === undefined ? {} : { buildHost: buildHost.name }),
      ...(firing === undefined ? {} : { firing }),
      ...(job.state === 'awaiting-approval' ? { awaitsApproval: true } : {}),
    },
  };
}

export function hostRunEnded(run: HostRun, requester: string): AuditEntry {
  const { jobId, host, captureId, state, failure, cost, commandLines, started } = run;
  return {
    ...{ who: requester, what: 'host-run-ended', jobId, hosts: [host] },
    detail: {
      ...{ captureId, state, started },
      ...(cost === undefined ? {} : { cost }),
      commandLines: commandLines.slice(0, mostLines).map((line) => line.slice(0, mostText)),
    },
    ...(failure === undefined ? {} : { failure }),
  };
}

export function jobEnded(jobId: string, requester: string, state: JobState): AuditEntry {
  return { who: requester, what: 'job-ended', jobId, detail: { state } };
}
