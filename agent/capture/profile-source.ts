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
export function perfDataSource({ split, keepTimestamps }: Detail, keeper?: ObjectKeeper): ProfileSource {
  const isLive = keeper !== undefined;
  const onMap = (map: MapRecord) => {
    if (!map.isExecutable || map.isKernel) return;
    const { pid, filename: path, inode, start, length } = map;
    keeper?.note({ pid, path, inode, start, end: start + length });
  };
  const parser = new PerfDataParser({ split, keepTimestamps, isLive, ...(isLive ? { onMap } : {}) });
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
