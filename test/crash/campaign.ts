// Rounds of captures among which processes and connections are killed at random, on real hosts with real perf.
import { WORKSTATION, Workstation } from '../fleet/workstation.js';
import { type Snapshot, snapshotOf } from './leftovers.js';
import { planOf, planText } from './plan.js';
import { runRound } from './round.js';

export interface CampaignOptions {
  readonly rounds: number;
  readonly seed: number;
  /** The first round, to repeat one. */
  readonly from: number;
  readonly say: (line: string) => void;
}

export interface CampaignResult {
  readonly rounds: number;
  /** Numbers of the rounds in which something was not as promised. */
  readonly broken: readonly number[];
  /** `agent` -> how many were killed. */
  readonly hits: ReadonlyMap<string, number>;
  /** `succeeded` -> how many host runs. */
  readonly ends: ReadonlyMap<string, number>;
  readonly weight: number;
}

const REMOTE = ['db1', 'db2'];

export async function runCampaign({ rounds, seed, from, say }: CampaignOptions): Promise<CampaignResult> {
  const workstation = await Workstation.start({
    hosts: Object.fromEntries(REMOTE.map((name) => [name, {}])),
    // 400 faults a second for longer than any campaign.
    workload: ['1000000000', '20', '300', '0', '400'],
  });
  const broken: number[] = [];
  const hits = new Map<string, number>();
  const ends = new Map<string, number>();
  let weight = 0;
  try {
    // Once without blows, so that everything is there that stays: directories, the database.
    await workstation.json(['record', '-e', 'page-faults', '--comm', 'faults', '--for', '1s', '--even-if-busy']);
    const before = new Map<string, Snapshot>();
    for (const host of workstation.fleet.hosts.values()) before.set(host.name, await snapshotOf(host));
    for (let round = from; round < from + rounds; round++) {
      const plan = planOf(seed, round, REMOTE, WORKSTATION);
      const result = await runRound(workstation, plan, before);
      for (const hit of result.hits) count(hits, hit.split(' ')[0]);
      for (const end of result.ends.split(', ').filter(Boolean)) count(ends, end.slice(end.indexOf(' ') + 1));
      weight += result.weight;
      say(
        `round ${round} ${planText(plan)} -> ${result.ends || 'no job'}; hit: ${result.hits.join(', ') || 'nothing'}`,
      );
      if (result.problems.length === 0) continue;
      broken.push(round);
      for (const problem of result.problems) say(`  BROKEN: ${problem}`);
      say(`  again: npm run crash -- --seed ${seed} --from ${round} --rounds 1`);
    }
  } finally {
    await workstation.stop();
  }
  return { rounds, broken, hits, ends, weight };
}

export function resultText({ rounds, broken, hits, ends, weight }: CampaignResult): string {
  const list = (counts: ReadonlyMap<string, number>) =>
    [...counts].map(([what, number]) => `${number} ${what}`).join(', ') || 'none';
  return `${rounds} rounds, ${broken.length} broken; killed: ${list(hits)}; host runs: ${list(ends)}; ${weight} counted`;
}

function count(counts: Map<string, number>, what: string): void {
  counts.set(what, (counts.get(what) ?? 0) + 1);
}
