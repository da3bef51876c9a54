// The command line from argv to exit code. Whatever goes wrong below ends here, in one switch.
import { CommanderError, type CommandUnknownOpts } from '@commander-js/extra-typings';
import { UnlikeHistogramsError } from '../../profile/histogram.js';
import { type Failure, FailureError, toFailure } from '../../proto/failure.js';
import { ExportError } from '../export/exporter.js';
import { UnknownEventError } from '../views/event-columns.js';
import type { CliSession } from './command.js';
import { CommandEnd } from './command-end.js';
import { type CliDependencies, createContext } from './context.js';
import { draftJob } from './draft-job.js';
import { EXIT, type ExitCode, exitCodeOf } from './exit-codes.js';
import { type CliIo, OUTPUT_CLOSED } from './io.js';
import { createProgram, type Program } from './program.js';
import { colours } from './render/colours.js';
import { failureText } from './render/failure-text.js';
import { UsageError } from './usage-error.js';

/** @param argv what follows `perftrawl` */
export async function runCli(argv: readonly string[], dependencies: CliDependencies): Promise<ExitCode> {
  const { io } = dependencies;
  let code: ExitCode = EXIT.ok;
  const session: CliSession = {
    context: () => createContext(dependencies, program.globals()),
    end: (given) => {
      code = given;
    },
    draft: (args) => draftJob(args, session.context(), (drafting) => configured(createProgram(drafting), io).root),
  };
  const program = configured(createProgram(session), io);
  try {
    await program.root.parseAsync(withCommand(argv), { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommandEnd) return error.code;
    return explain(error, io, argv.includes('--json'));
  }
}

/** `perftrawl --version` is `perftrawl version`, as of most programs. */
function withCommand(argv: readonly string[]): string[] {
  const [first, ...rest] = argv;
  return first === '--version' || first === '-V' ? ['version', ...rest] : [...argv];
}

function configured(program: Program, io: CliIo): Program {
  configure(program.root, io);
  return program;
}

/** Longer lines are hard to read. */
const WIDEST_HELP = 120;

/** Streams and the way out, for each command of the tree. */
function configure(command: CommandUnknownOpts, io: CliIo): void {
  command.exitOverride();
  command.showSuggestionAfterError();
  command.configureHelp({ showGlobalOptions: true });
  command.configureOutput({
    writeOut: (text) => void io.stdout.write(text),
    writeErr: (text) => void io.stderr.write(text),
    outputError: () => undefined,
    getOutHelpWidth: () => Math.min(io.columns, WIDEST_HELP),
    getErrHelpWidth: () => Math.min(io.columns, WIDEST_HELP),
    getOutHasColors: () => colours(io.isStdoutTty, io.env).isOn,
    getErrHasColors: () => colours(io.isStderrTty, io.env).isOn,
  });
  for (const child of command.commands) configure(child, io);
}

/** Say what happened, and give the exit code. With `--json` scripts find it on stdout too. */
function explain(error: unknown, io: CliIo, isJson: boolean): ExitCode {
  if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok;
  if (io.interrupt.stop.reason === OUTPUT_CLOSED) return EXIT.outputClosed;
  const failure = failureOf(error, io);
  const code = failure.code === 'bad-request' ? EXIT.usage : exitCodeOf(failure);
  const { red } = colours(io.isStderrTty, io.env);
  io.stderr.write(`${red('perftrawl:')} ${failureText(failure)}\n`);
  if (failure.code === 'internal' && error instanceof Error && error.stack !== undefined) {
    io.stderr.write(`${error.stack}\n`);
  }
  if (isJson) io.stdout.write(`${JSON.stringify({ error: { ...failure, exitCode: code } }, undefined, 2)}\n`);
  return code;
}

function failureOf(error: unknown, io: CliIo): Failure {
  if (error instanceof FailureError) return error.failure;
  if (error instanceof CommanderError) {
    const message = error.message.replace(/^error: /, '').replace(/\n/g, ' ');
    return {
      code: 'bad-request',
      message: message === '(outputHelp)' ? 'no command given' : message,
      remedy: 'perftrawl --help',
    };
  }
  if (error instanceof UsageError || error instanceof UnknownEventError || error instanceof ExportError) {
    return { code: 'bad-request', message: error.message, remedy: '' };
  }
  if (error instanceof UnlikeHistogramsError) return { code: 'bad-data', message: error.message, remedy: '' };
  if (io.interrupt.stop.aborted && error instanceof Error && error.name === 'AbortError') {
    return { code: 'cancelled', message: 'interrupted', remedy: '' };
  }
  return systemFailure(error) ?? toFailure(error);
}

/** Files that are not there or may not be touched are no defects. */
function systemFailure(error: unknown): Failure | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  const { message } = error;
  switch (error.code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return { code: 'not-found', message, remedy: '' };
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return { code: 'permission', message, remedy: '' };
    case 'EISDIR':
      return { code: 'bad-request', message, remedy: 'give the name of a file' };
    case 'ENOSPC':
    case 'EDQUOT':
      return { code: 'exhausted', message, remedy: 'make room on that file system' };
    default:
      return undefined;
  }
}
