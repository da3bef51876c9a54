// Would this capture run here, and if not, why, and what would mend it. Opens the events as the capture would, and records nothing.
import type {
  CaptureSpec,
  EventSpec,
  KitSpec,
  PreflightResult,
  Problem,
  RecordSpec,
  StapSpec,
  StatSpec,
  WatchSpec,
} from '../../proto/capture.js';
import { type FailureError, toFailure } from '../../proto/failure.js';
import { countersOf, recordingOf } from '../../proto/watch-parts.js';
import { perfFailure } from '../perf/perf-failure.js';
import { recordArguments, recordProbeArguments } from '../perf/record-args.js';
import { statArguments, statProbeArguments } from '../perf/stat-args.js';
import { commandLine, type ResolvedTarget } from '../perf/target-args.js';
import { partRefusals, specRefusals } from '../policy/judge-spec.js';
import { filePathRefusal } from '../policy/permitted-file.js';
import { resolvePermitted } from '../policy/permitted-target.js';
import type { Policy } from '../policy/policy.js';
import { describeEnd, runTool } from '../process.js';
import { type Admission, admissionProblems } from './admission.js';
import { diskProblems, privilegeProblems, tracefsProblem } from './describe.js';
import { probeEvents, WELL_KNOWN_EVENTS } from './event-probe.js';
import { readHealth } from './health.js';
import { isTracefsMounted, type Machine } from './machine.js';
import { requirePerf } from './tools.js';

const PROBE_DEADLINE_MS = 20_000;

export interface PreflightSettings {
  readonly stateDirectory: string;
  readonly policy: Policy;
  readonly admission: Admission;
}

export async function preflight(
  machine: Machine,
  spec: CaptureSpec,
  { stateDirectory, policy, admission }: PreflightSettings,
  signal: AbortSignal,
): Promise<PreflightResult> {
  const problems = await diskProblems(stateDirectory);
  const refusals = specRefusals(policy, spec);
  // What may not run is not probed either: opening an event is more than looking.
  if (refusals.length > 0) return { problems: [...problems, ...refusals.map(fatal)], commandLines: [], processes: [] };
  // Reading a file observes nothing.
  if (spec.kind !== 'file') {
    const health = await readHealth(machine.files, machine.cpuCount, stateDirectory);
    problems.push(...admissionProblems(health, admission, spec.evenIfBusy === true));
  }
  switch (spec.kind) {
    case 'file':
      return {
        problems: [...problems, ...(await fileProblems(machine, policy, spec.path))],
        commandLines: [],
        processes: [],
      };
    case 'record':
    case 'stat':
      return withProblems(problems, await perfPreflight(machine, spec, policy, signal));
    case 'stap':
      return withProblems(problems, await stapPreflight(machine, spec, policy));
    case 'kit':
      return withProblems(problems, await kitPreflight(machine, spec, policy, signal));
    case 'watch':
      return withProblems(problems, await watchPreflight(machine, spec, policy, signal));
  }
}

/** Loaded when needed: an idle agent does not hold the catalogue. */
async function stapPreflight(machine: Machine, spec: StapSpec, policy: Policy): Promise<PreflightResult> {
  return (await import('../stap/stap-preflight.js')).stapPreflight(machine, spec, policy);
}

async function perfPreflight(
  machine: Machine,
  spec: RecordSpec | StatSpec,
  policy: Policy,
  signal: AbortSignal,
): Promise<PreflightResult> {
  const problems = privilegeProblems(machine);
  try {
    const perf = requirePerf(await machine.program('perf'), machine.distribution);
    const { target, processes, losses } = resolvePermitted(machine, policy, spec.target);
    problems.push(
      ...losses.map(({ detail }) => ({ code: 'refused-processes', message: detail, remedy: '', isFatal: false })),
    );
    const commandLines = [commandLine(realArguments(machine, spec, target, perf))];
    problems.push(...(await eventProblems(machine, spec, target, perf, signal)));
    return { problems, commandLines, processes };
  } catch (error) {
    problems.push(fatal(error));
    return { problems, commandLines: [], processes: [] };
  }
}

/** A kit runs with the parts that can: what is fatal for one of them is so for the kit only when no part is left. */
async function kitPreflight(
  machine: Machine,
  spec: KitSpec,
  policy: Policy,
  signal: AbortSignal,
): Promise<PreflightResult> {
  const parts: PreflightResult[] = [];
  for (const part of spec.parts) {
    const isStap = part.kind === 'stap';
    const refusals = partRefusals(policy, part);
    if (refusals.length > 0) parts.push({ problems: refusals.map(fatal), commandLines: [], processes: [] });
    else
      parts.push(
        isStap ? await stapPreflight(machine, part, policy) : await perfPreflight(machine, part, policy, signal),
      );
  }
  const isHopeless = parts.every(({ problems }) => problems.some((problem) => problem.isFatal));
  const problems = new Map<string, Problem>();
  for (const problem of parts.flatMap((part) => part.problems)) {
    problems.set(`${problem.code}\0${problem.message}`, { ...problem, isFatal: problem.isFatal && isHopeless });
  }
  const stap = parts.find((part) => part.stap !== undefined)?.stap;
  return {
    problems: [...problems.values()],
    commandLines: parts.flatMap((part) => part.commandLines),
    processes: parts.find((part) => part.processes.length > 0)?.processes ?? [],
    ...(stap === undefined ? {} : { stap }),
  };
}

/** All that it is made of has to run. */
async function watchPreflight(
  machine: Machine,
  spec: WatchSpec,
  policy: Policy,
  signal: AbortSignal,
): Promise<PreflightResult> {
  const results: PreflightResult[] = [];
  for (const part of [countersOf(spec), recordingOf(spec)]) {
    if (part !== undefined) results.push(await perfPreflight(machine, part, policy, signal));
  }
  const problems = new Map(
    results.flatMap((result) => result.problems).map((problem) => [`${problem.code}\0${problem.message}`, problem]),
  );
  return {
    problems: [...problems.values()],
    commandLines: results.flatMap(({ commandLines }) => commandLines),
    processes: results.find(({ processes }) => processes.length > 0)?.processes ?? [],
  };
}

function withProblems(problems: readonly Problem[], result: PreflightResult): PreflightResult {
  return { ...result, problems: [...problems, ...result.problems] };
}

function realArguments(machine: Machine, spec: RecordSpec | StatSpec, target: ResolvedTarget, perf: string): string[] {
  if (spec.kind === 'stat') return statArguments(spec, target, perf);
  return recordArguments(spec, target, '-', { perf, isRoot: machine.privilege().isRoot, cpuCount: machine.cpuCount });
}

/** All events at once; only when that fails one by one, to say which. */
async function eventProblems(
  machine: Machine,
  spec: RecordSpec | StatSpec,
  target: ResolvedTarget,
  perf: string,
  signal: AbortSignal,
): Promise<Problem[]> {
  const replaced = await missingCounters(spec, perf, signal);
  const together = await probe(machine, spec, target, perf, signal);
  if (together === undefined) return replaced;
  const problems: Problem[] = [];
  if (spec.events.length > 1) {
    for (const event of spec.events) {
      const failure = await probe(machine, { ...spec, events: [event] }, target, perf, signal);
      if (failure !== undefined) problems.push(fatal(failure));
    }
  }
  if (problems.length === 0) problems.push(fatal(together));
  const needsTracefs = spec.events.some(isTracepoint) && !isTracefsMounted(machine.files);
  return [...replaced, ...problems, ...(needsTracefs ? [tracefsProblem()] : [])];
}

async function probe(
  machine: Machine,
  spec: RecordSpec | StatSpec,
  target: ResolvedTarget,
  perf: string,
  signal: AbortSignal,
): Promise<FailureError | undefined> {
  const host = { perf, isRoot: machine.privilege().isRoot, cpuCount: machine.cpuCount };
  const isStat = spec.kind === 'stat';
  const argv = isStat ? statProbeArguments(spec, target, perf) : recordProbeArguments(spec, target, host);
  const result = await runTool(argv, { signal, deadline: PROBE_DEADLINE_MS, hasLog: isStat });
  if (result.code === 0) return undefined;
  const names = spec.events.map((event) => event.name).join(', ');
  return perfFailure({
    doing: `opening ${names} with perf ${spec.kind}`,
    stderr: result.stderr,
    end: result.signal === null ? `exit status ${result.code}` : describeEnd(result),
    isTracefsMounted: isTracefsMounted(machine.files),
  });
}

/** Hardware events of a host without such counters: perf stat says `<not supported>`, perf record takes a clock for cycles. */
async function missingCounters(spec: RecordSpec | StatSpec, perf: string, signal: AbortSignal): Promise<Problem[]> {
  const bareNames = spec.events.map((event) => event.name.replace(/:[ukhHGpPSIWeb]+$/, ''));
  const known = [...new Set(bareNames.filter((name) => WELL_KNOWN_EVENTS.includes(name)))];
  if (known.length === 0) return [];
  const { unusable } = await probeEvents(perf, known, signal);
  return unusable.map((event) => ({
    code: 'event-not-supported',
    message:
      spec.kind === 'record' && event === 'cycles'
        ? 'this host has no counter for cycles: perf record takes cpu-clock in its place'
        : `this host has no counter for ${event}`,
    remedy: 'use a software event such as cpu-clock or page-faults',
    isFatal: false,
  }));
}

function isTracepoint(event: EventSpec): boolean {
  return /^[a-z_]\w*:\w{3,}/i.test(event.name);
}

async function fileProblems(machine: Machine, policy: Policy, path: string): Promise<Problem[]> {
  if (!machine.files.exists(path)) {
    return [{ code: 'not-found', message: `no file ${path} on this host`, remedy: 'check the path', isFatal: true }];
  }
  const refusal = await filePathRefusal(policy, path);
  return refusal === undefined ? [] : [fatal(refusal)];
}

function fatal(error: unknown): Problem {
  return { ...toFailure(error), isFatal: true };
}
