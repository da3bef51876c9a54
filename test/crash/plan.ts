// What is killed when: a plan for one round that a seed and its number determine.
import { Random } from '../fuzz/random.js';

/**
 * `link`: the host's network is cut, and mended after `pause`. `session`: the ssh connections of a host. `reboot`: a power cut.
 * Agents that listen come back after `pause`; others are started by the next controller that connects.
 */
export type Victim = 'controller' | 'agent' | 'perf' | 'sleep' | 'link' | 'session' | 'reboot';

export interface Blow {
  readonly victim: Victim;
  readonly host: string;
  /** What `at` counts from: the start of this controller, or the moment when it says that a capture runs. */
  readonly since: 'start' | 'running';
  /** Milliseconds. */
  readonly at: number;
  /** Milliseconds until it is mended. */
  readonly pause: number;
}

export interface Plan {
  readonly capture: 'record' | 'dwarf' | 'stat';
  /** ssh hosts to which the agent has to be sent anew. */
  readonly emptied: readonly string[];
  /** Of the first controller, then of each that goes on after the one before was killed. */
  readonly lives: readonly (readonly Blow[])[];
}

export interface Places {
  /** The controller's own host, which has no link. */
  readonly local: string;
  /** Hosts whose agents listen. */
  readonly listening: readonly string[];
  /** Hosts reached by ssh. */
  readonly ssh: readonly string[];
}

/** The more often named, the more often hit. */
const VICTIMS: readonly Victim[] = [
  ...(['controller', 'controller', 'controller', 'controller', 'agent', 'agent', 'perf', 'sleep'] as const),
  ...(['link', 'link', 'session', 'session', 'reboot'] as const),
];
/** A controller starts, captures and fetches within about this time. */
const LIFE_MS = 4_000;
/** From the moment when a capture runs to the end of its job. */
const RUNNING_MS = 2_500;
const MOST_LIVES = 5;
/** Longer than any keepalive, so that both ends give the connection up. */
const LONG_CUT_MS = 26_000;

export function planOf(seed: number, round: number, places: Places): Plan {
  const random = new Random('crash', seed, round);
  const capture = random.pick(['record', 'record', 'dwarf', 'stat'] as const);
  const emptied = places.ssh.filter(() => random.once(4));
  const lives: Blow[][] = [];
  do {
    const count = random.below(3) + (lives.length === 0 ? 1 : 0);
    const blows = Array.from({ length: count }, () => blowOf(random, places, lives.length === 0));
    lives.push(blows.sort((a, b) => a.at - b.at));
    // Only a controller that is killed has one that goes on.
  } while (lives.length < MOST_LIVES && lives[lives.length - 1].some(({ victim }) => victim === 'controller'));
  return { capture, emptied, lives };
}

function blowOf(random: Random, places: Places, isFirst: boolean): Blow {
  const victim = random.pick(VICTIMS);
  const host = random.pick(hostsFor(victim, places));
  // A controller that goes on finds captures which run already, and says no such thing.
  const since = isFirst && !random.once(3) ? 'running' : 'start';
  const at = random.below(since === 'running' ? RUNNING_MS : LIFE_MS);
  const isLong = victim === 'link' && random.once(8);
  return { victim, host, since, at, pause: isLong ? LONG_CUT_MS : 100 + random.below(1_500) };
}

function hostsFor(victim: Victim, { local, listening, ssh }: Places): readonly string[] {
  switch (victim) {
    case 'controller':
      return [local];
    case 'session':
    case 'reboot':
      return ssh;
    case 'link':
      return [...listening, ...ssh];
    case 'agent':
    case 'perf':
    case 'sleep':
      return [local, ...listening, ...ssh];
  }
}

/** `record: +512 agent db1 (300) | resumed: running+90 controller` */
export function planText({ capture, emptied, lives }: Plan): string {
  const texts = lives.map((blows) =>
    blows.map(({ victim, host, since, at, pause }) => {
      const when = `${since === 'running' ? 'running' : ''}+${at}`;
      return victim === 'controller' ? `${when} controller` : `${when} ${victim} ${host} (${pause})`;
    }),
  );
  const sent = emptied.length === 0 ? '' : ` (agent sent anew to ${emptied.join(', ')})`;
  return `${capture}${sent}: ${texts.map((blows) => (blows.length === 0 ? 'nothing' : blows.join(', '))).join(' | resumed: ')}`;
}
