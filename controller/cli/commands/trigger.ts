// `perftrawl trigger`: have the hosts of a watch record now.
import { Command } from '@commander-js/extra-typings';
import type { Firing } from '../../../proto/capture.js';
import type { Answer } from '../../api.js';
import { matchesSelector, parseSelector } from '../../fleet/selector.js';
import { printable } from '../../views/printable.js';
import { type CliSession, examples, HOST_OPTIONS } from '../command.js';
import type { CommandContext } from '../context.js';
import { EXIT, type ExitCode, exitCodeOf } from '../exit-codes.js';
import { writeJson, writeLines } from '../io.js';
import { failureText } from '../render/failure-text.js';
import { UsageError } from '../usage-error.js';

export interface TriggerRequest {
  readonly job: string;
  /** A selector among the hosts of the job; '' for all. */
  readonly on: string;
  readonly reason: string;
}

const LONGEST_REASON = 2048;

/** @throws UsageError */
function parseTrigger(job: string, flags: { readonly on: string; readonly because: string }): TriggerRequest {
  if (flags.because.length > LONGEST_REASON) {
    throw new UsageError(`--because: a text of ${flags.because.length} characters; give at most ${LONGEST_REASON}`);
  }
  return { job, on: flags.on, reason: flags.because };
}

async function runTrigger(context: CommandContext, { job: id, on, reason }: TriggerRequest): Promise<ExitCode> {
  const { io } = context;
  return context.withApp(async (app) => {
    const { id: jobId, request } = await app.job(id);
    const selector = parseSelector(on);
    const names = request.hosts.filter((host) => matchesSelector(host, selector)).map(({ name }) => name);
    if (names.length === 0) throw new UsageError(`--on: no host of job ${jobId} matches '${on}'`);
    const cause = { who: io.userName, reason };
    const answers = await app.trigger(jobId, on === '' ? [] : names, cause, io.interrupt.stop);
    if (context.isJson) await writeJson(io, { job: jobId, answers });
    else
      await writeLines(io.stdout, [...answers.map(answerLine), `see what they recorded: perftrawl jobs show ${jobId}`]);
    return exitCode(answers);
  });
}

function answerLine(answer: Answer<Firing>): string {
  const host = printable(answer.host.name);
  if (!answer.ok) return `${host}: ${failureText(answer.failure)}`;
  const { number, capture } = answer.value;
  return capture.ok
    ? `${host}: records, firing ${number}`
    : `${host}: firing ${number}: ${failureText(capture.failure)}`;
}

function exitCode(answers: readonly Answer<Firing>[]): ExitCode {
  const failures = answers.flatMap((answer) => {
    if (!answer.ok) return [answer.failure];
    return answer.value.capture.ok ? [] : [answer.value.capture.failure];
  });
  const [first] = failures;
  if (first === undefined) return EXIT.ok;
  return failures.length < answers.length ? EXIT.partial : exitCodeOf(first);
}

export function triggerCommand(session: CliSession) {
  return new Command('trigger')
    .description('have the hosts of a watch record now')
    .argument('<job>', 'of the watch: its id, the beginning of it, or `last`')
    .addOption(HOST_OPTIONS.on)
    .requiredOption('--because <text>', 'why, for the record')
    .addHelpText(
      'after',
      examples([
        {
          does: 'one host of it, because somebody has seen something',
          line: "perftrawl trigger last --on name=db1 --because 'queries are slow'",
        },
      ]),
    )
    .action(async (job, flags) => session.end(await runTrigger(session.context(), parseTrigger(job, flags))));
}
