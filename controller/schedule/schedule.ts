// What a schedule is: when a job is asked for by itself, which one, and what becomes of ticks and results.
import type { Milliseconds } from '../../proto/capture.js';
import type { JobRequest, RepeatableRequest, Share } from '../job-request.js';

/** When it is due. */
export type Timing =
  /** Five fields, or six with seconds before them; the schedule's time zone. */
  | { readonly kind: 'cron'; readonly pattern: string }
  /** At `from` and each `every` after it, whatever clocks on walls do. */
  | { readonly kind: 'every'; readonly every: Milliseconds; readonly from: number }
  /** Once; milliseconds since 1970 UTC. */
  | { readonly kind: 'at'; readonly time: number }
  /** When an alert with these labels fires. */
  | {
      readonly kind: 'alert';
      readonly match: Readonly<Record<string, string>>;
      /** The label of the alert that names the host; a port behind it does not count. */
      readonly hostLabel: string;
      /** No second job for the same host within. */
      readonly coolDown: Milliseconds;
      /** Watches that run on these hosts fire as well, and save what they look back on. */
      readonly triggersWatches?: true;
    };

/** What happens to a tick when a job of the schedule has not ended. */
export const OVERLAPS = ['skip', 'queue', 'cancel', 'allow'] as const;
export type Overlap = (typeof OVERLAPS)[number];

/** What happens to ticks that were due while no server ran. */
export const MISSED_POLICIES = ['skip', 'once', 'all'] as const;
export type MissedPolicy = (typeof MISSED_POLICIES)[number];

/** Which results are kept; what is absent sets no bound. */
export interface Retention {
  /** Jobs. */
  readonly count?: number;
  readonly age?: Milliseconds;
  /** Of stored results. */
  readonly bytes?: number;
  /** Results that are older are merged, host by host, into one for each hour. */
  readonly hoursAfter?: Milliseconds;
  /** And those into one for each day. */
  readonly daysAfter?: Milliseconds;
}

/** What each tick asks for: a job whose hosts are chosen when it is due. */
export interface JobTemplate
  extends Omit<
    JobRequest,
    'hosts' | 'requester' | 'sample' | 'schedule' | 'firing' | 'merged' | 'notBefore' | 'buildHost'
  > {
  /** Name of a host. */
  readonly buildHost?: string;
  /** Drawn anew for each tick. */
  readonly sample?: { readonly size: Share; readonly stratify?: string };
}

export interface ScheduleDefinition {
  /** Unique. Letters, digits, '-', '_', '.'; at most 64. */
  readonly name: string;
  readonly timing: Timing;
  /** IANA name, such as Europe/Berlin; also of windows. */
  readonly timeZone: string;
  /** Only then (`mon-fri 09:00-17:00`); none: always. See windows.ts. */
  readonly windows: readonly string[];
  /** Never then. */
  readonly blackouts: readonly string[];
  /** Each tick's job starts up to so much later, by chance. */
  readonly jitter: Milliseconds;
  readonly overlap: Overlap;
  readonly missed: MissedPolicy;
  /** A tick that is later than this was missed. */
  readonly tolerance: Milliseconds;
  /** Not due any more from then on; milliseconds since 1970 UTC. */
  readonly until?: number;
  readonly retention: Retention;
  readonly job: JobTemplate;
}

/** `ended`: it is never due again. */
export type ScheduleState = 'active' | 'paused' | 'ended';

export interface Schedule {
  readonly definition: ScheduleDefinition;
  readonly state: ScheduleState;
  /** Who asked for it; its jobs are his. */
  readonly requester: string;
  readonly created: number;
  /** 0: never, or when an alert comes. */
  readonly nextDue: number;
}

/** `fired`: there is a job. `skipped`: on time, and not wanted. `missed`: nobody was there. `failed`: no job could be made. */
export type TickState = 'fired' | 'skipped' | 'missed' | 'failed';

export interface Tick {
  readonly schedule: string;
  /** When it was due; of several that were missed together, the first. */
  readonly due: number;
  readonly state: TickState;
  /** '' when it fired as planned. */
  readonly reason: string;
  /** '' when there is none. */
  readonly jobId: string;
  /** How many ticks this stands for, and when the last of them was due. */
  readonly count: number;
  readonly last: number;
  /** When this was decided. */
  readonly decided: number;
}

/** Methods reject with a FailureError; 'not-found' for a name that no schedule has. */
export interface Schedules {
  /** @throws FailureError 'bad-request' for what cannot be, 'conflict' when the name is taken */
  add(definition: ScheduleDefinition, requester: string): Promise<Schedule>;
  /** By name. */
  list(): Promise<readonly Schedule[]>;
  get(name: string): Promise<Schedule>;
  /** Its jobs and their results stay. */
  remove(name: string): Promise<void>;
  pause(name: string): Promise<Schedule>;
  /** Ticks that were due meanwhile are not made up for. */
  resume(name: string): Promise<Schedule>;
  /** One job more, now, whatever its calendar says. @param repeatable makes one job, however often it comes @returns its id */
  runNow(name: string, requester: string, repeatable?: RepeatableRequest): Promise<string>;
  /** When it is due next, at most `count` times. */
  next(name: string, count: number): Promise<readonly number[]>;
  /** The newest first. */
  history(name: string, limit: number): Promise<readonly Tick[]>;
}
