// What a client may say about a job it wants: hosts by name, as the server knows them, and never who asks.
import { z } from 'zod';
import type { CaptureSpec } from '../../proto/capture.js';
import { fail } from '../../proto/failure.js';
import { type Host, type JobRequest, PRIORITIES, type Rollout, type Sample } from '../api.js';
import { type ServedSpec, specSchema } from './spec-schema.js';

export interface JobOrder
  extends Omit<JobRequest, 'spec' | 'hosts' | 'buildHost' | 'requester' | 'schedule' | 'firing' | 'merged'> {
  readonly spec: ServedSpec;
  readonly hosts: readonly string[];
  readonly buildHost?: string;
}

const name = z.string().min(1).max(253);
export const teamName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'no name of a team');
export const jobLabels = z
  .record(z.string().regex(/^[^=,\s]{1,64}$/u, 'no name of a label'), z.string().max(256))
  .refine((labels) => Object.keys(labels).length <= 32, 'more than 32 labels');
export const shareSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('hosts'), hosts: z.number().int().positive() }),
  z.strictObject({ kind: z.literal('percent'), percent: z.number().positive().max(100) }),
]);

const rollout: z.ZodType<Rollout> = z.strictObject({
  canary: shareSchema.exactOptional(),
  waves: z.array(shareSchema).max(1000),
  failFast: z.number().min(0).max(100).exactOptional(),
  abortOn: z
    .array(
      z.strictObject({
        of: z.enum(['load', 'memory', 'cpu-pressure', 'memory-pressure', 'io-pressure']),
        limit: z.number().finite(),
      }),
    )
    .max(100)
    .exactOptional(),
  settle: z.number().finite().nonnegative(),
});

const sample: z.ZodType<Sample> = z.strictObject({
  seed: z.string().max(4096),
  size: shareSchema.exactOptional(),
  of: z.number().int().nonnegative(),
  stratify: z.string().max(4096).exactOptional(),
  strata: z
    .array(
      z.strictObject({
        value: z.string().max(4096),
        hosts: z.number().int().nonnegative(),
        chosen: z.number().int().nonnegative(),
      }),
    )
    .max(100_000),
  left: z.array(name).max(100_000),
});

/** What a schedule says of its jobs, too. */
export const templateFields = {
  spec: specSchema,
  selectorText: z.string().max(100_000),
  maxParallel: z.number().int().positive(),
  grace: z.number().finite().positive(),
  note: z.string().max(4096),
  buildHost: name.exactOptional(),
  rollout: rollout.exactOptional(),
  sync: z.strictObject({ lead: z.number().finite().nonnegative() }).exactOptional(),
  team: teamName.exactOptional(),
  priority: z.enum(PRIORITIES).exactOptional(),
  labels: jobLabels.exactOptional(),
  spread: z.number().finite().nonnegative().exactOptional(),
};

/** All of a JobRequest but who asks, which schedule, and which watch. */
const fields = {
  ...templateFields,
  hosts: z.array(name).min(1).max(100_000),
  sample: sample.exactOptional(),
  notBefore: z.number().finite().nonnegative().exactOptional(),
} satisfies Record<Exclude<keyof JobRequest, 'requester' | 'schedule' | 'firing' | 'merged'>, z.ZodType>;

export const orderSchema: z.ZodType<JobOrder> = z.strictObject(fields);

/** @param nameOf refuses hosts that the server does not have @throws FailureError 'bad-request' for a file */
export function toOrder(request: JobRequest, nameOf: (host: Host) => string): JobOrder {
  const { hosts, buildHost, requester: _own, schedule: _none, firing: _nor, merged: _neither, spec, ...rest } = request;
  const build = buildHost === undefined ? {} : { buildHost: nameOf(buildHost) };
  return { ...rest, spec: toServed(spec), hosts: hosts.map(nameOf), ...build };
}

/** @throws FailureError 'bad-request' */
export function toServed(spec: CaptureSpec): ServedSpec {
  if (spec.kind !== 'file') return spec;
  const remedy = 'leave --server and PERFTRAWL_SERVER out: this machine reads its own files';
  throw fail('bad-request', `a server does not read files such as ${spec.path}`, remedy);
}

/** @param hostOf refuses names that the server does not have */
export function toRequest(
  { hosts, buildHost, ...rest }: JobOrder,
  requester: string,
  hostOf: (name: string) => Host,
): JobRequest {
  const build = buildHost === undefined ? {} : { buildHost: hostOf(buildHost) };
  return { ...rest, hosts: hosts.map(hostOf), requester, ...build };
}
