// `perftrawl teams ls|set|reset`: what each team may have of a server at a time, and its share when jobs wait.
import { Command } from '@commander-js/extra-typings';
import type { TeamQuota } from '../../users/team.js';
import { type CliSession, examples } from '../command.js';
import type { CommandContext } from '../context.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { writeJson, writeLines } from '../io.js';
import { parseWhole } from '../options/numbers.js';
import { fitTable } from '../render/fit-table.js';
import { UsageError } from '../usage-error.js';

/** As commander hands them over. */
interface SetFlags {
  readonly weight: string;
  readonly mostJobs: string;
  readonly mostHosts: string;
}

/** @throws UsageError */
function parseSet(name: string, flags: SetFlags): TeamQuota {
  const weight = Number(flags.weight);
  if (!(weight > 0)) throw new UsageError(`--weight: '${flags.weight}' is no number above 0`);
  return {
    ...{ name, weight },
    mostJobs: parseWhole('--most-jobs', flags.mostJobs, 0, 1_000_000),
    mostHosts: parseWhole('--most-hosts', flags.mostHosts, 0, 1_000_000),
  };
}

async function runList(context: CommandContext): Promise<ExitCode> {
  return context.withApp(async (app) => {
    const teams = await app.teams.list();
    if (context.isJson) {
      await writeJson(context.io, { teams });
      return EXIT.ok;
    }
    const columns = [
      ...[{ heading: 'TEAM' }, { heading: 'WEIGHT', align: 'right' as const }],
      ...[
        { heading: 'JOBS AT A TIME', align: 'right' as const },
        { heading: 'HOSTS AT A TIME', align: 'right' as const },
      ],
    ];
    await writeLines(context.io.stdout, fitTable(columns, teams.map(row), context.io.columns));
    return EXIT.ok;
  });
}

function row({ name, weight, mostJobs, mostHosts }: TeamQuota): string[] {
  const bound = (count: number) => (count === 0 ? 'any' : String(count));
  return [name, String(weight), bound(mostJobs), bound(mostHosts)];
}

async function runSet(context: CommandContext, team: TeamQuota): Promise<ExitCode> {
  return context.withApp(async (app) => {
    const set = await app.teams.set(team);
    if (context.isJson) await writeJson(context.io, { team: set });
    else await writeLines(context.io.stdout, [`set ${row(set).join(' ')}`]);
    return EXIT.ok;
  });
}

async function runReset(context: CommandContext, name: string): Promise<ExitCode> {
  return context.withApp(async (app) => {
    await app.teams.reset(name);
    if (context.isJson) await writeJson(context.io, { reset: name });
    else await writeLines(context.io.stdout, [`team ${name} has weight 1 and no bounds now`]);
    return EXIT.ok;
  });
}

export function teamsCommand(session: CliSession) {
  const list = new Command('ls')
    .description('list the teams that have a quota, or have had jobs')
    .addHelpText('after', examples([{ does: 'who may have how much?', line: 'perftrawl teams ls' }]))
    .action(async () => session.end(await runList(session.context())));
  const set = new Command('set')
    .description('give a team a quota and a share')
    .argument('<team>', 'its name; `default` is that of all who have no other')
    .option('--weight <weight>', 'of 2: twice as many hosts as a team of 1, when jobs of both wait', '1')
    .option('--most-jobs <jobs>', 'that run at a time; 0: no bound', '0')
    .option('--most-hosts <hosts>', 'that its jobs capture on at a time; 0: no bound', '0')
    .addHelpText(
      'after',
      examples([{ does: 'half of the fleet at most', line: 'perftrawl teams set db --weight 2 --most-hosts 500' }]),
    )
    .action(async (name, flags) => session.end(await runSet(session.context(), parseSet(name, flags))));
  const reset = new Command('reset')
    .description('back to weight 1 without bounds')
    .argument('<team>', 'its name')
    .addHelpText('after', examples([{ does: 'no quota any more', line: 'perftrawl teams reset db' }]))
    .action(async (name) => session.end(await runReset(session.context(), name)));
  return new Command('teams')
    .description('what each team may have of a server at a time')
    .addCommand(list, { isDefault: true })
    .addCommand(set)
    .addCommand(reset)
    .addHelpText(
      'after',
      examples([{ does: 'at most three jobs at a time', line: 'perftrawl teams set web --most-jobs 3' }]),
    );
}
