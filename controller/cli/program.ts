// The tree of commands.
import { Command, type CommandUnknownOpts } from '@commander-js/extra-typings';
import { type CliSession, type CommandMaker, examples } from './command.js';
import { agentCommand, foldCommand, policyCommand } from './commands/agent-side.js';
import { artifactsCommand } from './commands/artifacts.js';
import { auditCommand } from './commands/audit.js';
import { caCommand } from './commands/ca.js';
import { completionCommand } from './commands/completion.js';
import { diffCommand } from './commands/diff.js';
import { doctorCommand } from './commands/doctor.js';
import { enrollTokenCommand } from './commands/enroll-token.js';
import { exportCommand } from './commands/export.js';
import { faultsCommand } from './commands/faults.js';
import { histCommand } from './commands/hist.js';
import { hostsCommand } from './commands/hosts.js';
import { importCommand } from './commands/import.js';
import { jobsCommand } from './commands/jobs.js';
import { outliersCommand } from './commands/outliers.js';
import { pullCommand } from './commands/pull.js';
import { recordCommand } from './commands/record.js';
import { scheduleCommand } from './commands/schedule.js';
import { serveCommand } from './commands/serve.js';
import { showCommand } from './commands/show.js';
import { stapCommand } from './commands/stap.js';
import { statCommand } from './commands/stat.js';
import { storeCommand } from './commands/store.js';
import { teamsCommand } from './commands/teams.js';
import { textCommand } from './commands/text.js';
import { topCommand } from './commands/top.js';
import { triggerCommand } from './commands/trigger.js';
import { usersCommand } from './commands/users.js';
import { verifyCommand } from './commands/verify.js';
import { versionCommand } from './commands/version.js';
import { watchCommand } from './commands/watch.js';
import { completeWordsCommand } from './complete-words.js';
import type { GlobalOptions } from './context.js';
import { exitCodesText } from './exit-codes.js';
import { UsageError } from './usage-error.js';

/** In the order of the help. */
const COMMANDS: readonly { readonly group: string; readonly makers: readonly CommandMaker[] }[] = [
  {
    group: 'Capture:',
    makers: [
      recordCommand,
      statCommand,
      stapCommand,
      faultsCommand,
      watchCommand,
      triggerCommand,
      scheduleCommand,
      importCommand,
    ],
  },
  {
    group: 'Look:',
    makers: [showCommand, topCommand, diffCommand, outliersCommand, histCommand, textCommand, jobsCommand],
  },
  { group: 'Take away:', makers: [exportCommand, artifactsCommand, pullCommand, verifyCommand] },
  { group: 'Fleet:', makers: [hostsCommand, doctorCommand, caCommand, auditCommand, enrollTokenCommand] },
  { group: 'Server:', makers: [serveCommand, storeCommand, usersCommand, teamsCommand] },
  { group: 'On a single machine:', makers: [foldCommand, agentCommand, policyCommand] },
  { group: 'About:', makers: [versionCommand, completionCommand] },
];

export interface Program {
  readonly root: CommandUnknownOpts;
  globals(): GlobalOptions;
}

export function createProgram(session: CliSession): Program {
  const root = new Command('perftrawl')
    .description('perf and SystemTap captures across a fleet, made and symbolized at the source, merged here')
    .option(
      '--inventory <file>',
      'hosts and their labels (or PERFTRAWL_INVENTORY; default: ~/.config/perftrawl/inventory.yaml)',
    )
    .option('--data <directory>', 'where jobs are kept (or PERFTRAWL_DATA; default: ~/.local/share/perftrawl)')
    .option(
      '--store <store>',
      'where jobs and results are kept: postgres://USER@HOST/DATABASE or sqlite:FILE (or PERFTRAWL_STORE; default: perftrawl.db in the data directory)',
    )
    .option('--ssh-config <file>', 'in place of ~/.ssh/config (or PERFTRAWL_SSH_CONFIG), as ssh -F')
    .option('--server <url>', 'have a server do it: https://HOST:7450 (or PERFTRAWL_SERVER)')
    .option('--token-file <file>', 'who you are to that server (or the token itself in PERFTRAWL_TOKEN)')
    .option('--client-cert <file>', 'who you are, by a certificate of the role user')
    .option('--client-key <file>', 'the key of that certificate')
    .option('--server-ca <file>', 'the CA of the server, where the token does not name it (or PERFTRAWL_SERVER_CA)')
    .option('--json', 'print one JSON document on stdout and nothing else there')
    .addHelpText(
      'after',
      `
Examples:
  # which code of all hosts causes page faults?
  perftrawl record -e page-faults -c 1 --for 10s --svg faults.svg
  # what is missing, and what mends it?
  perftrawl doctor

\`perftrawl help exit-codes\` lists the exit codes.`,
    );
  for (const { group, makers } of COMMANDS) {
    for (const make of makers) root.addCommand(make(session).helpGroup(group));
  }
  root.addCommand(
    completeWordsCommand(session, () => root),
    { hidden: true },
  );
  root.helpCommand(false).addCommand(helpCommand(() => root).helpGroup('About:'));
  return { root, globals: () => root.opts() };
}

function helpCommand(root: () => CommandUnknownOpts) {
  return new Command('help')
    .description('help on a command, or on exit-codes')
    .argument('[topics...]', 'a command and its subcommand, or exit-codes')
    .addHelpText('after', examples([{ does: 'what does exit code 3 mean?', line: 'perftrawl help exit-codes' }]))
    .action((topics, _options, command) => {
      if (topics[0] === 'exit-codes') command.configureOutput().writeOut?.(exitCodesText());
      else findCommand(root(), topics).outputHelp();
    });
}

/** @throws UsageError */
function findCommand(root: CommandUnknownOpts, topics: readonly string[]): CommandUnknownOpts {
  let command = root;
  for (const topic of topics) {
    const child = command.commands.find((candidate) => candidate.name() === topic);
    if (child === undefined) throw new UsageError(`help: there is no command '${topics.join(' ')}'`);
    command = child;
  }
  return command;
}
