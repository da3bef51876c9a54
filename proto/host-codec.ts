// What an agent tells of its host, its processes and its captures: plain values to messages and back.
import type { CaptureInfo, HostDescription, PreflightResult, Problem, ProcessInfo, Tool } from './capture.js';
import { defined, oneOf } from './defined.js';
import { toState } from './event-codec.js';
import type { perftrawl } from './generated/perftrawl.js';
import { planFromMessage } from './stap-codec.js';

export function hostToMessage(host: HostDescription): perftrawl.v1.HostDescription.$Properties {
  const { clock, tools, runningCaptures, usableEvents, unusableEvents, problems, ...same } = host;
  return {
    ...same,
    clockMs: clock,
    tools: tools.map((tool) => ({ ...tool })),
    runningCaptures: [...runningCaptures],
    usableEvents: [...usableEvents],
    unusableEvents: [...unusableEvents],
    problems: problems.map((problem) => ({ ...problem })),
  };
}

export function hostFromMessage(message: perftrawl.v1.HostDescription.$Properties): HostDescription {
  const host = defined(message);
  return {
    hostname: host.hostname ?? '',
    kernelRelease: host.kernelRelease ?? '',
    kernelBuildId: host.kernelBuildId ?? '',
    architecture: host.architecture ?? '',
    cpuCount: host.cpuCount ?? 0,
    memoryBytes: host.memoryBytes ?? 0,
    osName: host.osName ?? '',
    agentVersion: host.agentVersion ?? '',
    tools: (host.tools ?? []).map(toTool),
    perfEventParanoid: host.perfEventParanoid ?? 0,
    kptrRestrict: host.kptrRestrict ?? 0,
    isRoot: host.isRoot ?? false,
    clock: host.clockMs ?? 0,
    runningCaptures: host.runningCaptures ?? [],
    usableEvents: host.usableEvents ?? [],
    unusableEvents: host.unusableEvents ?? [],
    problems: (host.problems ?? []).map(toProblem),
  };
}

export function preflightToMessage(result: PreflightResult): perftrawl.v1.PreflightResponse.$Properties {
  return {
    problems: result.problems.map((problem) => ({ ...problem })),
    commandLines: [...result.commandLines],
    processes: result.processes.map((process) => ({ ...process })),
    ...(result.stap && { stap: { ...result.stap } }),
  };
}

export function preflightFromMessage(message: perftrawl.v1.PreflightResponse.$Properties): PreflightResult {
  return {
    problems: (message.problems ?? []).map(toProblem),
    commandLines: message.commandLines ?? [],
    processes: (message.processes ?? []).map(processFromMessage),
    ...(message.stap ? { stap: planFromMessage(message.stap) } : {}),
  };
}

export function processFromMessage(message: perftrawl.v1.ProcessInfo.$Properties): ProcessInfo {
  const { pid = 0, comm = '', cmdline = '', cgroup = '', uid = 0 } = defined(message);
  return { pid, comm, cmdline, cgroup, uid };
}

export function captureInfoToMessage(info: CaptureInfo): perftrawl.v1.CaptureInfo.$Properties {
  const { captureId, kind, state, started, lastSequence, spooledBytes } = info;
  return { captureId, kind, state, startedMs: started, lastSequence, spooledBytes };
}

export function captureInfoFromMessage(message: perftrawl.v1.CaptureInfo.$Properties): CaptureInfo {
  return {
    captureId: message.captureId ?? '',
    kind: oneOf(['record', 'stat', 'file', 'stap', 'kit', 'watch'] as const, message.kind ?? '', 'capture kind'),
    state: toState(message.state ?? ''),
    started: message.startedMs ?? 0,
    lastSequence: message.lastSequence ?? 0,
    spooledBytes: message.spooledBytes ?? 0,
  };
}

function toTool(message: perftrawl.v1.Tool.$Properties): Tool {
  const { name = '', version = '', path = '' } = defined(message);
  return { name, version, path };
}

function toProblem(message: perftrawl.v1.Problem.$Properties): Problem {
  const { code = '', message: text = '', remedy = '', isFatal = false } = defined(message);
  return { code, message: text, remedy, isFatal };
}
