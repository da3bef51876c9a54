// Every way a command can end, as a number. docs/exit-codes.md and `perftrawl help exit-codes` show this table.
import type { Failure, FailureCode } from '../../proto/failure.js';
import type { JobState } from '../api.js';

export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  partial: 3,
  notFound: 4,
  unreachable: 5,
  badData: 6,
  notAllowed: 7,
  defect: 70,
  interrupted: 130,
  outputClosed: 141,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export interface ExitCodeMeaning {
  readonly code: ExitCode;
  readonly meaning: string;
}

export const EXIT_CODE_TABLE: readonly ExitCodeMeaning[] = [
  { code: EXIT.ok, meaning: 'all of it worked; also a capture that was ended early with one Ctrl-C' },
  {
    code: EXIT.failed,
    meaning: 'the job failed on all its hosts, a tool failed, a limit was reached, or doctor found a fatal problem',
  },
  { code: EXIT.usage, meaning: 'the command line, the inventory or the request is wrong' },
  { code: EXIT.partial, meaning: 'some hosts gave a result and some did not' },
  { code: EXIT.notFound, meaning: 'no such job, host, process, script, file or artifact' },
  { code: EXIT.unreachable, meaning: 'a host cannot be reached, or one side does not trust the other' },
  { code: EXIT.badData, meaning: 'a file or an answer cannot be read, or was changed' },
  { code: EXIT.notAllowed, meaning: 'the host refuses or cannot: permission, policy, a tool that is not installed' },
  { code: EXIT.defect, meaning: 'a defect of perftrawl' },
  { code: EXIT.interrupted, meaning: 'cancelled: two times Ctrl-C, or `jobs cancel` from elsewhere' },
  { code: EXIT.outputClosed, meaning: 'the reader of the output went away, as `head` does' },
];

const OF_FAILURE: Record<FailureCode, ExitCode> = {
  'bad-request': EXIT.usage,
  conflict: EXIT.usage,
  'not-found': EXIT.notFound,
  unreachable: EXIT.unreachable,
  untrusted: EXIT.unreachable,
  'bad-data': EXIT.badData,
  permission: EXIT.notAllowed,
  refused: EXIT.notAllowed,
  'tool-missing': EXIT.notAllowed,
  'tool-failed': EXIT.failed,
  lost: EXIT.failed,
  deadline: EXIT.failed,
  busy: EXIT.failed,
  exhausted: EXIT.failed,
  cancelled: EXIT.interrupted,
  internal: EXIT.defect,
};

/** The exit code of a command that ends with this failure. */
export function exitCodeOf(failure: Failure): ExitCode {
  return OF_FAILURE[failure.code];
}

const OF_JOB: Record<JobState, ExitCode> = {
  'awaiting-approval': EXIT.notAllowed,
  succeeded: EXIT.ok,
  partial: EXIT.partial,
  failed: EXIT.failed,
  cancelled: EXIT.interrupted,
  queued: EXIT.ok,
  running: EXIT.ok,
  interrupted: EXIT.failed,
};

/** The exit code of a command that ran a job to this state. */
export function exitCodeOfJob(state: JobState): ExitCode {
  return OF_JOB[state];
}

/** The code for questions asked of several hosts: all answered, some, none (then the first failure decides). */
export function exitCodeOfAnswers(answers: readonly ({ ok: true } | { ok: false; failure: Failure })[]): ExitCode {
  const failures = answers.flatMap((answer) => (answer.ok ? [] : [answer.failure]));
  if (failures.length === 0) return EXIT.ok;
  return failures.length < answers.length ? EXIT.partial : exitCodeOf(failures[0]);
}

export function exitCodesText(): string {
  const rows = EXIT_CODE_TABLE.map(({ code, meaning }) => `  ${String(code).padStart(3)}  ${meaning}`);
  return `Exit codes of perftrawl:\n\n${rows.join('\n')}\n`;
}
