// Adds up what a capture costs its host.
import type { Cost } from '../../proto/capture.js';
import type { ToolResult } from '../process.js';

export class CostMeter {
  readonly #startCpu = process.cpuUsage();
  readonly #start = performance.now();
  #toolCpu = 0;
  #toolPeak = 0;
  #agentPeak = process.memoryUsage.rss();
  /** Bytes that perf wrote. */
  recordedBytes = 0;

  addTool(result: ToolResult): void {
    this.#toolCpu += result.cpu;
    this.#toolPeak = Math.max(this.#toolPeak, result.peakMemoryBytes);
  }

  /** What a part of this capture cost, but for the agent's own share, which is measured once. */
  addPart(part: CostMeter): void {
    this.#toolCpu += part.#toolCpu;
    this.#toolPeak = Math.max(this.#toolPeak, part.#toolPeak);
    this.recordedBytes += part.recordedBytes;
  }

  /** Call now and then: the agent's peak is the highest of these. */
  sampleMemory(): void {
    this.#agentPeak = Math.max(this.#agentPeak, process.memoryUsage.rss());
  }

  get elapsed(): number {
    return performance.now() - this.#start;
  }

  cost(spooledBytes: number): Cost {
    this.sampleMemory();
    const agent = process.cpuUsage(this.#startCpu);
    return {
      toolCpu: Math.round(this.#toolCpu),
      agentCpu: Math.round((agent.user + agent.system) / 1000),
      peakMemoryBytes: this.#agentPeak + this.#toolPeak,
      recordedBytes: this.recordedBytes,
      spooledBytes,
      wall: Math.round(this.elapsed),
    };
  }
}
