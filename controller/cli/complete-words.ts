// What could come next on a command line: commands and options from commander's tree, hosts and jobs from the app.
import { Command, type CommandUnknownOpts } from '@commander-js/extra-typings';
import { CERTIFICATE_ROLES } from '../../proto/certificate-role.js';
import { APPROVAL_RULES } from '../approval/approval.js';
import { PULL_FORMATS } from '../pull/manifest.js';
import { TOP_BY } from '../questions/top-question.js';
import { ROLES } from '../users/role.js';
import { NORMALISATIONS } from '../views/profile-difference.js';
import type { CliSession } from './command.js';
import { DIFFERENCE_FORMATS, SIDES } from './commands/diff.js';
import { PALETTES } from './commands/export.js';
import { FILE_FORMATS } from './commands/import.js';
import { STATES } from './commands/jobs.js';
import { STREAMS } from './commands/text.js';
import { TOP_FORMATS } from './commands/top.js';
import { EXIT } from './exit-codes.js';
import { EXPORT_KINDS, FORMATS } from './export-kind.js';
import { write } from './io.js';
import { THIS_MACHINE } from './run-job.js';

/** Names that only the app knows. */
interface DynamicWords {
  hosts(): Promise<readonly string[]>;
  jobs(): Promise<readonly string[]>;
  /** Of the catalogue of SystemTap scripts. */
  scripts(): Promise<readonly string[]>;
}

/** @param words after `perftrawl`; the last one, perhaps empty, is being typed */
async function completeWords(
  program: CommandUnknownOpts,
  words: readonly string[],
  dynamic: DynamicWords,
): Promise<string[]> {
  const current = words.at(-1) ?? '';
  const { command, operands, pendingOption } = walk(program, words.slice(0, -1));
  const matching = (candidates: readonly string[]): string[] =>
    candidates.filter((candidate) => candidate.startsWith(current)).sort();
  if (pendingOption !== undefined) return matching(await optionValues(command.name(), pendingOption, dynamic));
  if (current.startsWith('-')) {
    // `fold` and `agent` are programs of their own: what they take, their --help says.
    const isElsewhere = ['fold', 'agent', 'policy'].includes(command.name());
    const options = [...command.options, ...(command === program || isElsewhere ? [] : program.options)];
    return matching([...options.flatMap((option) => option.long ?? option.short ?? []), '--help']);
  }
  if (command.commands.length > 0 && operands === 0) {
    const commands = command.commands.filter((child) => !isHidden(child)).map((child) => child.name());
    return matching(command.name() === 'stap' ? [...commands, ...(await dynamic.scripts())] : commands);
  }
  const argument = command.registeredArguments.at(operands) ?? command.registeredArguments.at(-1);
  if (argument === undefined) return [];
  if (command.parent?.name() === 'stap' && argument.name() === 'name') return matching(await dynamic.scripts());
  if (['job', 'jobs', 'job-or-file'].includes(argument.name())) return matching(['last', ...(await dynamic.jobs())]);
  if (argument.name() === 'shell') return matching(['bash', 'zsh', 'fish']);
  return [];
}

/** Hidden: for the scripts of `perftrawl completion`. */
export function completeWordsCommand(session: CliSession, program: () => CommandUnknownOpts) {
  return new Command('complete-words')
    .argument('[words...]')
    .helpOption(false)
    .action(async (words) => {
      const context = session.context();
      const dynamic: DynamicWords = {
        hosts: () => context.withApp(async (app) => app.hosts('').map((host) => host.name)),
        scripts: () =>
          context.withApp(async (app) => {
            const [answer] = await app.scripts([THIS_MACHINE], context.io.interrupt.stop);
            return answer.ok ? answer.value.map((script) => script.name) : [];
          }),
        jobs: () => context.withApp(async (app) => (await app.jobs({ limit: 50 })).map((job) => job.id)),
      };
      const candidates = await completeWords(program(), words, dynamic);
      await write(context.io.stdout, candidates.map((word) => `${word}\n`).join(''));
      session.end(EXIT.ok);
    });
}

interface Position {
  readonly command: CommandUnknownOpts;
  /** Operands given to the command so far. */
  readonly operands: number;
  /** Long name of an option that still needs its value. */
  readonly pendingOption: string | undefined;
}

function walk(program: CommandUnknownOpts, words: readonly string[]): Position {
  let command = program;
  let operands = 0;
  let pendingOption: string | undefined;
  for (const word of words) {
    if (pendingOption !== undefined) {
      pendingOption = undefined;
      continue;
    }
    if (word.startsWith('-')) {
      const option = [...command.options, ...program.options].find(
        ({ long, short }) => word === long || word === short,
      );
      if (option?.required) pendingOption = option.long ?? word;
      continue;
    }
    const child = command.commands.find((candidate) => candidate.name() === word);
    if (child !== undefined && operands === 0) command = child;
    else operands++;
  }
  return { command, operands, pendingOption };
}

/** Values of options that take one of few words; nothing for the others, so that the shell offers files. */
async function optionValues(command: string, option: string, dynamic: DynamicWords): Promise<readonly string[]> {
  if (option === '--host' || option === '--build-on') return dynamic.hosts();
  if (option === '--diff') return ['last', ...(await dynamic.jobs())];
  if (option === '--on') return (await dynamic.hosts()).map((name) => `name=${name}`);
  return CHOICES[`${command} ${option}`] ?? CHOICES[option] ?? [];
}

/** By option, and by command where several have it. */
const CHOICES: Readonly<Record<string, readonly string[]>> = {
  '--call-graph': ['fp', 'dwarf', 'lbr', 'none'],
  '--split': ['comm', 'pid', 'tid'],
  '--sort': ['self', 'total'],
  '--color': PALETTES,
  '--state': STATES,
  '--role': CERTIFICATE_ROLES,
  'add --role': ROLES,
  '--approve': APPROVAL_RULES,
  '--stream': STREAMS,
  '--of': EXPORT_KINDS,
  'export --format': FORMATS,
  'diff --format': DIFFERENCE_FORMATS,
  '--normalise': NORMALISATIONS,
  '--widths': SIDES,
  'top --format': TOP_FORMATS,
  '--by': TOP_BY,
  'import --format': FILE_FORMATS,
  'pull --formats': PULL_FORMATS,
};

function isHidden(command: CommandUnknownOpts): boolean {
  return command.name() === 'complete-words';
}
