// Routes about jobs: asked for, run by the server, followed, ended, approved.
import { z } from 'zod';
import type { JobState } from '../../api.js';
import type { LocalApp } from '../../app.js';
import type { Audit } from '../../audit/audit.js';
import { audited } from '../../audit/audited-app.js';
import { orderSchema, toRequest } from '../../http-api/job-order.js';
import type { Route } from '../../http-api/routes.js';
import { teamOf } from '../../users/team.js';
import { type Endpoint, endpoint, held, json } from '../endpoint.js';
import type { JobRunner } from '../job-runner.js';
import type { QueueDispatch } from '../queue-dispatch.js';
import { hostFinder } from './host-endpoints.js';

type ResultRoute = Extract<
  Route,
  `${string}/profile` | `${string}/series` | `${string}/histograms` | `${string}/text` | `${string}/artifact`
>;
type JobRoute = Exclude<Extract<Route, `${string} /v1/jobs${string}`>, ResultRoute | 'GET /v1/jobs/:job/events'>;

const states = {
  ...{ 'awaiting-approval': true, queued: true, running: true, interrupted: true },
  ...{ succeeded: true, partial: true, failed: true, cancelled: true },
} satisfies Record<JobState, true>;
const isState = (text: string): text is JobState => Object.hasOwn(states, text);

/** Jobs with all their hosts are long: more than these are asked for in parts. */
const mostJobs = 1000;

/** An id, a beginning of one, or `last`. */
export const jobParameters = z.strictObject({ job: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/) });

const word = z.string().min(1).max(256);
/** Milliseconds since 1970 UTC. */
const moment = z.coerce.number().finite();
/** `key=value`, once or several times. */
const labelList = z.preprocess(
  (given) => (given === undefined || Array.isArray(given) ? given : [given]),
  z
    .array(z.string().regex(/^[^=]{1,64}=.{0,256}$/su, 'no key=value'))
    .max(32)
    .default([]),
);

export interface JobEndpointTools {
  readonly runner: JobRunner;
  readonly dispatch: Pick<QueueDispatch, 'look'>;
  /** Where is written down what goes past the app. */
  readonly audit: Audit;
  /** For jobs that other controllers run. */
  readonly requestStop: LocalApp['requestStop'];
  /** With what requests have made before. */
  readonly submit: LocalApp['submit'];
  readonly submitted: LocalApp['submitted'];
}

export function jobEndpoints(tools: JobEndpointTools): Record<JobRoute, Endpoint> {
  const { runner, dispatch, audit, requestStop, submit, submitted } = tools;
  return {
    'GET /v1/jobs': endpoint({
      summary: 'Jobs, the newest first.',
      query: z.strictObject({
        limit: z.coerce.number().int().min(1).max(mostJobs).default(20),
        state: z.string().refine(isState, 'no state of a job').exactOptional(),
        since: moment.exactOptional(),
        until: moment.exactOptional(),
        search: z.string().max(1000).exactOptional(),
        label: labelList,
        team: word.exactOptional(),
        requester: word.exactOptional(),
        schedule: word.exactOptional(),
        host: word.exactOptional(),
        before: jobParameters.shape.job.exactOptional(),
      }),
      answer: async ({ query: { label, ...filter } }, { app }) => {
        const labels = Object.fromEntries(label.map((text) => splitLabel(text)));
        return json({ jobs: await app.jobs(label.length === 0 ? filter : { ...filter, labels }) });
      },
    }),
    'POST /v1/jobs': endpoint({
      summary: 'Ask for a job: it waits for its turn and runs, unless a second person has to approve it first.',
      body: orderSchema,
      takesKey: true,
      answer: async ({ body }, { app, caller, who, repeatable }) => {
        const earlier = repeatable === undefined ? undefined : await submitted(repeatable);
        const order = () => ({ ...toRequest(body, who, hostFinder(app)), team: teamOf(caller, body.team) });
        const { id } = earlier ?? (await submit(order(), repeatable));
        await dispatch.look();
        return json({ job: await app.job(id) });
      },
    }),
    'GET /v1/jobs/:job': endpoint({
      summary: 'One job.',
      parameters: jobParameters,
      answer: async ({ parameters }, { app }) => json({ job: await app.job(parameters.job) }),
    }),
    'DELETE /v1/jobs/:job': endpoint({
      summary: 'Delete a job and its results.',
      parameters: jobParameters,
      answer: async ({ parameters }, { app }) => {
        const { id } = await app.job(parameters.job);
        return held(app.deleteJob(id).then(() => ({ removed: id })));
      },
    }),
    'GET /v1/jobs/:job/host-runs': endpoint({
      summary: 'How the job goes on each of its hosts.',
      parameters: jobParameters,
      answer: async ({ parameters }, { app }) => json({ runs: await app.hostRuns(parameters.job) }),
    }),
    'POST /v1/jobs/:job/run': endpoint({
      summary: 'Take up a job that lost its controller, or was approved; one that runs already just goes on.',
      parameters: jobParameters,
      answer: async ({ parameters }, { app }) => {
        const { id, state } = await app.job(parameters.job);
        if (state === 'queued') await dispatch.look();
        else await runner.start(id, (options) => app.resume(id, options));
        return json({ job: await app.job(id) });
      },
    }),
    'POST /v1/jobs/:job/stop': endpoint({
      summary: 'End a running job and keep what there is.',
      parameters: jobParameters,
      answer: async ({ parameters }, { app, actor, signal }) => {
        const job = await app.job(parameters.job);
        // There is nothing to keep yet.
        if (job.state === 'queued') return held(app.cancel(job.id, signal).then((ended) => ({ job: ended })));
        await audited(audit, { ...actor, what: 'stop-job', jobId: job.id }, async () => {
          if (!runner.stop(job)) await requestStop(job.id);
        });
        return json({ job });
      },
    }),
    'POST /v1/jobs/:job/cancel': endpoint({
      summary: 'End a job on all its hosts and discard what it has.',
      parameters: jobParameters,
      answer: async ({ parameters }, { app, signal }) => {
        const { id } = await app.job(parameters.job);
        return held(app.cancel(id, signal).then((job) => ({ job })));
      },
    }),
    'POST /v1/jobs/:job/trigger': endpoint({
      summary:
        'Have the watch of a running job capture now, on some of its hosts, or on all of them when none is named.',
      parameters: jobParameters,
      body: z.strictObject({ hosts: z.array(z.string().min(1).max(253)).max(100_000), reason: z.string().max(2048) }),
      takesKey: true,
      answer: async ({ parameters, body: { hosts, reason } }, { app, who, repeatable, signal }) => {
        const { id } = await app.job(parameters.job);
        // The key of another request is refused before the answer begins.
        if (repeatable !== undefined) await submitted(repeatable);
        const cause = { who, reason, ...(repeatable === undefined ? {} : { request: repeatable }) };
        return held(app.trigger(id, hosts, cause, signal).then((answers) => ({ answers })));
      },
    }),
    'GET /v1/jobs/:job/approval': endpoint({
      summary: 'What a second person has to read, and what he decided.',
      parameters: jobParameters,
      answer: async ({ parameters }, { app }) =>
        json({ approval: await app.approvals.get((await app.job(parameters.job)).id) }),
    }),
    'POST /v1/jobs/:job/approve': endpoint({
      summary: 'Let a job of somebody else run: exactly the request with this SHA-256.',
      parameters: jobParameters,
      body: z.strictObject({ requestSha256: z.string().max(128) }),
      answer: async ({ parameters, body }, { app, who }) => {
        const { id } = await app.job(parameters.job);
        await app.approvals.approve(id, who, body.requestSha256);
        await dispatch.look();
        return json({ job: await app.job(id) });
      },
    }),
    'POST /v1/jobs/:job/reject': endpoint({
      summary: 'Let a job that waits for approval never run.',
      parameters: jobParameters,
      body: z.strictObject({ reason: z.string().max(4096) }),
      answer: async ({ parameters, body }, { app, who }) => {
        const { id } = await app.job(parameters.job);
        await app.approvals.reject(id, who, body.reason);
        return json({ job: await app.job(id) });
      },
    }),
  };
}

function splitLabel(text: string): [string, string] {
  const at = text.indexOf('=');
  return [text.slice(0, at), text.slice(at + 1)];
}
