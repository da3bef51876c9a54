// The schedules of a server elsewhere.

import { toServed } from '../http-api/job-order.js';
import type { Route } from '../http-api/routes.js';
import type { Schedule, Schedules, Tick } from '../schedule/schedule.js';
import type { Asked } from './api-client.js';

/** @param askOnce for what must not be done twice */
export function remoteSchedules(
  ask: <T>(route: Route, asked?: Asked) => Promise<T>,
  askOnce: <T>(route: Route, asked: Asked) => Promise<T>,
): Schedules {
  const of = (schedule: string, more: Omit<Asked, 'parameters'> = {}): Asked => ({ ...more, parameters: { schedule } });
  const one = async (route: Route, asked: Asked) => (await ask<{ schedule: Schedule }>(route, asked)).schedule;
  return {
    // Who asks, the server knows better than its client.
    add: (definition, _requester) => {
      const body = { ...definition, job: { ...definition.job, spec: toServed(definition.job.spec) } };
      return one('POST /v1/schedules', { body });
    },
    list: async () => (await ask<{ schedules: readonly Schedule[] }>('GET /v1/schedules')).schedules,
    get: (name) => one('GET /v1/schedules/:schedule', of(name)),
    async remove(name) {
      await ask('DELETE /v1/schedules/:schedule', of(name));
    },
    pause: (name) => one('POST /v1/schedules/:schedule/pause', of(name)),
    resume: (name) => one('POST /v1/schedules/:schedule/resume', of(name)),
    runNow: async (name, _requester) =>
      (await askOnce<{ job: { id: string } }>('POST /v1/schedules/:schedule/run', of(name))).job.id,
    next: async (name, count) =>
      (await ask<{ times: readonly number[] }>('GET /v1/schedules/:schedule/next', of(name, { query: { count } })))
        .times,
    history: async (name, limit) =>
      (await ask<{ ticks: readonly Tick[] }>('GET /v1/schedules/:schedule/history', of(name, { query: { limit } })))
        .ticks,
  };
}
