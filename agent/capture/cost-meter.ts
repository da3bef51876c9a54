// Adds up what a capture costs its host, while it runs: CPU time and memory of its tools and of the agent, and bytes.
import type { Cost, Milliseconds } from '../../proto/capture.js';
import type { RunningTool, ToolResult } from '../process.js';

/** Captures that are measured now: what the agent itself takes is shared out among them. */
let measured = 0;

export class CostMeter {
  readonly #start = performance.now();
  readonly #tools = new Set<RunningTool>();
  readonly #parts: CostMeter[] = [];
  #endedCpu: Milliseconds = 0;
  #largestTool = 0;
  #agentCpu: Milliseconds = 0;
  #agentSeen = process.cpuUsage();
  #agentPeak = process.memoryUsage.rss();
  #peak = 0;
  #isOpen = false;
  /** Bytes that perf wrote. */
  recordedBytes = 0;

  /** From now on until `close`, this capture bears its share of the agent's own cost. */
  open(): void {
    this.#isOpen = true;
    measured++;
    this.#agentSeen = process.cpuUsage();
  }

  close(): void {
    if (!this.#isOpen) return;
    this.sample();
    this.#isOpen = false;
    measured--;
  }

  /** Count a tool while it runs; `addTool` follows when it has ended. */
  watch(tool: RunningTool): void {
    this.#tools.add(tool);
  }

  addTool(result: ToolResult, tool?: RunningTool): void {
    if (tool !== undefined) this.#tools.delete(tool);
    this.addProgram(result);
  }

  /** Something that has run to its end, and was not watched while it ran. */
  addProgram({ cpu, peakMemoryBytes }: Pick<ToolResult, 'cpu' | 'peakMemoryBytes'>): void {
    this.#endedCpu += cpu;
    this.#largestTool = Math.max(this.#largestTool, peakMemoryBytes);
  }

  /** A part of this capture, whose tools count for it. */
  addPart(part: CostMeter): void {
    this.#parts.push(part);
  }

  /** Call now and then: peaks are the highest of these looks. */
  sample(): void {
    const now = process.cpuUsage();
    const used = now.user + now.system - this.#agentSeen.user - this.#agentSeen.system;
    this.#agentSeen = now;
    if (this.#isOpen) this.#agentCpu += used / 1000 / measured;
    this.#agentPeak = Math.max(this.#agentPeak, process.memoryUsage.rss());
    this.#peak = Math.max(this.#peak, this.memoryBytes);
  }

  get elapsed(): Milliseconds {
    return performance.now() - this.#start;
  }

  /** CPU time of tools, those that run included, and of the agent, until the last `sample`. */
  get cpu(): Milliseconds {
    return this.#toolCpu + this.#agentCpu;
  }

  /** Resident now: the agent, and the tools as they were seen last. */
  get memoryBytes(): number {
    return process.memoryUsage.rss() + this.toolMemoryBytes;
  }

  get toolMemoryBytes(): number {
    const own = [...this.#tools].reduce((sum, tool) => sum + tool.usage().memoryBytes, 0);
    return this.#parts.reduce((sum, part) => sum + part.toolMemoryBytes, own);
  }

  cost(spooledBytes: number): Cost {
    this.sample();
    return {
      toolCpu: Math.round(this.#toolCpu),
      agentCpu: Math.round(this.#agentCpu),
      peakMemoryBytes: Math.max(this.#peak, this.#agentPeak + this.#largest),
      recordedBytes: this.#recorded,
      spooledBytes,
      wall: Math.round(this.elapsed),
    };
  }

  get #toolCpu(): Milliseconds {
    const own = [...this.#tools].reduce((sum, tool) => sum + tool.usage().cpu, this.#endedCpu);
    return this.#parts.reduce((sum, part) => sum + part.#toolCpu, own);
  }

  get #largest(): number {
    return Math.max(this.#largestTool, ...this.#parts.map((part) => part.#largest));
  }

  get #recorded(): number {
    return this.#parts.reduce((sum, part) => sum + part.#recorded, this.recordedBytes);
  }
}
