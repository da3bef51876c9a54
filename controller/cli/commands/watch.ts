// `perftrawl watch`: hosts count, and capture by themselves when a condition holds.
import { Command } from '@commander-js/extra-typings';
import type { WatchSpec } from '../../../proto/capture.js';
import { FailureError } from '../../../proto/failure.js';
import { type Condition, eventsOfConditions, parseCondition } from '../../../proto/watch-condition.js';
import type { App, Host } from '../../api.js';
import { printable } from '../../views/printable.js';
import { type CliSession, examples, gather, HOST_OPTIONS, SELECTOR_OPTIONS, TARGET_OPTIONS } from '../command.js';
import type { CommandContext } from '../context.js';
import { EXIT, type ExitCode, exitCodeOfJob } from '../exit-codes.js';
import { writeJson, writeLines } from '../io.js';
import { reportJob } from '../job-report.js';
import { parseDuration, parseInterval } from '../options/duration.js';
import { EventArguments, parseEvents } from '../options/events.js';
import { parseWhole } from '../options/numbers.js';
import { QUEUE_OPTIONS } from '../options/queue.js';
import {
  DEFAULT_EVENT,
  DEFAULT_FREQUENCY,
  parseRecording,
  RECORDING_OPTIONS,
  type RecordingFlags,
} from '../options/recording.js';
import { parseRestraint, RESTRAINT_OPTIONS, type RestraintFlags } from '../options/restraint.js';
import { ROLLOUT_OPTIONS } from '../options/rollout.js';
import { parseTarget, type TargetOptions } from '../options/target.js';
import { failureText } from '../render/failure-text.js';
import { describeSpec } from '../render/spec-text.js';
import { JOB_DEFAULTS, type JobFlags, type JobOptions, parseJobOptions, selectHosts, startJob } from '../run-job.js';
import { UsageError } from '../usage-error.js';

/** As commander hands them over. */
interface WatchFlags extends TargetOptions, JobFlags, RestraintFlags, RecordingFlags {
  readonly when?: readonly string[] | undefined;
  readonly also?: string | undefined;
  readonly holds: string;
  readonly every: string;
  readonly for: string;
  readonly coolDown: string;
  readonly most: string;
  readonly recordFor: string;
  readonly lookBack?: string | undefined;
  readonly dryRun?: true | undefined;
}

export interface WatchRequest {
  readonly spec: WatchSpec;
  readonly job: JobOptions;
  readonly isDryRun: boolean;
}

/** @throws UsageError */
function parseWatch(flags: WatchFlags): WatchRequest {
  const conditions = (flags.when ?? []).map(conditionOf);
  const duration = parseDuration('--for', flags.for);
  const interval = parseInterval('--every', flags.every);
  const holds = parseWhole('--holds', flags.holds, 1, 10_000);
  const coolDown = parseDuration('--cool-down', flags.coolDown);
  if (interval * holds > duration) {
    throw new UsageError(`--holds: ${holds} intervals of ${flags.every} do not fit in --for ${flags.for}`);
  }
  if (coolDown < 1000) throw new UsageError('--cool-down: give 1s or more');
  return {
    spec: {
      kind: 'watch',
      target: parseTarget(flags),
      ...{ duration, interval, conditions, holds, coolDown },
      events: countedEvents(conditions, flags.also),
      record: { duration: parseDuration('--record-for', flags.recordFor), ...parseRecording(flags) },
      most: parseWhole('--most', flags.most, 1, 1000),
      lookBack: flags.lookBack === undefined ? 0 : parseLookBack(flags.lookBack, flags.callGraph),
      ...parseRestraint(flags),
    },
    job: parseJobOptions(flags),
    isDryRun: flags.dryRun === true,
  };
}

function conditionOf(text: string): Condition {
  try {
    return parseCondition(text);
  } catch (error) {
    if (!(error instanceof FailureError)) throw error;
    throw new UsageError(`--when: ${error.failure.message}; ${error.failure.remedy}`);
  }
}

/** @throws UsageError for what no ring could hold */
function parseLookBack(text: string, callGraph: string | undefined): number {
  const lookBack = parseDuration('--look-back', text);
  if (lookBack < 1000 || lookBack > 600_000) throw new UsageError('--look-back: give from 1s to 10m');
  if (callGraph === undefined || callGraph === 'fp' || callGraph === 'none') return lookBack;
  throw new UsageError(`--look-back: no ring holds stacks of --call-graph ${callGraph} for long; give fp`);
}

/** What the conditions need, and what else there is to see afterwards. */
function countedEvents(conditions: readonly Condition[], also: string | undefined): { readonly name: string }[] {
  const others = also === undefined ? [] : parseEvents([{ kind: 'event', text: also }]).map(({ name }) => name);
  return [...new Set([...eventsOfConditions(conditions), ...others])].map((name) => ({ name }));
}

async function runWatch(context: CommandContext, { spec, job: options, isDryRun }: WatchRequest): Promise<ExitCode> {
  return context.withApp(async (app) => {
    const hosts = selectHosts(app, options);
    if (isDryRun) return dryRun(context, app, spec, hosts);
    const job = await startJob(context, app, spec, hosts, options);
    await reportJob(context, app, job, []);
    return exitCodeOfJob(job.state);
  });
}

/** What would run on each host, and what is in its way. */
async function dryRun(context: CommandContext, app: App, spec: WatchSpec, hosts: readonly Host[]): Promise<ExitCode> {
  const answers = await app.preflight(hosts, spec, context.io.interrupt.stop);
  const isFit = answers.map((answer) => answer.ok && !answer.value.problems.some(({ isFatal }) => isFatal));
  const code = isFit.every(Boolean) ? EXIT.ok : isFit.some(Boolean) ? EXIT.partial : EXIT.failed;
  if (context.isJson) {
    await writeJson(context.io, { spec, preflights: answers });
    return code;
  }
  const { colours, io } = context;
  const lines = [printable(describeSpec(spec)), ''];
  for (const answer of answers) {
    lines.push(colours.bold(printable(answer.host.name)));
    if (!answer.ok) lines.push(`  ${colours.red(failureText(answer.failure))}`);
    else {
      const { commandLines, problems } = answer.value;
      lines.push(...commandLines.map((line) => `  ${printable(line)}`));
      for (const problem of problems) {
        const text = failureText({ code: 'refused', ...{ message: problem.message, remedy: problem.remedy } });
        lines.push(`  ${problem.isFatal ? colours.red(text) : colours.yellow(text)}`);
      }
    }
  }
  await writeLines(io.stdout, lines);
  return code;
}

export function watchCommand(session: CliSession) {
  const events = new EventArguments();
  return new Command('watch')
    .description('count on all chosen hosts, and let each record by itself when a condition holds')
    .option(
      '--when <condition>',
      "record when it holds: 'page-faults/s > 5000', 'cache-misses > 2M', 'major-faults/page-faults > 10%', several joined by `and`; given several times any will do (default: only when triggered)",
      gather,
    )
    .option('--holds <intervals>', 'for so many intervals one after the other', '3')
    .option('--every <interval>', 'length of an interval; a bare number is milliseconds', '1s')
    .option('--for <duration>', 'how long to watch, such as 10m, 8h or 24h', '1h')
    .option('--cool-down <duration>', 'from one firing to the next one at least', '10m')
    .option('--most <firings>', 'the watch of a host ends with so many', '5')
    .option('--also <events>', 'count these as well, comma separated, to see them afterwards')
    .option('--record-for <duration>', 'how long each firing records', '30s')
    .option(
      '--look-back <duration>',
      'also keep the time before each firing, such as 30s: records into rings in memory all the time',
    )
    .option(
      '-e, --event <events>',
      `what each firing records, as perf takes it (default: ${DEFAULT_EVENT} at ${DEFAULT_FREQUENCY} Hz)`,
      events.addEvent,
    )
    .option('--filter <filter>', 'filter of the tracepoint in the -e before it', events.addFilter)
    .addOption(RECORDING_OPTIONS.freq)
    .addOption(RECORDING_OPTIONS.count)
    .addOption(RECORDING_OPTIONS.g)
    .addOption(RECORDING_OPTIONS.callGraph)
    .addOption(RECORDING_OPTIONS.mmapPages)
    .addOption(RECORDING_OPTIONS.split)
    .addOption(RECORDING_OPTIONS.timestamps)
    .addOption(RECORDING_OPTIONS.lines)
    .addOption(RECORDING_OPTIONS.keepRaw)
    .addOption(TARGET_OPTIONS.pid)
    .addOption(TARGET_OPTIONS.tid)
    .addOption(TARGET_OPTIONS.allCpus)
    .addOption(TARGET_OPTIONS.cpu)
    .addOption(TARGET_OPTIONS.cgroup)
    .addOption(SELECTOR_OPTIONS.comm)
    .addOption(SELECTOR_OPTIONS.cmdline)
    .addOption(SELECTOR_OPTIONS.unit)
    .addOption(SELECTOR_OPTIONS.container)
    .addOption(HOST_OPTIONS.on)
    .addOption(HOST_OPTIONS.hosts)
    .addOption(RESTRAINT_OPTIONS.budget)
    .addOption(RESTRAINT_OPTIONS.evenIfBusy)
    .addOption(ROLLOUT_OPTIONS.sample)
    .addOption(ROLLOUT_OPTIONS.stratify)
    .addOption(ROLLOUT_OPTIONS.seed)
    .addOption(QUEUE_OPTIONS.label)
    .addOption(QUEUE_OPTIONS.spread)
    .addOption(QUEUE_OPTIONS.team)
    .addOption(QUEUE_OPTIONS.priority)
    .addOption(QUEUE_OPTIONS.detach)
    .option('--max-parallel <hosts>', 'most hosts at a time; the others wait for the end of a watch', '1000')
    .option('--grace <duration>', 'per host, on top of --for: connecting, symbolizing, fetching', JOB_DEFAULTS.grace)
    .option('--note <text>', 'to find the job again', JOB_DEFAULTS.note)
    .option('--dry-run', 'only tell what would run on each host, and what is in its way')
    .addHelpText(
      'after',
      examples([
        {
          does: 'which code faults when the database hosts fault a lot, tonight?',
          line: "perftrawl watch --when 'page-faults/s > 5000' -e page-faults -c 1 --for 1h --on role=db",
        },
        {
          does: 'CPU profiles of nginx when it is busy or thrashes its caches, at most three an hour apart',
          line: "perftrawl watch --when 'task-clock > 900' --when 'cache-misses/cache-references > 30%' --comm nginx --most 3 --cool-down 1h --for 24h",
        },
        { does: 'record only when told to', line: 'perftrawl watch --for 1h' },
        { does: 'tell them', line: "perftrawl trigger last --because 'latency alert'" },
      ]),
    )
    .action(async (flags) => session.end(await runWatch(session.context(), parseWatch(flags))));
}
