// `npm run crash`: the command line of the campaign.
import { parseArgs } from 'node:util';
import { resultText, runCampaign } from './campaign.js';

const HELP = `npm run crash -- [--rounds N] [--seed S] [--from ROUND]     (as root, after npm run build)

Captures on four hosts (this one, one whose agent listens, two reached by ssh) while controllers, agents, perf, ssh sessions and
links are killed and hosts lose their power. After each round every capture that was told must be there exactly once, none may have
been begun twice, and nothing else may remain. A round depends on the seed and its number only.
`;

/** @returns the exit code: 0 when no round was broken, 1 otherwise, 2 for a wrong command line */
export async function crash(argv: readonly string[], say: (line: string) => void): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      rounds: { type: 'string', default: '12' },
      seed: { type: 'string', default: '1' },
      from: { type: 'string', default: '1' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    say(HELP);
    return 0;
  }
  const [rounds, seed, from] = [values.rounds, values.seed, values.from].map(Number);
  if (![rounds, seed, from].every(Number.isSafeInteger) || rounds < 1) {
    say(HELP);
    return 2;
  }
  const result = await runCampaign({ rounds, seed, from, say });
  say(resultText(result));
  return result.broken.length === 0 ? 0 : 1;
}
