// What a capture may be asked to do over HTTP: the shape of a CaptureSpec, checked strictly and within bounds.
import { z } from 'zod';
import type {
  CaptureSpec,
  Detail,
  FileSpec,
  KitPart,
  KitSpec,
  ProcessSelector,
  RecordSpec,
  StapSpec,
  StatSpec,
  Target,
  WatchSpec,
} from '../../proto/capture.js';
import { COMPARISONS, MOST_CONDITIONS, MOST_TERMS } from '../../proto/watch-condition.js';

/** A schema for each field, also for those that may be absent: a new field of a spec does not compile until it is here. */
type Fields<T> = Record<keyof T, z.ZodType>;

/** Half of a surrogate pair would reach the agent as another character. */
const text = (longest: number) =>
  z
    .string()
    .max(longest)
    .regex(/^\P{Cs}*$/u, 'it holds half of a character');
const word = text(4096).min(1);
const milliseconds = z.number().finite().nonnegative();
const count = z.number().int().nonnegative();
/** As large as it travels: more would reach the agent as another number. */
const count32 = count.max(2 ** 32 - 1);
/** The kernel's PID_MAX_LIMIT. */
const id = z.number().int().min(1).max(4_194_304);
const ids = z.array(id).min(1).max(10_000);

export const selectorSchema: z.ZodType<ProcessSelector> = z.strictObject({
  comms: z.array(word).max(1000).exactOptional(),
  cmdline: word.exactOptional(),
  unit: word.exactOptional(),
  container: word.exactOptional(),
});

const target: z.ZodType<Target> = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('system'), cpus: word.exactOptional() }),
  z.strictObject({ kind: z.literal('pids'), pids: ids }),
  z.strictObject({ kind: z.literal('tids'), tids: ids }),
  z.strictObject({ kind: z.literal('cgroup'), path: word }),
  z.strictObject({ kind: z.literal('processes'), selector: selectorSchema }),
]);

const event = z.strictObject({ name: word, filter: word.exactOptional() });
const events = z.array(event).min(1).max(1000);

const detail: z.ZodType<Detail> = z.strictObject({
  split: z.enum(['comm', 'pid', 'tid']),
  keepTimestamps: z.boolean(),
  lines: z.boolean(),
});

const restraint = {
  budget: z
    .strictObject({
      cpuPercent: z.number().nonnegative().exactOptional(),
      memoryBytes: count.exactOptional(),
      spoolBytes: count.exactOptional(),
    })
    .exactOptional(),
  evenIfBusy: z.boolean().exactOptional(),
};

const record = z.strictObject({
  kind: z.literal('record'),
  target,
  duration: milliseconds,
  events,
  rate: z
    .union([z.strictObject({ frequency: count32.min(1) }), z.strictObject({ period: z.number().positive() })])
    .exactOptional(),
  callGraph: z.discriminatedUnion('mode', [
    z.strictObject({ mode: z.literal('fp') }),
    z.strictObject({ mode: z.literal('dwarf'), stackBytes: count32 }),
    z.strictObject({ mode: z.literal('lbr') }),
    z.strictObject({ mode: z.literal('none') }),
  ]),
  mmapPages: count32.exactOptional(),
  detail,
  keepRaw: z.boolean(),
  ...restraint,
} satisfies Fields<RecordSpec>);

const stat = z.strictObject({
  kind: z.literal('stat'),
  target,
  duration: milliseconds,
  events,
  interval: milliseconds,
  perCpu: z.boolean(),
  ...restraint,
} satisfies Fields<StatSpec>);

const script = z.discriminatedUnion('from', [
  z.strictObject({ from: z.literal('catalogue'), name: word, parameters: z.record(word, text(4096)) }),
  z.strictObject({
    from: z.literal('request'),
    name: word,
    text: text(1024 ** 2),
    arguments: z.array(text(4096)).max(1000),
    isGuru: z.boolean(),
  }),
]);

const stap = z.strictObject({
  kind: z.literal('stap'),
  target,
  duration: milliseconds,
  interval: milliseconds,
  script,
  command: z.array(text(4096)).max(1000).exactOptional(),
  overheadPercent: z.number().min(0).max(100),
  module: z
    .strictObject({ sha256: z.string().regex(/^[0-9a-f]{64}$/), size: count, variant: text(4096) })
    .exactOptional(),
  keepRaw: z.boolean(),
  ...restraint,
} satisfies Fields<StapSpec>);

const part: z.ZodType<KitPart> = z.discriminatedUnion('kind', [record, stat, stap]);

const condition = z.strictObject({
  terms: z
    .array(
      z.strictObject({
        measure: z.discriminatedUnion('kind', [
          z.strictObject({ kind: z.literal('count'), event: word }),
          z.strictObject({ kind: z.literal('rate'), event: word }),
          z.strictObject({ kind: z.literal('ratio'), event: word, of: word }),
        ]),
        comparison: z.enum(COMPARISONS),
        threshold: z.number().finite().nonnegative(),
      }),
    )
    .min(1)
    .max(MOST_TERMS),
});

const kit = z.strictObject({
  kind: z.literal('kit'),
  target,
  duration: milliseconds,
  parts: z.array(part).min(1).max(3),
  ...restraint,
} satisfies Fields<KitSpec>);

const watch = z.strictObject({
  kind: z.literal('watch'),
  target,
  duration: milliseconds,
  events: z.array(event).max(1000),
  interval: milliseconds,
  conditions: z.array(condition).max(MOST_CONDITIONS),
  holds: count32,
  record: record.omit({ kind: true, target: true, budget: true, evenIfBusy: true }),
  coolDown: milliseconds,
  most: count32,
  lookBack: milliseconds,
  ...restraint,
} satisfies Fields<WatchSpec>);

/** All but files: a client's own are not there, and the server's are none of his business. */
export type ServedSpec = Exclude<CaptureSpec, FileSpec>;

export const specSchema: z.ZodType<ServedSpec> = z.discriminatedUnion('kind', [record, stat, stap, kit, watch]);
