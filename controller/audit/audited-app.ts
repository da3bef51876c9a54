// An app that writes down who asks for what before it does it. Jobs themselves, and how they end, are written down by the store.
import { auditedSpec } from '../../proto/audited-spec.js';
import { type Failure, FailureError, toFailure } from '../../proto/failure.js';
import type { Answer, App, RemovedFile } from '../api.js';
import type { ScheduleDefinition } from '../schedule/schedule.js';
import { StoreAway } from '../store/store-away.js';
import type { Audit } from './audit.js';
import type { AuditEntry } from './audit-entry.js';

/** Who acts, and how that is known. */
export type Actor = Pick<AuditEntry, 'who' | 'by' | 'from'>;

/** The same app as used by `actor`. What cannot be written down is not done. */
export function auditedApp<T extends App>(app: T, audit: Audit, actor: Actor): T {
  const act = <R>(entry: Omit<AuditEntry, keyof Actor>, work: () => Promise<R>): Promise<R> =>
    audited(audit, { ...actor, ...entry }, work);
  const users: T['users'] = {
    ...app.users,
    add: (request) => {
      const { name, role, team, ttl, withToken } = request;
      const detail = {
        role,
        ...(team === undefined ? {} : { team }),
        withToken,
        ...(ttl === undefined ? {} : { ttl }),
      };
      return act({ what: 'add-user', subject: name.slice(0, 80), detail }, () => app.users.add(request));
    },
    revoke: (name) => act({ what: 'revoke-user', subject: name.slice(0, 80) }, () => app.users.revoke(name)),
  };
  const teams: App['teams'] = {
    ...app.teams,
    set: (team) =>
      act({ what: 'set-team', subject: team.name.slice(0, 80), detail: { ...team } }, () => app.teams.set(team)),
    reset: (name) => act({ what: 'reset-team', subject: name.slice(0, 80) }, () => app.teams.reset(name)),
  };
  const schedules: App['schedules'] = {
    ...app.schedules,
    add: (definition, requester) =>
      act({ what: 'add-schedule', subject: definition.name.slice(0, 80), ...scheduleDetail(definition) }, () =>
        app.schedules.add(definition, requester),
      ),
    remove: (name) => act({ what: 'remove-schedule', subject: name.slice(0, 80) }, () => app.schedules.remove(name)),
    pause: (name) => act({ what: 'pause-schedule', subject: name.slice(0, 80) }, () => app.schedules.pause(name)),
    resume: (name) => act({ what: 'resume-schedule', subject: name.slice(0, 80) }, () => app.schedules.resume(name)),
    runNow: (name, requester, repeatable) =>
      act({ what: 'run-schedule', subject: name.slice(0, 80) }, () =>
        app.schedules.runNow(name, requester, repeatable),
      ),
  };
  const approvals: App['approvals'] = {
    get: (jobId) => app.approvals.get(jobId),
    approve: async (id, who, requestSha256) => {
      const jobId = (await app.job(id)).id;
      const detail = { requestSha256: requestSha256.slice(0, 80) };
      return act({ what: 'approve-job', jobId, detail }, () => app.approvals.approve(jobId, who, requestSha256));
    },
    reject: async (id, who, reason) => {
      const jobId = (await app.job(id)).id;
      const detail = { reason: reason.slice(0, 2048) };
      return act({ what: 'reject-job', jobId, detail }, () => app.approvals.reject(jobId, who, reason));
    },
  };
  const identities: App['identities'] = {
    ...app.identities,
    createToken: (request) =>
      act({ what: 'make-enroll-token', detail: { ...request } }, () => app.identities.createToken(request)),
    revokeToken: (id) =>
      act({ what: 'revoke-enroll-token', subject: id.slice(0, 80) }, () => app.identities.revokeToken(id)),
    revoke: (which) =>
      act({ what: 'revoke-certificate', subject: which.slice(0, 100) }, () => app.identities.revoke(which)),
    forgetHost: (name) =>
      act({ what: 'forget-host', hosts: [name.slice(0, 80)] }, () => app.identities.forgetHost(name)),
  };
  return {
    ...app,
    users,
    schedules,
    teams,
    approvals,
    identities,
    async resume(id, options) {
      const jobId = (await app.job(id)).id;
      return act({ what: 'resume-job', jobId }, () => app.resume(jobId, options));
    },
    async cancel(id, signal) {
      const jobId = (await app.job(id)).id;
      return act({ what: 'cancel-job', jobId }, () => app.cancel(jobId, signal));
    },
    async trigger(id, hosts, cause, signal) {
      const jobId = (await app.job(id)).id;
      const detail = { for: cause.who.slice(0, 256), reason: cause.reason.slice(0, 2048) };
      const names = hosts.map((name) => name.slice(0, 80));
      return act({ what: 'trigger-job', jobId, hosts: names, detail }, () => app.trigger(jobId, hosts, cause, signal));
    },
    async deleteJob(id) {
      const jobId = (await app.job(id)).id;
      return act({ what: 'delete-job', jobId }, () => app.deleteJob(jobId));
    },
    async cleanHosts(hosts, isForced, signal) {
      const entry = { what: 'clean-hosts', hosts: hosts.map(({ name }) => name), detail: { isForced } } as const;
      const answers = await act(entry, () => app.cleanHosts(hosts, isForced, signal));
      await audit.append({ ...actor, ...cleaned(answers) });
      return answers;
    },
  };
}

/** Write down what is asked for, do it, and write down when it fails. */
export async function audited<R>(audit: Audit, entry: AuditEntry, work: () => Promise<R>): Promise<R> {
  await audit.append(entry);
  try {
    return await work();
  } catch (error) {
    const failure = toFailure(error);
    try {
      await audit.append({ ...entry, failure });
    } catch (unwritten) {
      const both = withUnwritten(failure, unwritten);
      throw error instanceof StoreAway ? new StoreAway(both, error) : new FailureError(both, { cause: error });
    }
    throw error;
  }
}

function scheduleDetail({ timing, timeZone, windows, blackouts, job }: ScheduleDefinition): Pick<AuditEntry, 'detail'> {
  const { selectorText, spec } = job;
  return { detail: { timing, timeZone, windows, blackouts, selectorText, spec: auditedSpec(spec) } };
}

function withUnwritten(failure: Failure, unwritten: unknown): Failure {
  return { ...failure, message: `${failure.message}; nor could that be written down: ${toFailure(unwritten).message}` };
}

function cleaned(answers: readonly Answer<readonly RemovedFile[]>[]): Pick<AuditEntry, 'what' | 'hosts' | 'detail'> {
  const failed = answers.flatMap((answer) => (answer.ok ? [] : [[answer.host.name, answer.failure.code]]));
  return {
    what: 'hosts-cleaned',
    hosts: answers.flatMap((answer) => (answer.ok ? [answer.host.name] : [])),
    ...(failed.length === 0 ? {} : { detail: { failed: Object.fromEntries(failed) } }),
  };
}
