// What is killed when: a plan for one round that a seed and its number determine.
import { Random } from '../fuzz/random.js';

/** `link`: the host's network is cut, and mended after `pause`. Agents and the controller come back after `pause`. */
export type Victim = 'controller' | 'agent' | 'perf' | 'sleep' | 'link';

export interface Blow {
  readonly victim: Victim;
  readonly host: string;
  /** Milliseconds after the start of the capture, or of the controller that goes on with it. */
  readonly at: number;
  /** Milliseconds until it is mended. */
  readonly pause: number;
}

export interface Plan {
  readonly capture: 'record' | 'dwarf' | 'stat';
  /** Of the first controller, then of each that goes on after the one before was killed. */
  readonly lives: readonly (readonly Blow[])[];
}

const VICTIMS: readonly Victim[] = ['controller', 'agent', 'perf', 'sleep', 'link'];
/** A controller starts, captures and fetches within about this time. */
const LIFE_MS = 4_000;

/** @param remote hosts whose agents listen; @param local the controller's own, which has no link */
export function planOf(seed: number, round: number, remote: readonly string[], local: string): Plan {
  const random = new Random('crash', seed, round);
  const capture = random.pick(['record', 'record', 'dwarf', 'stat'] as const);
  const lives: Blow[][] = [];
  do {
    const blows = Array.from({ length: random.below(3) + (lives.length === 0 ? 1 : 0) }, (): Blow => {
      const victim = random.pick(VICTIMS);
      const host = victim === 'link' ? random.pick(remote) : random.pick([...remote, local]);
      return { victim, host, at: random.below(LIFE_MS), pause: 100 + random.below(1_500) };
    });
    lives.push(blows.sort((a, b) => a.at - b.at));
    // Only a controller that is killed has one that goes on.
  } while (lives.length < 4 && lives[lives.length - 1].some(({ victim }) => victim === 'controller'));
  return { capture, lives };
}

/** `record: +512 agent db1 (300) | +90 controller` */
export function planText({ capture, lives }: Plan): string {
  const texts = lives.map((blows) =>
    blows.map(({ victim, host, at, pause }) =>
      victim === 'controller' ? `+${at} controller` : `+${at} ${victim} ${host} (${pause})`,
    ),
  );
  return `${capture}: ${texts.map((blows) => (blows.length === 0 ? 'nothing' : blows.join(', '))).join(' | resumed: ')}`;
}
