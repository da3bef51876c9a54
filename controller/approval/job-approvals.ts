// Approvals over the control store: a decision is written down once, then the job goes on or ends.
import { createHash } from 'node:crypto';
import type { Milliseconds } from '../../proto/capture.js';
import { type FailureError, fail } from '../../proto/failure.js';
import type { ApprovalStore } from '../store/approval-store.js';
import type { StoredJob } from '../store/control-store.js';
import { type Approval, type Approvals, type Decision, type ScriptToRead, scriptsToRead } from './approval.js';
import { requestHash } from './request-hash.js';

/** How long a job waits for its second person. */
const patience: Milliseconds = 24 * 3_600_000;

export interface ApprovalTools {
  readonly decisions: ApprovalStore;
  readonly now: () => number;
  readonly findJob: (id: string) => Promise<StoredJob>;
  /** End a job that waits no longer, as cancelled. */
  readonly cancelReleased: (id: string) => Promise<void>;
}

export function jobApprovals(tools: ApprovalTools): Approvals {
  const { decisions, now, findJob, cancelReleased } = tools;

  async function decide(job: StoredJob, decision: Decision): Promise<void> {
    // Of two at the same time one is written down.
    if (!(await decisions.decide(job.id, decision))) throw await waitsNoLonger(job.id);
    if (decision.kind !== 'approved') await cancelReleased(job.id);
  }

  async function waitsNoLonger(id: string): Promise<FailureError> {
    const decision = await decisions.decision(id);
    return decision === undefined ? neverWaited(id) : decidedAlready(id, decision);
  }

  async function waiting(jobId: string): Promise<StoredJob> {
    const job = await findJob(jobId);
    if (job.state === 'awaiting-approval') return job;
    throw await waitsNoLonger(job.id);
  }

  return {
    async get(jobId) {
      const job = await findJob(jobId);
      const decision = await decisions.decision(job.id);
      if (job.state !== 'awaiting-approval' && decision === undefined) throw neverWaited(job.id);
      return toApproval(job, decision);
    },

    async approve(jobId, who, requestSha256) {
      const job = await waiting(jobId);
      const { request } = job;
      if (who === request.requester) {
        throw fail('permission', `${who} asked for job ${job.id} and cannot approve it`, 'ask another operator');
      }
      if (requestHash(request) !== requestSha256) {
        throw fail(
          'conflict',
          `job ${job.id} is not the request ${requestSha256.slice(0, 80)}: its SHA-256 is ${requestHash(request)}`,
          `read it again: perftrawl jobs approve ${job.id}`,
        );
      }
      if (job.created + patience <= now()) {
        await decide(job, { ...decisionOf(job, 'expired', '', now()), reason: 'nobody approved it in time' });
        const when = new Date(job.created + patience).toISOString();
        throw fail('deadline', `job ${job.id} could be approved until ${when}`, 'ask for it again');
      }
      await decide(job, decisionOf(job, 'approved', who, now()));
    },

    async reject(jobId, who, reason) {
      const job = await waiting(jobId);
      await decide(job, { ...decisionOf(job, 'rejected', who, now()), reason });
    },
  };
}

function decisionOf(job: StoredJob, kind: Decision['kind'], who: string, decided: number): Decision {
  return { kind, who, reason: '', requestSha256: requestHash(job.request), decided };
}

function toApproval(job: StoredJob, decision: Decision | undefined): Approval {
  const { request } = job;
  const scripts = scriptsToRead(request.spec, 'stap').map(({ script, command = [] }): ScriptToRead => {
    if (script.from === 'catalogue') {
      const given = Object.entries(script.parameters).map(([name, value]) => `${name}=${value}`);
      return { name: script.name, text: '', sha256: '', arguments: given, isGuru: false, command };
    }
    const { name, text, isGuru } = script;
    const sha256 = createHash('sha256').update(text).digest('hex');
    return { name, text, sha256, arguments: script.arguments, isGuru, command };
  });
  return {
    ...{ jobId: job.id, requester: request.requester, requestSha256: requestHash(request), scripts, decision },
    ...{ hosts: request.hosts.map(({ name }) => name), expires: job.created + patience },
  };
}

function neverWaited(id: string) {
  return fail('conflict', `job ${id} waits for nobody's approval`, `\`perftrawl jobs show ${id}\` says how it is`);
}

function decidedAlready(id: string, { kind, who }: Decision) {
  const by = who === '' ? '' : ` by ${who}`;
  return fail(
    'conflict',
    `job ${id} was decided on: it was ${kind}${by}`,
    `\`perftrawl jobs show ${id}\` says how it is`,
  );
}
