// Reads what is to be folded and gives its addresses names: perf.data by our own reader, everything else by the text parser.
import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import type { Loss } from '../../profile/loss.js';
import type { Profile } from '../../profile/profile.js';
import { fail } from '../../proto/failure.js';
import type { CollectedProfile } from '../perf/collector.js';
import { PerfDataParser } from '../perf/perf-data-parser.js';
import { ScriptParser } from '../perf/script-parser.js';
import { createLocalHost } from '../symbolize/local-host.js';
import type { ObjectContext } from '../symbolize/object-context.js';
import { createSymbolizer } from '../symbolize/symbolizer.js';
import type { FoldArguments } from './fold-options.js';
import { type RecordingFormat, readFile, readStream } from './recording-input.js';

/** A recording with names, however it was read. */
export interface NamedRecording {
  readonly profile: Profile;
  /** Empty where addresses are as they were in the process. */
  readonly objects: readonly ObjectContext[];
  readonly firstEvent: CollectedProfile['firstEvent'];
  readonly losses: readonly Loss[];
}

/** Nobody waits for a symbolizer that long; it is there to end a hang. */
const SYMBOL_BUDGET = 600_000;

/** @throws FailureError when the input cannot be read */
export async function readRecording(
  { input, withPid, withTid }: FoldArguments,
  stdin: Readable,
): Promise<NamedRecording> {
  const split = withTid ? 'tid' : withPid ? 'pid' : 'comm';
  const detail = { split, keepTimestamps: false, isLive: false } as const;
  const parserFor = (format: RecordingFormat) =>
    format === 'perf-data' ? new PerfDataParser(detail) : new ScriptParser(detail);
  const parser = input === '-' ? await readStream(stdin, parserFor) : readFile(input, parserFor);
  if (parser instanceof ScriptParser) return ofText(parser);
  const collected = parser.end();
  if (collected.needsUnwinding && input !== '-') {
    const text = new ScriptParser(detail);
    await runPerfScript(input, text);
    return ofText(text);
  }
  return symbolized(collected);
}

function ofText(parser: ScriptParser): NamedRecording {
  const { profile, losses } = parser.end();
  return { profile, objects: [], firstEvent: profile.sampleTypes[1]?.type ?? '', losses };
}

async function symbolized({ profile, objects, kernelSymbols, firstEvent }: CollectedProfile): Promise<NamedRecording> {
  const symbolizer = createSymbolizer(createLocalHost());
  const options = { lines: false, budget: SYMBOL_BUDGET, demangle: true, kernelSymbols };
  const named = await symbolizer.symbolize(profile, objects, options);
  return { profile: named.profile, objects, firstEvent, losses: [...profile.losses, ...named.losses] };
}

/** Copied user stacks (`--call-graph dwarf`) are unwound by perf itself. */
function runPerfScript(path: string, parser: ScriptParser): Promise<void> {
  return new Promise((resolve, reject) => {
    // `--` would end perf's options but not its scripts; a path is made one by its directory.
    const file = path.startsWith('/') ? path : `./${path}`;
    const child = spawn('perf', ['script', '--no-inline', '-i', file], { stdio: ['ignore', 'pipe', 'pipe'] });
    let complaint = '';
    child.stderr.on('data', (chunk: Buffer) => {
      complaint = (complaint + chunk.toString()).slice(-2000);
    });
    child.stdout.on('data', (chunk: Buffer) => parser.push(chunk));
    child.on('error', (error) => {
      const message = `${path} holds user stacks to be unwound (--call-graph dwarf), and perf, which does that, cannot be run`;
      reject(fail('tool-missing', message, 'install perf (Debian: linux-perf)', error));
    });
    child.on('close', (code) => {
      if (code === 0) resolve();
      else reject(fail('tool-failed', `perf script ended with status ${code}: ${complaint.trim()}`));
    });
  });
}
