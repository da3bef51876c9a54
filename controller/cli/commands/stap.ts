// `perftrawl stap`: a SystemTap script on many hosts at once; its histograms merged, its text kept.
import { Command, Option } from '@commander-js/extra-typings';
import type { StapSpec } from '../../../proto/capture.js';
import type { App, Host } from '../../api.js';
import { type CliSession, examples, gather, HOST_OPTIONS, SELECTOR_OPTIONS, TARGET_OPTIONS } from '../command.js';
import type { CommandContext } from '../context.js';
import { type ExitCode, exitCodeOfJob } from '../exit-codes.js';
import { reportJob } from '../job-report.js';
import { readLocalFile } from '../local-file.js';
import { parseDuration, parsePrintInterval } from '../options/duration.js';
import { QUEUE_OPTIONS } from '../options/queue.js';
import { parseRestraint, RESTRAINT_OPTIONS, type RestraintFlags } from '../options/restraint.js';
import { ROLLOUT_OPTIONS } from '../options/rollout.js';
import {
  isScriptFile,
  LONGEST_SCRIPT,
  parseCatalogueScript,
  parseOverhead,
  parseOwnScript,
  type ScriptOptions,
} from '../options/script.js';
import { SYNC_OPTIONS } from '../options/sync.js';
import { parseTarget, type TargetOptions } from '../options/target.js';
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
import { listScriptsCommand, showScriptCommand } from './stap-catalogue.js';

/** As commander hands them over. */
interface StapFlags extends TargetOptions, JobFlags, RestraintFlags, ScriptOptions {
  readonly for: string;
  readonly interval?: string | undefined;
  readonly buildOn?: string | undefined;
  readonly overhead: string;
  readonly keepRaw?: true | undefined;
}

interface StapRequest {
  readonly spec: StapSpec;
  readonly job: JobOptions;
  readonly buildOn: string | undefined;
  /** False: the spec's interval is still to be chosen. */
  readonly hasInterval: boolean;
}

/** How often a script prints when neither the person nor the script says it. */
const DEFAULT_INTERVAL = 10_000;
export const DEFAULT_OVERHEAD = '10%';

/** Reads the file of a script of one's own. @throws UsageError, and what reading throws */
async function parseStap(name: string, command: readonly string[], flags: StapFlags): Promise<StapRequest> {
  const duration = parseDuration('--for', flags.for);
  const isOwn = isScriptFile(name);
  const interval = flags.interval === undefined ? 0 : parsePrintInterval('--interval', flags.interval);
  if (interval > duration) {
    throw new UsageError(`--interval: an interval of ${flags.interval} does not fit in --for ${flags.for}`);
  }
  const target = parseStapTarget(flags);
  if (command.length > 0 && target.kind !== 'system') {
    throw new UsageError('-- COMMAND: the script watches the command; give no processes besides');
  }
  return {
    spec: {
      kind: 'stap',
      target,
      duration,
      interval,
      script: isOwn
        ? parseOwnScript(name, await readLocalFile(name, LONGEST_SCRIPT), flags)
        : parseCatalogueScript(name, flags),
      ...(command.length === 0 ? {} : { command: command.map(checkWord) }),
      overheadPercent: parseOverhead('--overhead', flags.overhead),
      keepRaw: flags.keepRaw === true,
      ...parseRestraint(flags),
    },
    job: parseJobOptions(flags),
    buildOn: flags.buildOn,
    hasInterval: isOwn || flags.interval !== undefined,
  };
}

/** What the script itself says, for scripts of stacks print once where others print every few seconds. */
async function defaultInterval(app: App, host: Host, { script, duration }: StapSpec, signal: AbortSignal) {
  const [answer] = await app.scripts([host], signal);
  const known = answer?.ok ? answer.value.find(({ name }) => name === script.name) : undefined;
  const text = known?.parameters.find(({ name }) => name === 'interval')?.default ?? '';
  const interval = /^\d+(ms|s|m)?$/.test(text) ? parsePrintInterval('--interval', text) : DEFAULT_INTERVAL;
  return Math.min(interval, duration);
}

/** SystemTap watches the whole system or processes. @throws UsageError */
export function parseStapTarget(flags: TargetOptions) {
  if (flags.cgroup !== undefined) {
    throw new UsageError('--cgroup: SystemTap watches processes, not cgroups; give --unit or --container');
  }
  return parseTarget(flags);
}

function checkWord(word: string): string {
  if (word.length > 65_536 || word.includes('\0')) throw new UsageError('-- COMMAND: a word of it is too long');
  return word;
}

async function runStap(context: CommandContext, request: StapRequest): Promise<ExitCode> {
  return context.withApp(async (app) => {
    const hosts = selectHosts(app, request.job);
    const { buildOn, hasInterval } = request;
    const { stop } = context.io.interrupt;
    const interval = hasInterval ? request.spec.interval : await defaultInterval(app, hosts[0], request.spec, stop);
    const spec = { ...request.spec, interval };
    const options =
      buildOn === undefined ? request.job : { ...request.job, buildHost: namedHost(app, '--build-on', buildOn) };
    const job = await startJob(context, app, spec, hosts, options);
    await reportJob(context, app, job, []);
    return exitCodeOfJob(job.state);
  });
}

/** Options that `stap` and `faults` have in common. */
export const STAP_OPTIONS = {
  pid: new Option('-x, --pid <pids>', 'these processes, comma separated'),
  cgroup: new Option('-G, --cgroup <path>').hideHelp(),
  buildOn: new Option(
    '--build-on <host>',
    'compile once per kernel on this host and send the modules (default: each host compiles by itself)',
  ),
  overhead: new Option('--overhead <percent>', 'share of each CPU that probes may take before the script ends').default(
    DEFAULT_OVERHEAD,
  ),
};

export function stapCommand(session: CliSession) {
  return new Command('stap')
    .description('run a SystemTap script of the catalogue, or your own, on all chosen hosts and merge its histograms')
    .argument('<script>', 'a name of `perftrawl stap ls`, or a file such as ./my.stp')
    .argument('[command...]', 'after --: a command to run on the hosts, which the script watches')
    .option('--for <duration>', 'how long, such as 30s, 5m or 1h', '30s')
    .option(
      '--interval <interval>',
      'how often the script prints; 0: once, at the end (default: what suits the script)',
    )
    .addOption(
      new Option('-p, --param <name=value>', 'a parameter of the script; may be given several times').argParser(gather),
    )
    .addOption(
      new Option('--arg <value>', '$1, @1, … of a script of your own; may be given several times').argParser(gather),
    )
    .addOption(STAP_OPTIONS.pid)
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
    .addOption(STAP_OPTIONS.buildOn)
    .addOption(STAP_OPTIONS.overhead)
    .option('-g, --guru', 'guru mode; the policy of each host must name the script')
    .option('--keep-raw', 'keep what stap printed on the hosts for `perftrawl artifacts`')
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
    .addCommand(listScriptsCommand(session))
    .addCommand(showScriptCommand(session))
    .addHelpText(
      'after',
      examples([
        {
          does: 'how long do page faults of postgres take on the database hosts, by type?',
          line: 'perftrawl stap pagefault-latency --comm postgres --on role=db --for 60s --interval 10s',
        },
        {
          does: 'the hosts have no compiler: compile on one that has',
          line: 'perftrawl stap runq-latency --on role=db --build-on build1',
        },
        {
          does: 'a script of your own, where the policy of the hosts allows it',
          line: 'perftrawl stap ./my.stp --for 10s',
        },
        { does: 'watch a command from its start', line: 'perftrawl stap syscall-latency -- /usr/bin/du -s /var' },
      ]),
    )
    .action(async (script, command, flags) =>
      session.end(await runStap(session.context(), await parseStap(script, command, flags))),
    );
}
