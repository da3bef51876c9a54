// `perftrawl doctor`: what each host lacks, and the command that mends it.
import { Command } from '@commander-js/extra-typings';
import type { HostDescription, PreflightResult, Problem, RecordSpec } from '../../../proto/capture.js';
import type { Failure } from '../../../proto/failure.js';
import type { Answer } from '../../api.js';
import { weightText, withCommas } from '../../views/number-text.js';
import { printable } from '../../views/printable.js';
import { type CliSession, examples, HOST_OPTIONS } from '../command.js';
import type { CommandContext } from '../context.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { writeJson, writeLines } from '../io.js';
import { type HostChoice, parseHostChoice, selectHosts } from '../run-job.js';
import { type Fit, fitOf, probeSpec } from './stap-catalogue.js';

interface DoctorRequest extends HostChoice {
  /** Of the catalogue. */
  readonly script: string | undefined;
}

interface HostReport {
  readonly host: string;
  readonly description: HostDescription | undefined;
  readonly failure: Failure | undefined;
  readonly problems: readonly Problem[];
  /** Whether the script that was asked about runs there. */
  readonly stap: Fit | undefined;
  /** Difference of the clocks, milliseconds: host minus this machine. */
  readonly clockOffset: number;
}

/** The capture that a host should at least be able to make. */
const PROBE: RecordSpec = {
  kind: 'record',
  target: { kind: 'system' },
  duration: 1000,
  events: [{ name: 'cpu-clock' }],
  rate: { frequency: 99 },
  callGraph: { mode: 'fp' },
  detail: { split: 'comm', keepTimestamps: false, lines: false },
  keepRaw: false,
};

/** What `--stap` is about when no script is named. */
const DEFAULT_SCRIPT = 'pagefault-latency';

/** A clock that is further away makes start times of hosts hard to compare. */
const TOLERATED_OFFSET = 2000;

async function runDoctor(context: CommandContext, request: DoctorRequest): Promise<ExitCode> {
  const { io } = context;
  return context.withApp(async (app) => {
    const hosts = selectHosts(app, request);
    const asked = io.now();
    const descriptions = await app.describe(hosts, io.interrupt.stop);
    const answered = io.now();
    const reachable = descriptions.flatMap((answer) => (answer.ok ? [answer.host] : []));
    const preflights = reachable.length === 0 ? [] : await app.preflight(reachable, PROBE, io.interrupt.stop);
    const { script } = request;
    const scripted =
      script === undefined || reachable.length === 0
        ? []
        : await app.preflight(reachable, probeSpec(script), io.interrupt.stop);
    const reports = descriptions.map((answer) => {
      const ofHost = (other: Answer<PreflightResult>): boolean => other.host.name === answer.host.name;
      const probed = [...preflights.filter(ofHost), ...scripted.filter(ofHost)].flatMap(problemsOf);
      const report = reportOf(answer, probed, { asked, answered });
      const stap = scripted.filter(ofHost).map((preflight) => fitOf(script ?? '', preflight))[0];
      return { ...report, stap };
    });
    if (context.isJson) await writeJson(io, { hosts: reports });
    else
      await writeLines(
        io.stdout,
        reports.flatMap((report) => reportLines(context, report)),
      );
    return reports.some(hasFatal) ? EXIT.failed : EXIT.ok;
  });
}

export function doctorCommand(session: CliSession) {
  return new Command('doctor')
    .description('say what is missing on each host, and the command that mends it; exit code 1 if captures would fail')
    .addOption(HOST_OPTIONS.on)
    .addOption(HOST_OPTIONS.hosts)
    .option('--stap [script]', `also whether a SystemTap script runs there (default: ${DEFAULT_SCRIPT})`)
    .addHelpText(
      'after',
      examples([
        { does: 'is everything ready?', line: 'perftrawl doctor' },
        { does: 'only the web hosts, for a script', line: 'perftrawl doctor --on role=web --json' },
        { does: 'what is missing for SystemTap?', line: 'perftrawl doctor --on role=db --stap pagefault-latency' },
      ]),
    )
    .action(async (flags) => {
      const script = flags.stap === true ? DEFAULT_SCRIPT : flags.stap;
      session.end(await runDoctor(session.context(), { ...parseHostChoice(flags), script }));
    });
}

function problemsOf(answer: Answer<{ readonly problems: readonly Problem[] }>): readonly Problem[] {
  if (answer.ok) return answer.value.problems;
  const { code, message, remedy } = answer.failure;
  return [{ code, message, remedy, isFatal: true }];
}

function reportOf(answer: Answer<HostDescription>, probed: readonly Problem[], between: Span): HostReport {
  const host = answer.host.name;
  if (!answer.ok) {
    return { host, description: undefined, failure: answer.failure, problems: [], stap: undefined, clockOffset: 0 };
  }
  const clockOffset = offsetOf(answer.value.clock, between);
  const problems = distinct([...answer.value.problems, ...probed]);
  if (Math.abs(clockOffset) > TOLERATED_OFFSET) {
    problems.push({
      code: 'clock-offset',
      message: `its clock is ${withCommas(Math.abs(clockOffset))} ms ${clockOffset > 0 ? 'ahead of' : 'behind'} this machine's`,
      remedy: 'timedatectl set-ntp true',
      isFatal: false,
    });
  }
  return { host, description: answer.value, failure: undefined, problems, stap: undefined, clockOffset };
}

interface Span {
  /** Milliseconds since 1970 UTC, by this machine's clock. */
  readonly asked: number;
  readonly answered: number;
}

/** How far a clock that was read between two instants is off at least; 0 when it lies between them. */
function offsetOf(clock: number, { asked, answered }: Span): number {
  if (clock < asked) return Math.round(clock - asked);
  return clock > answered ? Math.round(clock - answered) : 0;
}

/** Describe and preflight may both tell of the same thing. */
function distinct(problems: readonly Problem[]): Problem[] {
  return [...new Map(problems.map((problem) => [`${problem.code}\0${problem.message}`, problem])).values()];
}

function hasFatal(report: HostReport): boolean {
  return report.failure !== undefined || report.problems.some((problem) => problem.isFatal);
}

function reportLines(context: CommandContext, report: HostReport): string[] {
  const { bold, red, yellow, green, dim } = context.colours;
  const name = bold(printable(report.host));
  if (report.failure !== undefined) {
    return [`${red('✗')} ${name}  ${printable(report.failure.message)}`, ...remedyLines(report.failure.remedy), ''];
  }
  const { description, problems } = report;
  const mark = hasFatal(report) ? red('✗') : problems.length > 0 ? yellow('!') : green('✓');
  const lines = [`${mark} ${name}${description === undefined ? '' : `  ${dim(printable(factsText(description)))}`}`];
  if (problems.length === 0) lines.push('    ready to capture');
  if (report.stap !== undefined) lines.push(`    stap ${printable(fitText(report.stap))}`);
  for (const problem of problems) {
    const severity = problem.isFatal ? red('captures fail') : yellow('less to see');
    lines.push(`    ${severity}: ${printable(problem.message)}`, ...remedyLines(problem.remedy));
  }
  if (description !== undefined && description.unusableEvents.length > 0) {
    lines.push(`    ${dim(`events that do not work there: ${printable(description.unusableEvents.join(', '))}`)}`);
  }
  return [...lines, ''];
}

function fitText({ script, runs, variant }: Fit): string {
  const which = variant === '' ? script : `${script} (${variant})`;
  if (runs === 'yes') return `${which} runs here`;
  return runs === 'elsewhere' ? `${which} runs here, compiled elsewhere with --build-on` : `${which} does not run here`;
}

function remedyLines(remedy: string): string[] {
  return remedy === '' ? [] : [`      mend it with: ${printable(remedy)}`];
}

function factsText(host: HostDescription): string {
  const perf = host.tools.find((tool) => tool.name === 'perf');
  return [
    host.osName,
    `Linux ${host.kernelRelease} ${host.architecture}`,
    `${host.cpuCount} CPUs`,
    weightText(host.memoryBytes, 'bytes'),
    perf === undefined || perf.version === '' ? 'no perf' : `perf ${perf.version}`,
    `agent ${host.agentVersion}`,
  ].join(', ');
}
