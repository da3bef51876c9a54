// Schedules and what became of their ticks, as several servers share them: a tick is decided on once, together with the jobs that it makes.
import type { HostRun } from '../api.js';
import type { Schedule, ScheduleState, Tick } from '../schedule/schedule.js';
import type { StoredJob } from './control-store.js';

export interface NewJob {
  readonly job: StoredJob;
  readonly runs: readonly HostRun[];
}

/** What is decided about a schedule that is due. */
export interface Decision {
  readonly name: string;
  /** As it was read: somebody who decided meanwhile has changed it. */
  readonly due: number;
  /** 0: never again. */
  readonly next: number;
  readonly ticks: readonly Tick[];
  readonly jobs: readonly NewJob[];
}

/** Methods reject with the failures of a ControlStore. */
export interface ScheduleStore {
  /** False when the name is taken. */
  add(schedule: Schedule): Promise<boolean>;
  /** By name. */
  list(): Promise<readonly Schedule[]>;
  byName(name: string): Promise<Schedule | undefined>;
  /** With its ticks. False when there is none. */
  remove(name: string): Promise<boolean>;
  /** False when there is none. */
  setState(name: string, state: ScheduleState, nextDue: number): Promise<boolean>;
  /** Active ones that are due at `now`, the longest first. */
  due(now: number): Promise<readonly Schedule[]>;
  /** All or nothing; false when somebody else has decided, or it is not active any more. */
  decide(decision: Decision): Promise<boolean>;
  /** A tick besides the calendar. False when there is one of this time already. */
  addTick(tick: Tick, jobs: readonly NewJob[]): Promise<boolean>;
  /** The newest first. */
  ticks(name: string, limit: number): Promise<readonly Tick[]>;
  /** Those that are older are forgotten. */
  forgetTicks(name: string, before: number): Promise<void>;
  /** Be the only one who does something until then; again by the same owner prolongs it. False when another one is. */
  lease(what: string, owner: string, now: number, until: number): Promise<boolean>;
}
