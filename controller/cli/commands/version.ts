// `perftrawl version`.
import { Command } from '@commander-js/extra-typings';
import { type CliSession, examples } from '../command.js';
import type { CommandContext } from '../context.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { writeJson, writeLines } from '../io.js';

async function runVersion(context: CommandContext): Promise<ExitCode> {
  const { io, version } = context;
  if (context.isJson) await writeJson(io, { version, node: process.versions.node });
  else await writeLines(io.stdout, [`perftrawl ${version} (Node ${process.versions.node})`]);
  return EXIT.ok;
}

export function versionCommand(session: CliSession) {
  return new Command('version')
    .description('print the version')
    .addHelpText('after', examples([{ does: 'for a bug report', line: 'perftrawl version --json' }]))
    .action(async () => session.end(await runVersion(session.context())));
}
