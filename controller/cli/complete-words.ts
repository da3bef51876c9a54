// What could come next on a command line: commands and options from commander's tree, names of hosts, jobs and more from the app.
import { Command, type CommandUnknownOpts } from '@commander-js/extra-typings';
import { CERTIFICATE_ROLES } from '../../proto/certificate-role.js';
import { timeoutSignal } from '../../proto/timeout-signal.js';
import type { App } from '../api.js';
import { APPROVAL_RULES } from '../approval/approval.js';
import { PULL_FORMATS } from '../pull/manifest.js';
import { TOP_BY } from '../questions/top-question.js';
import { ROLES } from '../users/role.js';
import { NORMALISATIONS } from '../views/profile-difference.js';
import type { CliSession } from './command.js';
import { COMPLETION_PATIENCE } from './commands/completion.js';
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

/** Of what only the app knows. */
type Names = (app: App) => Promise<readonly string[]>;
type Ask = (names: Names) => Promise<readonly string[]>;

const mostJobs = 50;
/** As many as a shell can show, and a person can look through. */
const mostCandidates = 1000;
/** What a shell takes as it is: a server elsewhere does not write command lines here. */
const plain = /^[A-Za-z0-9._:=@%+,/-]*$/;

/** @param words after `perftrawl`; the last one, perhaps empty, is being typed */
async function completeWords(program: CommandUnknownOpts, words: readonly string[], ask: Ask): Promise<string[]> {
  const current = words.at(-1) ?? '';
  const candidates = await candidatesOf(program, walk(program, words.slice(0, -1)), current, ask);
  const matching = new Set(candidates.filter((candidate) => candidate.startsWith(current) && plain.test(candidate)));
  return withinBounds([...matching].sort());
}

async function candidatesOf(
  program: CommandUnknownOpts,
  position: Position,
  current: string,
  ask: Ask,
): Promise<readonly string[]> {
  const { command, operands, pendingOption } = position;
  if (pendingOption !== undefined) return optionValues(position, pendingOption, ask);
  const glued = /^--[^=]+(?==)/.exec(current)?.[0];
  if (glued !== undefined) return (await optionValues(position, glued, ask)).map((value) => `${glued}=${value}`);
  if (current.startsWith('-')) {
    // `fold` and `agent` are programs of their own: what they take, their --help says.
    const isElsewhere = ['fold', 'agent', 'policy'].includes(command.name());
    const options = [...command.options, ...(command === program || isElsewhere ? [] : program.options)];
    return [...options.flatMap((option) => option.long ?? option.short ?? []), '--help'];
  }
  if (command.commands.length > 0 && operands.length === 0) {
    const commands = command.commands.filter((child) => !isHidden(child)).map((child) => child.name());
    return command.name() === 'stap' ? [...commands, ...(await ask(scripts))] : commands;
  }
  const last = command.registeredArguments.at(-1);
  const argument = command.registeredArguments.at(operands.length) ?? (last?.variadic === true ? last : undefined);
  return argument === undefined ? [] : operandValues(command, argument.name(), current, ask);
}

/** All of them, or so many that what they begin with is the same: the first ones and the last one. @param sorted without a name twice */
function withinBounds(sorted: string[]): string[] {
  return sorted.length <= mostCandidates ? sorted : [...sorted.slice(0, mostCandidates - 1), ...sorted.slice(-1)];
}

/** Hidden: for the scripts of `perftrawl completion`. */
export function completeWordsCommand(session: CliSession, program: () => CommandUnknownOpts) {
  return new Command('complete-words')
    .argument('[words...]')
    .helpOption(false)
    .action(async (words) => {
      takeGlobals(program(), words.slice(0, -1));
      const context = session.context();
      const late = timeoutSignal(COMPLETION_PATIENCE, context.io.interrupt.stop);
      const nothing = new Promise<string[]>((resolve) =>
        late.addEventListener('abort', () => resolve([]), { once: true }),
      );
      const found = completeWords(program(), words, (names) => context.withApp(names));
      const candidates = await Promise.race([found, nothing]);
      await write(context.io.stdout, candidates.map((word) => `${word}\n`).join(''));
      session.end(EXIT.ok);
    });
}

/** Names come from the server or the store that the command line names, too. */
function takeGlobals(program: CommandUnknownOpts, words: readonly string[]): void {
  for (const [i, word] of words.entries()) {
    const value = words.at(i + 1);
    const option = program.options.find(({ long, required }) => required && long === word);
    // Nothing is opened, which may make it, by a name that the shell would still change.
    if (option !== undefined && value !== undefined && plain.test(value)) {
      program.setOptionValue(option.attributeName(), value);
    }
  }
}

interface Position {
  readonly command: CommandUnknownOpts;
  /** Given to the command so far. */
  readonly operands: readonly string[];
  /** Long name of an option that still needs its value. */
  readonly pendingOption: string | undefined;
}

function walk(program: CommandUnknownOpts, words: readonly string[]): Position {
  let command = program;
  const operands: string[] = [];
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
    if (child !== undefined && operands.length === 0) command = child;
    else operands.push(word);
  }
  return { command, operands, pendingOption };
}

const hosts: Names = async (app) => app.hosts('').map((host) => host.name);
const jobs: Names = async (app) => ['last', ...(await app.jobs({ limit: mostJobs })).map((job) => job.id)];
const schedules: Names = async (app) => (await app.schedules.list()).map(({ definition }) => definition.name);
const teams: Names = async (app) => (await app.teams.list()).map(({ name }) => name);
/** Of the catalogue of SystemTap. */
const scripts: Names = async (app) => {
  const [answer] = await app.scripts([THIS_MACHINE], new AbortController().signal);
  return answer.ok ? answer.value.map((script) => script.name) : [];
};
const hostsOf =
  (job: string): Names =>
  async (app) =>
    (await app.job(job)).request.hosts.map((host) => host.name);

async function operandValues(
  command: CommandUnknownOpts,
  argument: string,
  current: string,
  ask: Ask,
): Promise<readonly string[]> {
  switch (argument) {
    case 'jobs':
      if (command.name() === 'diff' && current.includes(':')) {
        const job = jobIn(current);
        return (await ask(hostsOf(job))).map((host) => `${job}:${host}`);
      }
      if (command.name() === 'pull') return ask(async (app) => [...(await jobs(app)), ...(await schedules(app))]);
      return ask(jobs);
    case 'job':
    case 'job-or-file':
      return ask(jobs);
    case 'schedule':
    case 'schedules':
      return ask(schedules);
    case 'team':
      return ask(teams);
    case 'host':
      return ask(hosts);
    case 'name':
      return command.parent?.name() === 'stap' ? ask(scripts) : [];
    case 'shell':
      return ['bash', 'zsh', 'fish'];
    default:
      return [];
  }
}

/** Values of options that take one of few words; nothing for the others, so that the shell offers files. */
async function optionValues({ command, operands }: Position, option: string, ask: Ask): Promise<readonly string[]> {
  switch (option) {
    case '--host':
      return ask(isAboutJob(command) && operands.length > 0 ? hostsOf(jobIn(operands[0])) : hosts);
    case '--build-on':
      return ask(hosts);
    case '--diff':
    case '--before':
    case '--job':
      return ask(jobs);
    case '--on':
      return (await ask(hosts)).map((name) => `name=${name}`);
    case '--schedule':
      return ask(schedules);
    case '--team':
      return ask(teams);
    default:
      return CHOICES[`${command.name()} ${option}`] ?? CHOICES[option] ?? [];
  }
}

function isAboutJob(command: CommandUnknownOpts): boolean {
  return ['job', 'jobs', 'job-or-file'].includes(command.registeredArguments.at(0)?.name() ?? '');
}

/** Of JOB or JOB:HOST. */
function jobIn(text: string): string {
  return text.split(':')[0];
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
