// `perftrawl record`: perf record on many hosts at once, symbolized there, merged here.
import { access, constants } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Command } from '@commander-js/extra-typings';
import type { RecordSpec } from '../../../proto/capture.js';
import { type CliSession, examples, HOST_OPTIONS, SELECTOR_OPTIONS, TARGET_OPTIONS } from '../command.js';
import type { CommandContext } from '../context.js';
import { type ExitCode, exitCodeOfJob } from '../exit-codes.js';
import { exportProfile } from '../export-profile.js';
import { reportJob } from '../job-report.js';
import { parseDuration } from '../options/duration.js';
import { EventArguments } from '../options/events.js';
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
import { SYNC_OPTIONS } from '../options/sync.js';
import { parseTarget, type TargetOptions } from '../options/target.js';
import { JOB_DEFAULTS, type JobFlags, type JobOptions, parseJobOptions, selectHosts, startJob } from '../run-job.js';

/** As commander hands them over. */
interface RecordFlags extends TargetOptions, JobFlags, RestraintFlags, RecordingFlags {
  readonly for: string;
  readonly svg?: string | undefined;
  readonly folded?: string | undefined;
}

export interface RecordRequest {
  readonly spec: RecordSpec;
  readonly job: JobOptions;
  readonly svgFile: string | undefined;
  readonly foldedFile: string | undefined;
}

/** @throws UsageError */
function parseRecord(flags: RecordFlags): RecordRequest {
  return {
    spec: {
      kind: 'record',
      target: parseTarget(flags),
      duration: parseDuration('--for', flags.for),
      ...parseRecording(flags),
      ...parseRestraint(flags),
    },
    job: parseJobOptions(flags),
    svgFile: flags.svg,
    foldedFile: flags.folded,
  };
}

async function runRecord(context: CommandContext, request: RecordRequest): Promise<ExitCode> {
  for (const file of [request.svgFile, request.foldedFile]) {
    if (file !== undefined) await access(dirname(file), constants.W_OK);
  }
  return context.withApp(async (app) => {
    const hosts = selectHosts(app, request.job);
    const job = await startJob(context, app, request.spec, hosts, request.job);
    const written: string[] = [];
    const profile = await app.profile(job.id);
    if (profile !== undefined) {
      for (const [format, file] of [
        ['svg', request.svgFile],
        ['folded', request.foldedFile],
      ] as const) {
        if (file === undefined) continue;
        await exportProfile(profile, format, {}, file);
        written.push(file);
      }
    }
    await reportJob(context, app, job, written);
    return exitCodeOfJob(job.state);
  });
}

export function recordCommand(session: CliSession) {
  const events = new EventArguments();
  return new Command('record')
    .description('record samples with perf on all chosen hosts and merge them into one profile')
    .option(
      '-e, --event <events>',
      `what to sample, as perf takes it; comma separated or several times (default: ${DEFAULT_EVENT} at ${DEFAULT_FREQUENCY} Hz)`,
      events.addEvent,
    )
    .option('--filter <filter>', 'filter of the tracepoint in the -e before it', events.addFilter)
    .addOption(RECORDING_OPTIONS.freq)
    .addOption(RECORDING_OPTIONS.count)
    .addOption(RECORDING_OPTIONS.g)
    .addOption(RECORDING_OPTIONS.callGraph)
    .option('--for <duration>', 'how long, such as 500ms, 30s, 5m or 1h', '10s')
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
    .addOption(RECORDING_OPTIONS.mmapPages)
    .addOption(RECORDING_OPTIONS.split)
    .addOption(RECORDING_OPTIONS.timestamps)
    .addOption(RECORDING_OPTIONS.lines)
    .addOption(RECORDING_OPTIONS.keepRaw)
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
    .option('--svg <file>', 'write the flame graph when done')
    .option('--folded <file>', 'write the folded stacks when done')
    .addHelpText(
      'after',
      examples([
        { does: 'where does the CPU time of all hosts go?', line: 'perftrawl record --for 30s' },
        {
          does: 'which code of postgres on the database hosts causes page faults?',
          line: 'perftrawl record -e page-faults -c 1 --comm postgres --on role=db --for 30s --svg faults.svg',
        },
        { does: 'no more than half a percent of each host', line: 'perftrawl record -a --for 5m --budget 0.5%' },
        {
          does: 'who is switched out, with every sample kept in time',
          line: "perftrawl record -e sched:sched_switch --filter 'prev_prio > 100' -a --timestamps --for 5s",
        },
      ]),
    )
    .action(async (flags) => session.end(await runRecord(session.context(), parseRecord(flags))));
}
