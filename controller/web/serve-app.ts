// A server of an app: endpoints, the jobs it runs, the HTTP server around them.
import type { X509Certificate } from 'node:crypto';
import { nameOf, roleOf } from '../../proto/certificate-role.js';
import { type Failure, toFailure } from '../../proto/failure.js';
import type { LocalApp } from '../app.js';
import type { Clock } from '../clock.js';
import type { Route } from '../http-api/routes.js';
import type { Endpoint } from './endpoint.js';
import { alertEndpoint } from './endpoints/alert-endpoint.js';
import { auditEndpoints } from './endpoints/audit-endpoints.js';
import { eventEndpoint } from './endpoints/event-endpoint.js';
import { hostEndpoints } from './endpoints/host-endpoints.js';
import { identityEndpoints } from './endpoints/identity-endpoints.js';
import { jobEndpoints } from './endpoints/job-endpoints.js';
import { metricsEndpoint } from './endpoints/metrics-endpoint.js';
import { questionEndpoints } from './endpoints/question-endpoints.js';
import { resultEndpoints } from './endpoints/result-endpoints.js';
import { scheduleEndpoints } from './endpoints/schedule-endpoints.js';
import { userEndpoints } from './endpoints/user-endpoints.js';
import { type HttpServer, type HttpServerOptions, openHttpServer } from './http-server.js';
import { JobRunner } from './job-runner.js';
import { openMetrics } from './metrics.js';
import { describeApi } from './openapi.js';
import { takeOverOrphans } from './orphaned-jobs.js';
import { QueueDispatch } from './queue-dispatch.js';
import { runRetention } from './retention-runner.js';
import { runSchedules } from './schedule-runner.js';
import type { ServerLog } from './server-log.js';

export interface ServeOptions {
  /** Stays open when the server is closed: whoever opened it closes it. */
  readonly app: LocalApp;
  readonly identity: HttpServerOptions['identity'];
  readonly listen: HttpServerOptions['listen'];
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: ServerLog;
  /** Most jobs that it runs at a time. */
  readonly mostJobs: number;
  /** See HttpServerOptions. */
  readonly name: string;
  readonly version: string;
}

/** Jobs that an earlier server left are taken up first. @throws FailureError as openHttpServer */
export async function serveApp(options: ServeOptions): Promise<HttpServer> {
  const { app, identity, listen, clock, random, log, name, version, mostJobs } = options;
  const { dialIn } = app;
  const metrics = openMetrics({
    ...{ version, queue: () => app.queue(), running: () => runner.size },
    agents: dialIn === undefined ? undefined : () => dialIn.connected().length,
  });
  const runner: JobRunner = new JobRunner({ app, log, mostJobs, random, onEvent: metrics.onJobEvent });
  const dispatch = new QueueDispatch({ app, runner, clock, log });
  const endpoints: Record<Route, Endpoint> = {
    ...describeApi(version, () => endpoints),
    ...metricsEndpoint(metrics),
    ...hostEndpoints(),
    ...jobEndpoints({
      ...{ runner, dispatch, audit: app.audit, requestStop: app.requestStop },
      ...{ submit: app.submit, submitted: app.submitted },
    }),
    ...eventEndpoint(app, runner, clock),
    ...resultEndpoints(),
    ...questionEndpoints(clock),
    ...auditEndpoints(),
    ...userEndpoints(),
    ...scheduleEndpoints(dispatch),
    ...alertEndpoint({ answerAlerts: (alerts) => app.answerAlerts(alerts), dispatch, audit: app.audit }),
    ...identityEndpoints(),
  };
  await runner.resumeInterrupted();
  try {
    const server = await openHttpServer({
      ...{ identity, listen, endpoints, clock, log, name, authenticator: app.users, onAnswer: metrics.onRequest },
      userOf: async (certificate) => (await app.revocations.check(certificate)) ?? userOf(certificate, clock.now()),
      appFor: (actor) => app.actingFor(actor),
      health: () => app.health(),
      async onRefusal({ what, failure, ...actor }) {
        log({ level: 'warning', event: 'refused', who: actor.who, from: actor.from, what, failure });
        try {
          await app.audit.append({ ...actor, what: 'refused', detail: { route: what }, failure });
        } catch (error) {
          // Nothing was done, and nothing is: the refusal stands.
          log({ level: 'error', event: 'unaudited', who: actor.who, what, failure: toFailure(error) });
        }
      },
    });
    const { address } = server;
    const stop = new AbortController();
    const starting = dispatch.run(stop.signal);
    const takingOver = takeOverOrphans({ app, runner, clock, log }, stop.signal);
    const scheduling = runSchedules({ app, dispatch, clock, log, onDecided: metrics.onSchedulesDecided }, stop.signal);
    const keeping = runRetention({ app, clock, log }, stop.signal);
    log({ level: 'info', event: 'listening', host: address.host, port: address.port });
    return {
      address,
      async close() {
        stop.abort();
        await Promise.all([server.close(), runner.close(), starting, takingOver, scheduling, keeping]);
        log({ level: 'info', event: 'stopped' });
      },
    };
  } catch (error) {
    await runner.close();
    throw error;
  }
}

function userOf(certificate: X509Certificate, now: number): string | Failure {
  // Of a connection that stays open TLS has looked at it once, at the beginning.
  if (Date.parse(certificate.validTo) <= now) {
    const message = `this certificate was good until ${certificate.validTo}`;
    return { code: 'untrusted', message, remedy: 'perftrawl ca issue NAME --role user' };
  }
  const role = roleOf(certificate);
  const name = nameOf(certificate);
  if (role === 'user' && name !== undefined) return name;
  const message = `this certificate is for ${role === undefined ? 'nothing that is known here' : `the role ${role}`}, not for a user`;
  return { code: 'untrusted', message, remedy: 'perftrawl ca issue NAME --role user' };
}
