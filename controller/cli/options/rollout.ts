// In which order hosts start, when no more of them do, and whether only a sample of them is observed.
import { Option } from '@commander-js/extra-typings';
import type { HealthLimit, Rollout, Share } from '../../api.js';
import { UsageError } from '../usage-error.js';
import { parseDuration } from './duration.js';
import { parsePercent, parseWhole } from './numbers.js';

/** As commander hands them over. */
export interface RolloutFlags {
  readonly canary?: string | undefined;
  readonly waves?: string | undefined;
  readonly failFast?: string | undefined;
  readonly settle?: string | undefined;
  readonly abortOn?: string | undefined;
  readonly sample?: string | undefined;
  readonly stratify?: string | undefined;
  readonly seed?: string | undefined;
}

export interface SampleOptions {
  readonly size: Share;
  readonly stratify?: string;
  /** Absent: any. */
  readonly seed?: string;
}

/** Options of every command that starts a job. */
export const ROLLOUT_OPTIONS = {
  canary: new Option('--canary <hosts>', 'start with so many hosts (1, or 1%), and stop when one of them fails'),
  waves: new Option(
    '--waves <shares>',
    'start the others wave by wave: how many hosts have started with each, such as 5%,25%,100% or 10,100; or `doubling`',
  ),
  failFast: new Option(
    '--fail-fast <percent>',
    'start no more hosts once more than so many of those that ended failed',
  ),
  abortOn: new Option(
    '--abort-on <limits>',
    "start no more once a capture made its host pass one, such as 'load>2,memory<10%,io-pressure>20%' (load is per CPU)",
  ),
  settle: new Option('--settle <duration>', 'pause between waves (default: none)'),
  sample: new Option('--sample <hosts>', 'only a random sample of the hosts: 10, or 5%'),
  stratify: new Option('--stratify <label>', 'with --sample: from each value of this label its share'),
  seed: new Option('--seed <text>', 'with --sample: draw the same hosts again'),
};

/** `doubling` is as many waves as the largest fleet needs; those beyond the last host are none. */
const DOUBLING: readonly Share[] = Array.from({ length: 20 }, (_, i) => ({ kind: 'hosts', hosts: 2 ** (i + 1) - 1 }));

/** @throws UsageError */
export function parseRollout({ canary, waves, failFast, settle, abortOn }: RolloutFlags): {
  readonly rollout?: Rollout;
} {
  if ([canary, waves, failFast, settle, abortOn].every((flag) => flag === undefined)) return {};
  if (settle !== undefined && canary === undefined && waves === undefined) {
    throw new UsageError('--settle is a pause between waves: give --canary or --waves, too');
  }
  return {
    rollout: {
      waves: waves === undefined ? [] : parseWaves(waves),
      settle: settle === undefined ? 0 : parseDuration('--settle', settle),
      ...(abortOn === undefined ? {} : { abortOn: abortOn.split(',').map(parseLimit) }),
      ...(canary === undefined ? {} : { canary: parseShare('--canary', canary) }),
      ...(failFast === undefined ? {} : { failFast: parsePercent('--fail-fast', failFast.replace(/%$/, '')) }),
    },
  };
}

/** @throws UsageError */
export function parseSample({ sample, stratify, seed }: RolloutFlags): { readonly sample?: SampleOptions } {
  if (sample === undefined) {
    if (stratify !== undefined) throw new UsageError('--stratify is about a sample: give --sample, too');
    if (seed !== undefined) throw new UsageError('--seed is about a sample: give --sample, too');
    return {};
  }
  return {
    sample: {
      size: parseShare('--sample', sample),
      ...(stratify === undefined ? {} : { stratify }),
      ...(seed === undefined ? {} : { seed }),
    },
  };
}

function parseWaves(text: string): readonly Share[] {
  if (text === 'doubling') return DOUBLING;
  const shares = text.split(',').map((part) => parseShare('--waves', part));
  for (const [i, share] of shares.entries()) {
    const before = shares[i - 1];
    if (before !== undefined && before.kind === share.kind && sizeOf(before) >= sizeOf(share)) {
      throw new UsageError(
        '--waves: each says how many hosts have started in all, so each is more than the one before',
      );
    }
  }
  return shares;
}

const LIMITS: readonly HealthLimit['of'][] = ['load', 'memory', 'cpu-pressure', 'memory-pressure', 'io-pressure'];

function parseLimit(text: string): HealthLimit {
  const match = /^([a-z-]+)([<>])(\d+(?:\.\d+)?)(%?)$/.exec(text);
  const of = LIMITS.find((name) => name === match?.[1]);
  const isRight = match?.[2] === (of === 'memory' ? '<' : '>') && (of === 'load') === (match?.[4] === '');
  if (match === null || of === undefined || !isRight) {
    throw new UsageError(
      `--abort-on: '${text}' is not one of load>N, memory<N%, cpu-pressure>N%, memory-pressure>N%, io-pressure>N%`,
    );
  }
  return { of, limit: Number(match[3]) };
}

function parseShare(option: string, text: string): Share {
  if (!text.endsWith('%')) return { kind: 'hosts', hosts: parseWhole(option, text, 1, 1_000_000) };
  const percent = parsePercent(option, text.slice(0, -1));
  if (percent === 0) throw new UsageError(`${option}: 0% is no host at all`);
  return { kind: 'percent', percent };
}

function sizeOf(share: Share): number {
  return share.kind === 'hosts' ? share.hosts : share.percent;
}
