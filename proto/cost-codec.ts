// What a capture cost: plain value to message and back.
import { budgetFromMessage } from './budget.js';
import type { Cost } from './capture.js';
import type { perftrawl } from './generated/perftrawl.js';

export function costToMessage({ budget, ...cost }: Cost): perftrawl.v1.Cost.$Properties {
  return {
    toolCpuMs: cost.toolCpu,
    agentCpuMs: cost.agentCpu,
    peakMemoryBytes: cost.peakMemoryBytes,
    recordedBytes: cost.recordedBytes,
    spooledBytes: cost.spooledBytes,
    wallMs: cost.wall,
    ...(budget && {
      cpuCount: budget.cpuCount,
      budget: { ...budget.limits },
      allowedCpuMs: budget.allowedCpu,
      recordingCpuMs: budget.recordingCpu,
      recordingMs: budget.recording,
      overBudget: budget.overBudget,
    }),
  };
}

export function costFromMessage(message: perftrawl.v1.Cost.$Properties): Cost {
  const cost: Cost = {
    toolCpu: message.toolCpuMs ?? 0,
    agentCpu: message.agentCpuMs ?? 0,
    peakMemoryBytes: message.peakMemoryBytes ?? 0,
    recordedBytes: message.recordedBytes ?? 0,
    spooledBytes: message.spooledBytes ?? 0,
    wall: message.wallMs ?? 0,
  };
  if (!message.cpuCount) return cost;
  const { cpuPercent = 0, memoryBytes = 0, spoolBytes = 0 } = budgetFromMessage(message.budget ?? {});
  const budget = {
    limits: { cpuPercent, memoryBytes, spoolBytes },
    cpuCount: message.cpuCount,
    allowedCpu: message.allowedCpuMs ?? 0,
    recordingCpu: message.recordingCpuMs ?? 0,
    recording: message.recordingMs ?? 0,
    overBudget: message.overBudget ?? '',
  };
  return { ...cost, budget };
}
