// `perftrawl faults`: the page-fault kit: counts per interval, stacks, and latency by type, at the same time on every host; one report.
import { access, constants } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Command } from '@commander-js/extra-typings';
import type { KitPart, KitSpec } from '../../../proto/capture.js';
import { reportHtml } from '../../export/report-html.js';
import { type CliSession, examples, HOST_OPTIONS, SELECTOR_OPTIONS, TARGET_OPTIONS } from '../command.js';
import type { CommandContext } from '../context.js';
import { type ExitCode, exitCodeOfJob } from '../exit-codes.js';
import { writeFileOf } from '../export-profile.js';
import { FAULT_EVENTS, faultNotes, LATENCY_SCRIPT } from '../fault-notes.js';
import { jobHtmlReport } from '../html-report.js';
import { reportJob } from '../job-report.js';
import { parseDuration, parsePrintInterval } from '../options/duration.js';
import { parseWhole } from '../options/numbers.js';
import { QUEUE_OPTIONS } from '../options/queue.js';
import { parseRestraint, RESTRAINT_OPTIONS, type RestraintFlags } from '../options/restraint.js';
import { ROLLOUT_OPTIONS } from '../options/rollout.js';
import { parseOverhead } from '../options/script.js';
import { SYNC_OPTIONS } from '../options/sync.js';
import type { TargetOptions } from '../options/target.js';
import {
  JOB_DEFAULTS,
  type JobFlags,
  type JobOptions,
  namedHost,
  parseJobOptions,
  selectHosts,
  startJob,
} from '../run-job.js';
import { UsageError } from '../usage-error.js';
import { parseStapTarget, STAP_OPTIONS } from './stap.js';

/** As commander hands them over. */
interface FaultsFlags extends TargetOptions, JobFlags, RestraintFlags {
  readonly for: string;
  readonly interval: string;
  readonly count?: string | undefined;
  readonly overhead: string;
  readonly buildOn?: string | undefined;
  readonly output?: string | undefined;
}

interface FaultsRequest {
  readonly spec: KitSpec;
  readonly job: JobOptions;
  readonly buildOn: string | undefined;
  readonly file: string | undefined;
}

const FAULT_GRAPH = {
  title: 'Code that causes page faults',
  options: { title: 'Page faults by code', palette: 'mem', countName: 'faults' },
} as const;

/** @throws UsageError */
function parseFaults(flags: FaultsFlags): FaultsRequest {
  const target = parseStapTarget(flags);
  const duration = parseDuration('--for', flags.for);
  const interval = parsePrintInterval('--interval', flags.interval);
  if (interval === 0 || interval > duration) {
    throw new UsageError(`--interval: an interval of ${flags.interval} does not fit in --for ${flags.for}`);
  }
  const rate =
    flags.count === undefined ? {} : { rate: { period: parseWhole('-c', flags.count, 1, Number.MAX_SAFE_INTEGER) } };
  const same = { target, duration };
  const parts: readonly KitPart[] = [
    { kind: 'stat', ...same, events: FAULT_EVENTS.map((name) => ({ name })), interval, perCpu: false },
    {
      ...{ kind: 'record', ...same, events: [{ name: 'page-faults' }], ...rate, callGraph: { mode: 'fp' } },
      ...{ detail: { split: 'comm', keepTimestamps: false, lines: false }, keepRaw: false },
    },
    {
      ...{ kind: 'stap', ...same, interval, script: { from: 'catalogue', name: LATENCY_SCRIPT, parameters: {} } },
      ...{ overheadPercent: parseOverhead('--overhead', flags.overhead), keepRaw: false },
    },
  ];
  return {
    spec: { kind: 'kit', ...same, parts, ...parseRestraint(flags) },
    job: parseJobOptions(flags),
    buildOn: flags.buildOn,
    file: flags.output,
  };
}

async function runFaults(context: CommandContext, request: FaultsRequest): Promise<ExitCode> {
  const { file, buildOn } = request;
  if (file !== undefined) await access(dirname(file), constants.W_OK);
  return context.withApp(async (app) => {
    const hosts = selectHosts(app, request.job);
    const options =
      buildOn === undefined ? request.job : { ...request.job, buildHost: namedHost(app, '--build-on', buildOn) };
    const job = await startJob(context, app, request.spec, hosts, options);
    const notes = faultNotes(await app.hostRuns(job.id), await app.series(job.id));
    const written: string[] = [];
    if (file !== undefined) {
      const report = await jobHtmlReport(app, job, {
        ...{ title: 'Page faults', version: context.version, notes, flameGraph: FAULT_GRAPH },
      });
      await writeFileOf(reportHtml(report), file);
      written.push(file);
    }
    await reportJob(context, app, job, written, { notes });
    return exitCodeOfJob(job.state);
  });
}

export function faultsCommand(session: CliSession) {
  return new Command('faults')
    .description('page faults at a glance: counts, the code that causes them, and how long each type takes')
    .option('--for <duration>', 'how long, such as 30s, 5m or 1h', '30s')
    .option('--interval <interval>', 'length of an interval of counts and latencies', '1s')
    .addOption(TARGET_OPTIONS.pid)
    .addOption(TARGET_OPTIONS.allCpus)
    .addOption(SELECTOR_OPTIONS.comm)
    .addOption(SELECTOR_OPTIONS.cmdline)
    .addOption(SELECTOR_OPTIONS.unit)
    .addOption(SELECTOR_OPTIONS.container)
    .addOption(STAP_OPTIONS.cgroup)
    .addOption(HOST_OPTIONS.on)
    .addOption(HOST_OPTIONS.hosts)
    .addOption(RESTRAINT_OPTIONS.budget)
    .addOption(RESTRAINT_OPTIONS.evenIfBusy)
    .option('-c, --count <faults>', 'one stack per so many faults (default: what perf takes for a sane rate)')
    .addOption(STAP_OPTIONS.buildOn)
    .addOption(STAP_OPTIONS.overhead)
    .option('-o, --output <file>', 'write the report as one HTML file')
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
    .option('--grace <duration>', 'per host, on top of --for: connecting, symbolizing, fetching', JOB_DEFAULTS.grace)
    .option('--note <text>', 'to find the job again', JOB_DEFAULTS.note)
    .addHelpText(
      'after',
      examples([
        {
          does: 'why does postgres fault, and what does it cost?',
          line: 'perftrawl faults --comm postgres --on role=db --for 30s -o faults.html',
        },
        {
          does: 'latency by type on hosts without a compiler',
          line: 'perftrawl faults --comm postgres --on role=db --build-on build1 -o faults.html',
        },
      ]),
    )
    .action(async (flags) => session.end(await runFaults(session.context(), parseFaults(flags))));
}
