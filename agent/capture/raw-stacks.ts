// Raw stacks as text, every sample with its stack: `perf script` over the perf.data that a capture kept, when somebody asks.
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Artifact } from '../../proto/capture.js';
import { fail } from '../../proto/failure.js';
import type { Machine } from '../host/machine.js';
import { requirePerf } from '../host/tools.js';
import { describeEnd, startTool } from '../process.js';
import { createArtifact, findArtifact } from '../spool/artifact.js';
import { PERF_DATA } from './live-recording.js';
import { SCRIPT_DEADLINE, scriptArguments } from './perf-script.js';
import { PERF_SCRIPT } from './record-run.js';

const underWay = new Map<string, Promise<Artifact>>();

/**
 * The artifact, made at most once; undefined when the capture kept no perf.data.
 * @throws FailureError `tool-failed` when perf cannot read its own recording to the end, `exhausted`
 */
export async function makeRawStacks(
  machine: Machine,
  directory: string,
  reserve: (bytes: number) => void,
  signal: AbortSignal,
): Promise<Artifact | undefined> {
  if ((await findArtifact(directory, PERF_DATA)) === undefined) return undefined;
  await access(join(directory, PERF_DATA));
  let making = underWay.get(directory);
  if (making === undefined) {
    making = make(machine, directory, reserve, signal).finally(() => underWay.delete(directory));
    underWay.set(directory, making);
  }
  return making;
}

async function make(
  machine: Machine,
  directory: string,
  reserve: (bytes: number) => void,
  signal: AbortSignal,
): Promise<Artifact> {
  const perf = requirePerf(await machine.program('perf'), machine.distribution);
  const argv = scriptArguments(perf, join(directory, PERF_DATA), []);
  const writer = await createArtifact(directory, PERF_SCRIPT, 'text/plain', reserve);
  try {
    const tool = await startTool(argv, { signal, deadline: SCRIPT_DEADLINE, isBackground: true });
    try {
      for await (const chunk of tool.stdout) if (Buffer.isBuffer(chunk)) await writer.write(chunk);
    } finally {
      tool.stdout.destroy();
    }
    const result = await tool.done;
    signal.throwIfAborted();
    if (result.code === 0) return await writer.finish();
    const remedy = 'fetch perf.data instead, or capture with timestamps and export from those';
    throw fail('tool-failed', `perf script could not read perf.data to its end: ${describeEnd(result)}`, remedy);
  } catch (error) {
    await writer.discard();
    throw error;
  }
}
