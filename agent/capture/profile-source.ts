// The two ways to a profile, behind one shape: perf's binary stream, and the text of `perf script`.
import type { Loss } from '../../profile/loss.js';
import type { Profile } from '../../profile/profile.js';
import type { Detail } from '../../proto/capture.js';
import { PerfDataParser } from '../perf/perf-data-parser.js';
import { ScriptParser } from '../perf/script-parser.js';
import type { MapRecord } from '../perf/sideband-record.js';
import type { KernelSymbol, ObjectContext } from '../symbolize/object-context.js';
import type { ObjectKeeper } from '../symbolize/object-keeper.js';
import type { Progress } from './capture-context.js';

export interface RawProfile {
  readonly profile: Profile;
  readonly losses: readonly Loss[];
  /** Empty when the names are in the profile already. */
  readonly objects: readonly ObjectContext[];
  readonly kernelSymbols: readonly KernelSymbol[];
  /** Stacks were copied to be unwound: only `perf script` can. */
  readonly needsUnwinding: boolean;
}

export interface ProfileSource extends Progress {
  /** Keeps nothing of `chunk` itself. @throws FailureError `bad-data` when nothing can be made of the input */
  push(chunk: Uint8Array): void;
  end(): RawProfile;
}

/** @param keeper for a live recording: told of what is mapped, so that it can be named when its process is gone */
export function perfDataSource(detail: Detail, keeper?: ObjectKeeper): ProfileSource {
  return sourceOf(parserOf(detail, keeper));
}

/** A ring that perf has written out: newest first, and older than was asked for. @param since nanoseconds of its clock */
export function ringSource(detail: Detail, keeper: ObjectKeeper, since: number): RingSource {
  const parser = parserOf(detail, keeper, { isUnordered: true, since });
  const source = sourceOf(parser);
  const { end } = source;
  return Object.assign(source, { end: () => ({ ...end(), span: parser.span }) });
}

export interface RingSource extends Omit<ProfileSource, 'end'> {
  end(): RawRing;
}

interface RawRing extends RawProfile {
  /** The first and the last sample, nanoseconds of its clock; NaN without any. */
  readonly span: { readonly first: number; readonly last: number };
}

function parserOf(
  { split, keepTimestamps }: Detail,
  keeper?: ObjectKeeper,
  ring: { readonly isUnordered?: boolean; readonly since?: number } = {},
): PerfDataParser {
  const isLive = keeper !== undefined;
  const onMap = (map: MapRecord) => {
    if (!map.isExecutable || map.isKernel) return;
    const { pid, filename: path, inode, start, length } = map;
    keeper?.note({ pid, path, inode, start, end: start + length });
  };
  return new PerfDataParser({ split, keepTimestamps, isLive, ...ring, ...(isLive ? { onMap } : {}) });
}

function sourceOf(parser: PerfDataParser): ProfileSource {
  return {
    get samples() {
      return parser.samples;
    },
    get bytes() {
      return parser.bytes;
    },
    get lost() {
      return parser.lost;
    },
    push: (chunk) => parser.push(chunk),
    end: () => {
      const { profile, objects, kernelSymbols, needsUnwinding } = parser.end();
      return { profile, losses: profile.losses, objects, kernelSymbols, needsUnwinding };
    },
  };
}

export function perfScriptSource({ split, keepTimestamps }: Detail): ProfileSource {
  const parser = new ScriptParser({ split, keepTimestamps });
  let bytes = 0;
  return {
    samples: 0,
    lost: 0,
    get bytes() {
      return bytes;
    },
    push: (chunk) => {
      bytes += chunk.length;
      parser.push(chunk);
    },
    end: () => ({ ...parser.end(), objects: [], kernelSymbols: [], needsUnwinding: false }),
  };
}
