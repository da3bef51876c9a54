// `perftrawl top`: functions, processes or objects over all captures of many hosts in a span of time.
import { Command } from '@commander-js/extra-typings';
import { fail } from '../../../proto/failure.js';
import { TOP_BY, type TopQuestion } from '../../questions/top-question.js';
import type { TopProgress } from '../../store/top-query.js';
import { withCommas } from '../../views/number-text.js';
import { type CliSession, examples, HOST_OPTIONS } from '../command.js';
import type { CommandContext } from '../context.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { write, writeJson, writeLines } from '../io.js';
import { parseLifetime } from '../options/duration.js';
import { parseChoice, parseWhole } from '../options/numbers.js';
import { topCsv, topLines } from '../render/top-answer.js';
import { UsageError } from '../usage-error.js';

export const TOP_FORMATS = ['table', 'csv'] as const;

/** As commander hands them over. */
interface TopFlags {
  readonly on: string;
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  readonly event?: string | undefined;
  readonly by: string;
  readonly groupBy?: string | undefined;
  readonly eachHostEqual?: true | undefined;
  readonly limit: string;
  readonly format: string;
}

interface TopRequest {
  readonly question: TopQuestion;
  readonly format: (typeof TOP_FORMATS)[number];
}

/** @param now milliseconds since 1970 UTC @throws UsageError */
function parseTop(flags: TopFlags, now: number): TopRequest {
  const { on, event, groupBy } = flags;
  const ago = (option: string, text: string): number => now - parseLifetime(option, text);
  const since = flags.since === undefined ? 0 : ago('--since', flags.since);
  // Not our own moment: the clock of a server may be ahead.
  const until = flags.until === undefined ? Number.MAX_SAFE_INTEGER : ago('--until', flags.until);
  if (since >= until)
    throw new UsageError(`--until: ${flags.until} ago is before ${flags.since} ago, where --since begins`);
  if (groupBy === '') throw new UsageError('--group-by: give a label, such as role, or name');
  return {
    question: {
      ...{ selectorText: on, since: Math.max(0, since), until },
      ...(event === undefined ? {} : { event }),
      by: parseChoice('--by', flags.by, TOP_BY),
      ...(groupBy === undefined ? {} : { groupBy }),
      eachHostEqual: flags.eachHostEqual === true,
      limit: parseWhole('--limit', flags.limit, 1, 100_000),
    },
    format: parseChoice('--format', flags.format, TOP_FORMATS),
  };
}

async function runTop(context: CommandContext, { question, format }: TopRequest): Promise<ExitCode> {
  const { io } = context;
  if (context.isJson && format !== 'table')
    throw new UsageError('--json and --format csv exclude each other; give one');
  return context.withApp(async (app) => {
    const view = progressView(context);
    let answer: Awaited<ReturnType<typeof app.questions.top>>;
    try {
      answer = await app.questions.top(question, { signal: io.interrupt.stop, onProgress: view.show });
    } finally {
      view.clear();
    }
    if (context.isJson) {
      await writeJson(io, { question, ...answer });
      return EXIT.ok;
    }
    if (answer.captures === 0 && answer.leftOut.length === 0) {
      throw fail(
        'not-found',
        'no capture matches',
        '`perftrawl jobs ls` lists the jobs; look at --on, --since and --until',
      );
    }
    if (format === 'csv') {
      for (const line of topCsv(answer)) {
        if (io.stdout.destroyed) break;
        await write(io.stdout, line);
      }
      return EXIT.ok;
    }
    const { by, groupBy, eachHostEqual } = question;
    await writeLines(io.stdout, topLines(answer, { by, groupBy, eachHostEqual }, io.columns, context.colours));
    return EXIT.ok;
  });
}

/** Between two looks at the terminal, in milliseconds. */
const REDRAW_INTERVAL = 100;

/** One line that is written over; nothing where stderr is no terminal. */
function progressView({ io }: CommandContext): { show(progress: TopProgress): void; clear(): void } {
  const isLive = io.isStderrTty && io.env.TERM !== 'dumb';
  let drawnAt: number | undefined;
  return {
    show({ done, of }) {
      if (!isLive || (drawnAt !== undefined && io.now() - drawnAt < REDRAW_INTERVAL)) return;
      drawnAt = io.now();
      io.stderr.write(`\r\x1b[Kreading ${withCommas(done)} of ${withCommas(of)} captures`);
    },
    clear() {
      if (drawnAt !== undefined) io.stderr.write('\r\x1b[K');
    },
  };
}

export function topCommand(session: CliSession) {
  return new Command('top')
    .description('what weighs most over all captures of many hosts in a span of time')
    .addOption(HOST_OPTIONS.on)
    .option('--since <duration>', 'captures of the last so much time, such as 12h or 7d (default: all)')
    .option('--until <duration>', 'only those that are so old, such as 1d')
    .option('--event <event>', 'which one (default: what most of the captures counted)')
    .option('--by <what>', `${TOP_BY.join(', ')}: functions by self or total, processes, object files`, 'self')
    .option('--group-by <label>', 'apart for each value of this label of the hosts, such as role; name: each host')
    .option('--each-host-equal', 'the mean of the shares of each host: one that recorded more counts no more')
    .option('--limit <rows>', 'how many, of each group', '25')
    .option('--format <format>', TOP_FORMATS.join(', '), 'table')
    .addHelpText(
      'after',
      examples([
        { does: 'where did the databases spend the week?', line: 'perftrawl top --on role=db --since 7d' },
        { does: 'the week before', line: 'perftrawl top --on role=db --since 14d --until 7d' },
        {
          does: 'page faults by process, role by role',
          line: 'perftrawl top --event page-faults --by comm --group-by role',
        },
        { does: 'for a spreadsheet', line: 'perftrawl top --since 30d --by dso --limit 1000 --format csv > top.csv' },
      ]),
    )
    .action(async (flags) => {
      const context = session.context();
      session.end(await runTop(context, parseTop(flags, context.io.now())));
    });
}
