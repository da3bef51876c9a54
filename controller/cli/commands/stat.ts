// `perftrawl stat`: counters of perf stat on many hosts, interval by interval, added up.
import { Command } from '@commander-js/extra-typings';
import type { StatSpec } from '../../../proto/capture.js';
import { type CliSession, examples, HOST_OPTIONS, SELECTOR_OPTIONS, TARGET_OPTIONS } from '../command.js';
import type { CommandContext } from '../context.js';
import { type ExitCode, exitCodeOfJob } from '../exit-codes.js';
import { reportJob } from '../job-report.js';
import { parseDuration, parseInterval } from '../options/duration.js';
import { type EventArgument, EventArguments, parseEvents } from '../options/events.js';
import { QUEUE_OPTIONS } from '../options/queue.js';
import { parseRestraint, RESTRAINT_OPTIONS, type RestraintFlags } from '../options/restraint.js';
import { ROLLOUT_OPTIONS } from '../options/rollout.js';
import { SYNC_OPTIONS } from '../options/sync.js';
import { parseTarget, type TargetOptions } from '../options/target.js';
import { JOB_DEFAULTS, type JobFlags, type JobOptions, parseJobOptions, selectHosts, startJob } from '../run-job.js';
import { UsageError } from '../usage-error.js';

/** As commander hands them over. */
interface StatFlags extends TargetOptions, JobFlags, RestraintFlags {
  readonly event?: readonly EventArgument[] | undefined;
  readonly interval: string;
  readonly for: string;
  readonly perCpu?: true | undefined;
  readonly perHost?: true | undefined;
}

export interface StatRequest {
  readonly spec: StatSpec;
  readonly job: JobOptions;
  readonly isPerHost: boolean;
}

/** Software counters that every Linux has; hardware counters are often not there in virtual machines. */
const DEFAULT_EVENTS = ['task-clock', 'context-switches', 'cpu-migrations', 'page-faults'];

/** @throws UsageError */
function parseStat(flags: StatFlags): StatRequest {
  const given = parseEvents(flags.event ?? []);
  const interval = parseInterval('-I', flags.interval);
  const duration = parseDuration('--for', flags.for);
  if (interval > duration)
    throw new UsageError(`-I: an interval of ${flags.interval} does not fit in --for ${flags.for}`);
  return {
    spec: {
      kind: 'stat',
      target: parseTarget(flags),
      duration,
      events: given.length === 0 ? DEFAULT_EVENTS.map((name) => ({ name })) : given,
      interval,
      perCpu: flags.perCpu === true,
      ...parseRestraint(flags),
    },
    job: parseJobOptions(flags),
    isPerHost: flags.perHost === true,
  };
}

async function runStat(context: CommandContext, request: StatRequest): Promise<ExitCode> {
  return context.withApp(async (app) => {
    const hosts = selectHosts(app, request.job);
    const job = await startJob(context, app, request.spec, hosts, request.job, request.isPerHost);
    await reportJob(context, app, job, [], { isPerHost: request.isPerHost });
    return exitCodeOfJob(job.state);
  });
}

export function statCommand(session: CliSession) {
  const events = new EventArguments();
  return new Command('stat')
    .description('count events with perf stat on all chosen hosts, interval by interval')
    .option(
      '-e, --event <events>',
      `what to count, as perf takes it; comma separated or several times (default: ${DEFAULT_EVENTS.join(',')})`,
      events.addEvent,
    )
    .option('-I, --interval <interval>', 'length of an interval; a bare number is milliseconds', '1000')
    .option('--for <duration>', 'how long, such as 30s, 5m or 1h', '10s')
    .addOption(TARGET_OPTIONS.pid)
    .addOption(TARGET_OPTIONS.tid)
    .addOption(TARGET_OPTIONS.allCpus)
    .addOption(TARGET_OPTIONS.cpu)
    .addOption(TARGET_OPTIONS.cgroup)
    .addOption(SELECTOR_OPTIONS.comm)
    .addOption(SELECTOR_OPTIONS.cmdline)
    .addOption(SELECTOR_OPTIONS.unit)
    .addOption(SELECTOR_OPTIONS.container)
    .option('--per-cpu', 'count each CPU apart')
    .option('--per-host', 'show each host apart')
    .addOption(HOST_OPTIONS.on)
    .addOption(HOST_OPTIONS.hosts)
    .addOption(RESTRAINT_OPTIONS.budget)
    .addOption(RESTRAINT_OPTIONS.evenIfBusy)
    .addOption(ROLLOUT_OPTIONS.canary)
    .addOption(ROLLOUT_OPTIONS.waves)
    .addOption(ROLLOUT_OPTIONS.failFast)
    .addOption(ROLLOUT_OPTIONS.abortOn)
    .addOption(ROLLOUT_OPTIONS.settle)
    .addOption(SYNC_OPTIONS.sync)
    .addOption(SYNC_OPTIONS.syncLead)
    .addOption(ROLLOUT_OPTIONS.sample)
    .addOption(ROLLOUT_OPTIONS.stratify)
    .addOption(ROLLOUT_OPTIONS.seed)
    .addOption(QUEUE_OPTIONS.label)
    .addOption(QUEUE_OPTIONS.spread)
    .addOption(QUEUE_OPTIONS.team)
    .addOption(QUEUE_OPTIONS.priority)
    .addOption(QUEUE_OPTIONS.detach)
    .option('--max-parallel <hosts>', 'most hosts at a time', JOB_DEFAULTS.maxParallel)
    .option('--grace <duration>', 'per host, on top of --for: connecting and fetching', JOB_DEFAULTS.grace)
    .option('--note <text>', 'to find the job again', JOB_DEFAULTS.note)
    .addHelpText(
      'after',
      examples([
        {
          does: 'page faults and context switches of all hosts, each second',
          line: 'perftrawl stat -e page-faults,context-switches -I 1000 --for 30s',
        },
        { does: 'host by host, one process', line: 'perftrawl stat -e task-clock --comm nginx --per-host --for 10s' },
      ]),
    )
    .action(async (flags) => session.end(await runStat(session.context(), parseStat(flags))));
}
