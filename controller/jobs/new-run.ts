// A host run that has not begun.
import type { Host, HostRun } from '../api.js';

export function newRun(jobId: string, host: Host): HostRun {
  return {
    ...{ jobId, host: host.name, captureId: `${jobId}.${host.name}`, state: 'waiting', captureState: undefined },
    ...{ sequence: 0, started: 0, ended: 0, failure: undefined, losses: [], cost: undefined },
    ...{ artifacts: [], commandLines: [], parts: [], module: undefined },
    progress: { elapsed: 0, samples: 0, bytes: 0, lost: 0 },
  };
}
