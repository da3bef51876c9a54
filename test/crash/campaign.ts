// Rounds of captures among which processes and connections are killed at random, on real hosts with real perf.
import { WORKSTATION, Workstation } from '../fleet/workstation.js';
import { type Snapshot, snapshotOf } from './leftovers.js';
import { type Places, planOf, planText } from './plan.js';
import { type RoundResult, runRound } from './round.js';

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
  readonly resumes: number;
  readonly takenUp: number;
  readonly told: number;
  readonly doubled: number;
  readonly missing: number;
  readonly leftovers: number;
  readonly weight: number;
}

const PLACES: Places = { local: WORKSTATION, listening: ['db1'], ssh: ['web1', 'web2'] };

export async function runCampaign({ rounds, seed, from, say }: CampaignOptions): Promise<CampaignResult> {
  const plain = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, {}]));
  const workstation = await Workstation.start({
    hosts: plain(PLACES.listening),
    sshHosts: plain(PLACES.ssh),
    // 400 faults a second for longer than any campaign.
    workload: ['1000000000', '20', '300', '0', '400'],
  });
  const broken: number[] = [];
  const results: RoundResult[] = [];
  try {
    // Once without blows, so that everything is there that stays: directories, the database, the agents that were sent.
    await workstation.json(['record', '-e', 'page-faults', '--comm', 'faults', '--for', '1s', '--even-if-busy']);
    const before = new Map<string, Snapshot>();
    for (const host of workstation.fleet.hosts.values()) before.set(host.name, await snapshotOf(host));
    for (let round = from; round < from + rounds; round++) {
      const plan = planOf(seed, round, PLACES);
      const result = await runRound(workstation, plan, before);
      results.push(result);
      const ends = result.ends.join(', ') || 'no job';
      const resumed = result.resumes === 0 ? '' : `; resumed ${result.resumes} times`;
      say(`round ${round} ${planText(plan)} -> ${ends}; hit: ${result.hits.join(', ') || 'nothing'}${resumed}`);
      const problems = [...result.doubled, ...result.missing, ...result.wrong, ...result.leftovers];
      if (problems.length === 0) continue;
      broken.push(round);
      for (const problem of problems) say(`  BROKEN: ${problem}`);
      say(`  again: npm run crash -- --seed ${seed} --from ${round} --rounds 1`);
    }
  } finally {
    await workstation.stop();
  }
  const sum = (amount: (result: RoundResult) => number) => results.reduce((total, each) => total + amount(each), 0);
  return {
    ...{ rounds, broken },
    hits: counted(results.flatMap(({ hits }) => hits.map((hit) => hit.split(' ')[0]))),
    ends: counted(results.flatMap(({ ends }) => ends.map((end) => end.slice(end.indexOf(' ') + 1)))),
    resumes: sum(({ resumes }) => resumes),
    takenUp: sum(({ takenUp }) => takenUp),
    told: sum(({ told }) => told),
    doubled: sum(({ doubled }) => doubled.length),
    missing: sum(({ missing }) => missing.length),
    leftovers: sum(({ leftovers }) => leftovers.length),
    weight: sum(({ weight }) => weight),
  };
}

/** The figures, for a person. */
export function resultText(result: CampaignResult): string {
  const { rounds, broken, hits, ends, resumes, takenUp, told, doubled, missing, leftovers, weight } = result;
  const list = (counts: ReadonlyMap<string, number>) =>
    [...counts].map(([what, number]) => `${number} ${what}`).join(', ') || 'none';
  return [
    `${rounds} rounds, ${broken.length} broken`,
    `killed: ${list(hits)}`,
    `resumed: ${resumes} times, with ${takenUp} captures under way`,
    `captures: ${told} told (${list(ends)}), ${doubled} doubled, ${missing} missing; ${weight} counted`,
    `leftovers: ${leftovers}`,
  ].join('\n');
}

function counted(names: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}
