// The route by which a running job is followed.
import { z } from 'zod';
import { FailureError, fail } from '../../../proto/failure.js';
import type { LocalApp } from '../../app.js';
import type { Clock } from '../../clock.js';
import { type Endpoint, endpoint } from '../endpoint.js';
import { followJob } from '../job-events.js';
import type { JobRunner } from '../job-runner.js';
import { jobParameters } from './job-endpoints.js';

const mostFollowers = 500;

export function eventEndpoint(
  app: LocalApp,
  runner: JobRunner,
  clock: Clock,
): Record<'GET /v1/jobs/:job/events', Endpoint> {
  let followers = 0;

  async function* counted(events: AsyncIterable<string>): AsyncGenerator<string> {
    followers++;
    try {
      yield* events;
    } finally {
      followers--;
    }
  }

  return {
    'GET /v1/jobs/:job/events': endpoint({
      summary: 'Server-sent events of a job until it ends: host-run, capture, wave, job, failure.',
      parameters: jobParameters,
      /** `start`: all that the server still has of a job that it runs; default: the state as it is now. */
      query: z.strictObject({ from: z.enum(['start', 'now']).default('now') }),
      answer: async ({ parameters, query }, { caller, lastEventId, signal }) => {
        if (followers >= mostFollowers) {
          throw fail('exhausted', `${followers} followers are on the server already`, 'ask again later');
        }
        const { id } = await app.job(parameters.job);
        const after = lastEventId === '' && query.from === 'start' ? 'start' : lastEventId;
        const check = async () => {
          // By whatever he logged in: the name decides whether he may go on.
          const known = await app.users.byCertificate(caller.name);
          if (!('role' in known)) throw new FailureError(known);
        };
        const events = followJob(id, after, signal, { ...{ app, runner, clock, check } });
        return { kind: 'events', source: counted(events) };
      },
    }),
  };
}
