// `perftrawl jobs ls|show|cancel|resume|rm`: what was captured, when, and how it ended.
import { Command } from '@commander-js/extra-typings';
import type { Milliseconds } from '../../../proto/capture.js';
import type { Job, JobFilter, JobState } from '../../api.js';
import { type CliSession, examples } from '../command.js';
import type { CommandContext } from '../context.js';
import { EXIT, type ExitCode, exitCodeOfJob } from '../exit-codes.js';
import { writeJson, writeLines } from '../io.js';
import { reportJob } from '../job-report.js';
import { parseDuration } from '../options/duration.js';
import { parseChoice, parseWhole } from '../options/numbers.js';
import { parseLabels, QUEUE_OPTIONS } from '../options/queue.js';
import { fitTable } from '../render/fit-table.js';
import { describeSpec } from '../render/spec-text.js';
import { durationText, momentText } from '../render/time-text.js';
import { followJob } from '../run-job.js';
import { approveCommand, rejectCommand } from './job-approval.js';

/** As commander hands them over. */
interface ListFlags {
  readonly limit: string;
  readonly state?: string | undefined;
  readonly since?: string | undefined;
  readonly search?: string | undefined;
  readonly label?: readonly string[] | undefined;
  readonly team?: string | undefined;
  readonly requester?: string | undefined;
  readonly schedule?: string | undefined;
  readonly host?: string | undefined;
  readonly before?: string | undefined;
}

interface JobsRequest extends Omit<JobFilter, 'since'> {
  /** How long ago, at most. */
  readonly age?: Milliseconds;
}

export const STATES: readonly JobState[] = [
  'awaiting-approval',
  'queued',
  'running',
  'interrupted',
  'succeeded',
  'partial',
  'failed',
  'cancelled',
];

/** @throws UsageError */
function parseJobs({ limit, state, since, label, ...rest }: ListFlags): JobsRequest {
  const { search, team, requester, schedule, host, before } = rest;
  return {
    limit: parseWhole('--limit', limit, 1, 100_000),
    ...(state === undefined ? {} : { state: parseChoice('--state', state, STATES) }),
    ...(since === undefined ? {} : { age: parseDuration('--since', since) }),
    ...(label === undefined ? {} : { labels: parseLabels('--label', label) }),
    ...(search === undefined ? {} : { search }),
    ...(team === undefined ? {} : { team }),
    ...(requester === undefined ? {} : { requester }),
    ...(schedule === undefined ? {} : { schedule }),
    ...(host === undefined ? {} : { host }),
    ...(before === undefined ? {} : { before }),
  };
}

async function runJobs(context: CommandContext, request: JobsRequest): Promise<ExitCode> {
  const { io } = context;
  return context.withApp(async (app) => {
    const { age, ...filter } = request;
    const jobs = await app.jobs({
      ...filter,
      ...(age === undefined ? {} : { since: io.now() - age }),
    });
    if (context.isJson) {
      await writeJson(io, { jobs });
      return EXIT.ok;
    }
    if (jobs.length === 0) {
      const isAll = Object.keys(request).every((key) => key === 'limit');
      const none = isAll ? 'no jobs yet; `perftrawl record --for 10s` makes one' : 'no such jobs';
      await writeLines(io.stderr, [none]);
      return EXIT.ok;
    }
    const columns = [
      { heading: 'JOB' },
      { heading: 'CREATED (UTC)' },
      { heading: 'STATE' },
      { heading: 'TOOK', align: 'right' as const },
      { heading: 'HOSTS', align: 'right' as const },
      { heading: 'WHAT', isFlexible: true as const },
    ];
    await writeLines(io.stdout, fitTable(columns, jobs.map(jobRow), io.columns));
    const interrupted = jobs.filter((job) => job.state === 'interrupted').map((job) => job.id);
    if (interrupted.length > 0) {
      await writeLines(io.stderr, [
        'interrupted jobs lost their controller; the agents keep what they recorded. Go on with:',
        ...interrupted.map((id) => `  perftrawl jobs resume ${id}`),
      ]);
    }
    return EXIT.ok;
  });
}

async function runShowJob(context: CommandContext, id: string): Promise<ExitCode> {
  return context.withApp(async (app) => {
    await reportJob(context, app, await app.job(id), []);
    return EXIT.ok;
  });
}

async function runCancel(context: CommandContext, id: string): Promise<ExitCode> {
  const { io } = context;
  return context.withApp(async (app) => {
    const { id: jobId } = await app.job(id);
    const job = await app.cancel(jobId, io.interrupt.stop);
    if (context.isJson) await writeJson(io, { job });
    else await writeLines(io.stdout, [`job ${job.id} is ${job.state}`]);
    return EXIT.ok;
  });
}

async function runResume(context: CommandContext, id: string): Promise<ExitCode> {
  return context.withApp(async (app) => {
    const job = await followJob(context, app, await app.job(id), 'resume');
    await reportJob(context, app, job, []);
    return exitCodeOfJob(job.state);
  });
}

async function runRemove(context: CommandContext, ids: readonly string[]): Promise<ExitCode> {
  const { io } = context;
  return context.withApp(async (app) => {
    // All are looked up before any goes: `rm last last` means one job, and a wrong name removes none.
    const jobs = [];
    for (const id of ids) jobs.push(await app.job(id));
    const removed = [...new Set(jobs.map((job) => job.id))];
    for (const id of removed) await app.deleteJob(id);
    if (context.isJson) await writeJson(io, { removed });
    else
      await writeLines(
        io.stdout,
        removed.map((id) => `removed job ${id}`),
      );
    return EXIT.ok;
  });
}

export function jobsCommand(session: CliSession) {
  const list = new Command('ls')
    .description('list jobs, the newest first')
    .option('-n, --limit <jobs>', 'at most so many', '20')
    .option('--state <state>', `only those that are ${STATES.join(', ')}`)
    .option('--since <duration>', 'of the last so much time, such as 2h or 7d')
    .option(
      '--search <words>',
      'with these words, or beginnings of them, in note, labels, hosts asked for, events or scripts',
    )
    .addOption(QUEUE_OPTIONS.label)
    .option('--team <team>', 'of this team')
    .option('--requester <who>', 'asked for by, as `jobs show` says it')
    .option('--schedule <name>', 'of this schedule')
    .option('--host <host>', 'on this host')
    .option('--before <job>', 'those that come after this one in the list')
    .addHelpText(
      'after',
      examples([
        { does: 'jobs that lost their controller', line: 'perftrawl jobs ls --state interrupted' },
        {
          does: 'what was it about page faults last week?',
          line: "perftrawl jobs ls --search 'page faults' --since 7d",
        },
        { does: 'all of one ticket', line: 'perftrawl jobs ls -l ticket=OPS-12 -n 100' },
      ]),
    )
    .action(async (flags) => session.end(await runJobs(session.context(), parseJobs(flags))));
  const show = new Command('show')
    .description('hosts, losses, cost and the top of one job')
    .argument('<job>', 'its id, the beginning of it, or `last`')
    .addHelpText('after', examples([{ does: 'how did the last job go?', line: 'perftrawl jobs show last' }]))
    .action(async (id) => session.end(await runShowJob(session.context(), id)));
  const cancel = new Command('cancel')
    .description('end a job on all its hosts and discard what it has, also when another process runs it')
    .argument('<job>', 'its id, the beginning of it, or `last`')
    .addHelpText('after', examples([{ does: 'never mind', line: 'perftrawl jobs cancel last' }]))
    .action(async (id) => session.end(await runCancel(session.context(), id)));
  const resume = new Command('resume')
    .description('take up a job whose controller went away; the agents have kept what they recorded')
    .argument('<job>', 'its id, the beginning of it, or `last`')
    .addHelpText(
      'after',
      examples([{ does: 'the terminal was closed during a capture', line: 'perftrawl jobs resume last' }]),
    )
    .action(async (id) => session.end(await runResume(session.context(), id)));
  const remove = new Command('rm')
    .description('delete jobs and their profiles')
    .argument('<jobs...>', 'ids')
    .addHelpText('after', examples([{ does: 'delete the last job', line: 'perftrawl jobs rm last' }]))
    .action(async (ids) => session.end(await runRemove(session.context(), ids)));
  return new Command('jobs')
    .description('what was captured, when, and how it ended')
    .addCommand(list, { isDefault: true })
    .addCommand(show)
    .addCommand(cancel)
    .addCommand(resume)
    .addCommand(remove)
    .addCommand(approveCommand(session))
    .addCommand(rejectCommand(session))
    .addHelpText(
      'after',
      examples([
        { does: 'the newest jobs', line: 'perftrawl jobs' },
        { does: 'finish what a closed terminal interrupted', line: 'perftrawl jobs resume last' },
      ]),
    );
}

function jobRow(job: Job): string[] {
  const { spec, note, hosts } = job.request;
  const took = job.ended === 0 ? '' : durationText(job.ended - (job.started || job.created));
  const what = note === '' ? describeSpec(spec) : `${describeSpec(spec)}: ${note}`;
  return [job.id, momentText(job.created), job.state, took, String(hosts.length), what];
}
