// `npm run soak`: the command line of the campaign.
import { parseArgs } from 'node:util';
import { runSoak, soakText } from './soak-campaign.js';

const HELP = `npm run soak -- [--agents N] [--seconds S] [--every S] [--seed S]     (as root, after npm run build)

Two servers on one PostgreSQL, agents that dial both and simulate their captures, a schedule that is due every 2 s for two minutes.
One server is killed -9 in the middle and comes back. Each tick must have fired once, each host run must have begun, succeeded and been
released once, and each merged result must count each host once. The seed says which server is killed, when, and for how long.
`;

/** @returns the exit code: 0 when all was as promised, 1 otherwise, 2 for a wrong command line */
export async function soak(argv: readonly string[], say: (line: string) => void): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      agents: { type: 'string', default: '50' },
      seconds: { type: 'string', default: '120' },
      every: { type: 'string', default: '2' },
      seed: { type: 'string', default: '1' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    say(HELP);
    return 0;
  }
  const [agents, seconds, every, seed] = [values.agents, values.seconds, values.every, values.seed].map(Number);
  const areWhole = [agents, seconds, every, seed].every(Number.isSafeInteger);
  if (!areWhole || agents < 1 || agents > 1000 || seconds < 10 || every < 1 || 60 % every !== 0) {
    say(HELP);
    return 2;
  }
  const result = await runSoak({ agents, seconds, every, seed, say });
  say(soakText(result));
  return result.problems.length === 0 ? 0 : 1;
}
