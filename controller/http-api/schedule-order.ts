// What a client may say about a schedule it wants: as a job, with its hosts by a selector, and when.
import { z } from 'zod';
import {
  MISSED_POLICIES,
  OVERLAPS,
  type Retention,
  type ScheduleDefinition,
  type Timing,
} from '../schedule/schedule.js';
import { shareSchema, templateFields } from './job-order.js';
import type { ServedSpec } from './spec-schema.js';

export interface ScheduleOrder extends Omit<ScheduleDefinition, 'job'> {
  readonly job: Omit<ScheduleDefinition['job'], 'spec'> & { readonly spec: ServedSpec };
}

const duration = z.number().finite().nonnegative();
/** Milliseconds since 1970 UTC. */
const moment = z.number().int().nonnegative().max(8.64e15);
const text = z.string().max(256);

const timing: z.ZodType<Timing> = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('cron'), pattern: text }),
  z.strictObject({ kind: z.literal('every'), every: duration, from: moment }),
  z.strictObject({ kind: z.literal('at'), time: moment }),
  z.strictObject({
    kind: z.literal('alert'),
    match: z.record(text.min(1), text).refine((labels) => Object.keys(labels).length <= 64, 'more than 64 labels'),
    hostLabel: text.min(1),
    coolDown: duration,
    triggersWatches: z.literal(true).exactOptional(),
  }),
]);

const retention: z.ZodType<Retention> = z.strictObject({
  count: z.number().int().positive().exactOptional(),
  age: duration.exactOptional(),
  bytes: duration.exactOptional(),
  hoursAfter: duration.exactOptional(),
  daysAfter: duration.exactOptional(),
});

const { spec, selectorText, maxParallel, grace, note, buildHost, rollout, sync, team, priority, labels, spread } =
  templateFields;

export const scheduleSchema: z.ZodType<ScheduleOrder> = z.strictObject({
  name: z.string().max(200),
  timing,
  timeZone: text,
  windows: z.array(text).max(100),
  blackouts: z.array(text).max(100),
  jitter: duration,
  overlap: z.enum(OVERLAPS),
  missed: z.enum(MISSED_POLICIES),
  tolerance: duration,
  until: moment.exactOptional(),
  retention,
  job: z.strictObject({
    ...{ spec, selectorText, maxParallel, grace, note, buildHost, rollout, sync, team, priority, labels, spread },
    sample: z.strictObject({ size: shareSchema, stratify: z.string().max(4096).exactOptional() }).exactOptional(),
  }),
});
