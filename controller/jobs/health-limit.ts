// Whether a capture made its host worse than a rollout allows.
import type { HostHealth } from '../../proto/host-health.js';
import type { HealthLimit, HostRun } from '../api.js';

/** `load 3.2 per CPU, more than 2`; undefined when it is kept, was passed before the capture already, or nothing is known. */
export function worsening(limit: HealthLimit, run: HostRun): string | undefined {
  const { before, after } = run.checks ?? {};
  if (before === undefined || after === undefined) return undefined;
  const [was, is] = [before, after].map(({ health }) => readingOf(limit.of, health));
  if (was === undefined || is === undefined || isPassed(limit, was) || !isPassed(limit, is)) return undefined;
  const than = limit.of === 'memory' ? 'less' : 'more';
  return `${nameOf(limit.of)} went from ${was.toFixed(1)} to ${is.toFixed(1)}, ${than} than ${limit.limit}`;
}

function isPassed({ of, limit }: HealthLimit, value: number): boolean {
  return of === 'memory' ? value < limit : value > limit;
}

function readingOf(of: HealthLimit['of'], health: HostHealth): number | undefined {
  switch (of) {
    case 'load':
      return health.cpuCount === 0 ? undefined : health.load1 / health.cpuCount;
    case 'memory':
      return health.memoryTotalBytes === 0 ? undefined : (health.memoryAvailableBytes / health.memoryTotalBytes) * 100;
    case 'cpu-pressure':
      return health.pressure?.cpu;
    case 'memory-pressure':
      return health.pressure?.memory;
    case 'io-pressure':
      return health.pressure?.io;
  }
}

function nameOf(of: HealthLimit['of']): string {
  switch (of) {
    case 'load':
      return 'load per CPU';
    case 'memory':
      return 'available memory in percent';
    case 'cpu-pressure':
    case 'memory-pressure':
    case 'io-pressure':
      return `${of} in percent`;
  }
}
