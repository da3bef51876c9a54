// What a person or a schedule asks for: a capture, the hosts it is for, and how they are gone about.
import type { CaptureSpec, Milliseconds } from '../proto/capture.js';

/** How a host is reached. */
export type Address =
  /** A child process of the controller, on stdio. */
  | { readonly transport: 'local' }
  /** mTLS to the agent's port. The agent's certificate must name `serverName` (default: the host's name). */
  | { readonly transport: 'tls'; readonly host: string; readonly port: number; readonly serverName?: string }
  /** Where `ssh` would go; `jumps` (`[USER@]HOST[:PORT]`, the first one first) in place of what ssh's configuration says. */
  | {
      readonly transport: 'ssh';
      readonly host: string;
      readonly user?: string;
      readonly port?: number;
      readonly jumps?: readonly string[];
    }
  /** Its agent dials in to this controller. */
  | { readonly transport: 'dial-in' };

export interface Host {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly address: Address;
}

export interface JobRequest {
  readonly spec: CaptureSpec;
  /** Hosts as chosen when the job was made; the job keeps this list. At least one. */
  readonly hosts: readonly Host[];
  /** As the person wrote it, for the record: `role=db,region!=eu`. */
  readonly selectorText: string;
  /** Who asked. */
  readonly requester: string;
  /** Most hosts at a time. */
  readonly maxParallel: number;
  /** Per host, on top of the capture's own duration, for connecting, symbolizing and fetching. */
  readonly grace: Milliseconds;
  /**
   * Where SystemTap scripts are compiled for hosts that lack compiler, headers or debuginfo: once per kernel, and the modules are sent
   * to the hosts. Absent: each host compiles by itself.
   */
  readonly buildHost?: Host;
  /** Free text to find the job again. */
  readonly note: string;
  /** Absent: all hosts are one wave, and nothing stops it. */
  readonly rollout?: Rollout;
  /** All hosts of a wave begin at one moment, however many they are; absent: each as soon as it can. */
  readonly sync?: SyncStart;
  /** How `hosts` were drawn; absent: they are all that were meant. */
  readonly sample?: Sample;
  /** Whose quota it counts against on a server, and whose share of it; absent: `default`. */
  readonly team?: string;
  /** Before jobs of the same team that have a lower one; absent: `normal`. */
  readonly priority?: Priority;
  /** To find the job again: `ticket=OPS-12`. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Hosts begin at moments spread evenly over so long, each at the same one each time; absent: as soon as they can. */
  readonly spread?: Milliseconds;
  /** A server starts it at this time or later, milliseconds since 1970 UTC; absent: as soon as it can. */
  readonly notBefore?: number;
  /** The schedule that asked for it, and the tick; absent: a person did. */
  readonly schedule?: ScheduleRef;
  /** Of jobs that nobody asked for: what a watch has started on its host is taken up by this one. */
  readonly firing?: FiringOrigin;
  /** It stands for older jobs of its schedule, whose results are merged in its own. */
  readonly merged?: MergedFrom;
}

/** A request that its client may send again because the answer was lost: it makes one job, however often it comes. */
export interface RepeatableRequest {
  /** SHA-256 of who asks and of the key that he gave the request: nobody finds that of another. Lower-case hex. */
  readonly key: string;
  /** SHA-256 of what is asked for. Lower-case hex. */
  readonly sha256: string;
}

/** Which capture a job takes up, that a watch has started. */
interface FiringOrigin {
  /** The job of the watch. */
  readonly watchId: string;
  /** Of the watch on that host, from 1. */
  readonly number: number;
  readonly captureId: string;
}

/** Jobs of one hour or one day. */
export interface MergedFrom {
  readonly tier: 'hour' | 'day';
  /** When the first and the last of them were made, milliseconds since 1970 UTC. */
  readonly from: number;
  readonly to: number;
  /** Their ids. */
  readonly jobs: readonly string[];
}

export const PRIORITIES = ['low', 'normal', 'high'] as const;
export type Priority = (typeof PRIORITIES)[number];

export interface ScheduleRef {
  /** Name of the schedule. */
  readonly name: string;
  /** When it was due, milliseconds since 1970 UTC. */
  readonly due: number;
  /** Why it ran besides its calendar: `run now`, or the alert. */
  readonly cause?: string;
  /** At most one job of the schedule runs at a time: the next one waits in the queue. */
  readonly isSerial?: true;
}

/** So many hosts, or so much of all of them. */
export type Share =
  | { readonly kind: 'hosts'; readonly hosts: number }
  | { readonly kind: 'percent'; readonly percent: number };

/** Hosts start wave by wave; each wave waits until the one before it has ended. */
export interface Rollout {
  /** The first hosts; when one of them fails, no more are started. */
  readonly canary?: Share;
  /** How many hosts have started with each wave, of all; what they leave is the last wave. */
  readonly waves: readonly Share[];
  /** No more are started once more than so many percent of the hosts at an end have failed. */
  readonly failFast?: number;
  /** No more are started once a capture made its host pass one of these, which it kept before. */
  readonly abortOn?: readonly HealthLimit[];
  /** Between waves. */
  readonly settle: Milliseconds;
}

/** A start that the hosts of a wave agree on. */
export interface SyncStart {
  /** How long after the last host is ready to be told; meanwhile they prepare. At most 10 minutes. */
  readonly lead: Milliseconds;
}

/** Load per CPU, available memory in percent of all, or the percentage of time that tasks waited (PSI, 10 s). */
export interface HealthLimit {
  readonly of: 'load' | 'memory' | 'cpu-pressure' | 'memory-pressure' | 'io-pressure';
  /** At most; of `memory` at least. */
  readonly limit: number;
}

/** Which hosts were drawn, so that what they gave can be weighted, and the same be drawn again. */
export interface Sample {
  readonly seed: string;
  /** As asked for; absent in jobs of older versions. */
  readonly size?: Share;
  /** Hosts that it was drawn from. */
  readonly of: number;
  /** Label whose values are the strata. */
  readonly stratify?: string;
  /** Each host of a stratum was as likely as any other of it: `chosen / hosts`. */
  readonly strata: readonly { readonly value: string; readonly hosts: number; readonly chosen: number }[];
  /** Names of those that were not drawn. */
  readonly left: readonly string[];
}
