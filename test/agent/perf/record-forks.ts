// A recording of a shell that forks and execs: names and maps that change from one sample to the next.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { output } from '../../oracle/perf-tools.js';

const SCRIPT = 'for i in 1 2 3 4 5 6 7 8 9 10; do ls / > /dev/null; (echo $i | sed s/1/2/ > /dev/null); done';

export interface ForkRecording {
  readonly directory: string;
  readonly perfData: string;
  dispose(): Promise<void>;
}

export async function recordForks(): Promise<ForkRecording> {
  const directory = await mkdtemp(path.join(tmpdir(), 'perftrawl-forks-'));
  const perfData = path.join(directory, 'perf.data');
  const dispose = () => rm(directory, { recursive: true, force: true });
  try {
    await output('perf', [
      'record',
      '-q',
      '-N',
      '-B',
      '-e',
      'page-faults',
      '-c',
      '1',
      '-g',
      '-o',
      perfData,
      '--',
      'sh',
      '-c',
      SCRIPT,
    ]);
  } catch (error) {
    await dispose();
    throw error;
  }
  return { directory, perfData, dispose };
}
