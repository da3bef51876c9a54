// The job that a tick asks for: its hosts are chosen now, a sample of them is drawn anew, and it starts a little later by chance.
import { createHash } from 'node:crypto';
import { fail } from '../../proto/failure.js';
import type { Host, JobRequest, ScheduleRef } from '../api.js';
import { drawSample } from '../fleet/sample.js';
import type { Schedule } from './schedule.js';

export interface TickJobOptions {
  /** Hosts that match a selector. @throws FailureError 'bad-request' */
  readonly hosts: (selectorText: string) => readonly Host[];
  /** Milliseconds since 1970 UTC. */
  readonly due: number;
  /** Why, besides the calendar. */
  readonly cause?: string;
  /** Only these of the hosts. */
  readonly only?: ReadonlySet<string>;
  /** Who asked for this one. */
  readonly requester?: string;
  /** At once, without jitter. */
  readonly isNow?: boolean;
}

/** @throws FailureError 'not-found' when no host matches */
export function tickJob({ definition, requester }: Schedule, options: TickJobOptions): JobRequest {
  const { name, jitter, overlap } = definition;
  const { due, cause, only, isNow = false } = options;
  const { sample, buildHost, ...template } = definition.job;
  const matching = options.hosts(template.selectorText);
  const hosts = only === undefined ? matching : matching.filter((host) => only.has(host.name));
  if (hosts.length === 0) {
    const which = only === undefined ? '' : ` of ${[...only].join(', ')}`;
    throw fail('not-found', `no host${which} matches '${template.selectorText}'`);
  }
  const drawn = sample === undefined ? { hosts } : drawSample(hosts, { ...sample, seed: `${name}@${due}` });
  const schedule: ScheduleRef = {
    ...{ name, due },
    ...(cause === undefined ? {} : { cause }),
    ...(overlap === 'allow' ? {} : { isSerial: true }),
  };
  const delay = isNow ? 0 : jitterOf(name, due, jitter);
  return {
    ...template,
    ...drawn,
    ...(buildHost === undefined ? {} : { buildHost: builder(options.hosts(''), buildHost) }),
    ...(delay === 0 ? {} : { notBefore: due + delay }),
    ...{ schedule, requester: options.requester ?? requester },
  };
}

/** The same for every server that decides on this tick. @returns milliseconds, less than `jitter` */
function jitterOf(name: string, due: number, jitter: number): number {
  const hash = createHash('sha256').update(`${name}\0${due}`).digest().readUIntBE(0, 6);
  return Math.floor((hash / 2 ** 48) * jitter);
}

function builder(hosts: readonly Host[], name: string): Host {
  const host = hosts.find((candidate) => candidate.name === name);
  if (host === undefined) throw fail('not-found', `there is no host '${name}' to compile scripts on`);
  return host;
}
