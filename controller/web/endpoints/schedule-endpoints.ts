// Routes about schedules: added, listed, paused, run at once, removed; and when they are due and were.
import { z } from 'zod';
import type { Route } from '../../http-api/routes.js';
import { scheduleSchema } from '../../http-api/schedule-order.js';
import { teamOf } from '../../users/team.js';
import { type Endpoint, endpoint, json } from '../endpoint.js';
import type { QueueDispatch } from '../queue-dispatch.js';

type ScheduleRoute = Extract<Route, `${string} /v1/schedules${string}`>;

const parameters = z.strictObject({ schedule: z.string().max(200) });

export function scheduleEndpoints(dispatch: Pick<QueueDispatch, 'look'>): Record<ScheduleRoute, Endpoint> {
  return {
    'GET /v1/schedules': endpoint({
      summary: 'All schedules.',
      answer: async (_input, { app }) => json({ schedules: await app.schedules.list() }),
    }),
    'POST /v1/schedules': endpoint({
      summary: 'Have jobs asked for by themselves, in the name of whoever adds the schedule.',
      body: scheduleSchema,
      answer: async ({ body }, { app, caller, who }) => {
        const job = { ...body.job, team: teamOf(caller, body.job.team) };
        return json({ schedule: await app.schedules.add({ ...body, job }, who) });
      },
    }),
    'GET /v1/schedules/:schedule': endpoint({
      summary: 'One schedule.',
      parameters,
      answer: async (input, { app }) => json({ schedule: await app.schedules.get(input.parameters.schedule) }),
    }),
    'DELETE /v1/schedules/:schedule': endpoint({
      summary: 'Remove a schedule; its jobs and their results stay.',
      parameters,
      answer: async (input, { app }) => {
        const { schedule } = input.parameters;
        await app.schedules.remove(schedule);
        return json({ removed: schedule });
      },
    }),
    'POST /v1/schedules/:schedule/pause': endpoint({
      summary: 'Have it due no more, until it is resumed.',
      parameters,
      answer: async (input, { app }) => json({ schedule: await app.schedules.pause(input.parameters.schedule) }),
    }),
    'POST /v1/schedules/:schedule/resume': endpoint({
      summary: 'Have it due again; what was due meanwhile is not made up for.',
      parameters,
      answer: async (input, { app }) => json({ schedule: await app.schedules.resume(input.parameters.schedule) }),
    }),
    'POST /v1/schedules/:schedule/run': endpoint({
      summary: 'One job more, now.',
      parameters,
      takesKey: true,
      answer: async (input, { app, who, repeatable }) => {
        const id = await app.schedules.runNow(input.parameters.schedule, who, repeatable);
        await dispatch.look();
        return json({ job: await app.job(id) });
      },
    }),
    'GET /v1/schedules/:schedule/next': endpoint({
      summary: 'When it is due next, in milliseconds since 1970 UTC.',
      parameters,
      query: z.strictObject({ count: z.coerce.number().int().min(1).max(1000).default(10) }),
      answer: async (input, { app }) =>
        json({ times: await app.schedules.next(input.parameters.schedule, input.query.count) }),
    }),
    'GET /v1/schedules/:schedule/history': endpoint({
      summary: 'What became of its ticks, the newest first.',
      parameters,
      query: z.strictObject({ limit: z.coerce.number().int().min(1).max(5000).default(20) }),
      answer: async (input, { app }) =>
        json({ ticks: await app.schedules.history(input.parameters.schedule, input.query.limit) }),
    }),
  };
}
