// What captures of each kind bring: so that an agent which sends something else is noticed.
import type { CaptureSpec, FileSpec, KitPart } from '../../proto/capture.js';

/** `maybe`: as it happens, or as the script wills. */
type Amount = 'always' | 'maybe' | 'never';

export interface Gives {
  readonly profile: Amount;
  readonly counters: Amount;
  /** Histograms and lines of text; `always`: there is a series, if only an empty one. */
  readonly histograms: Amount;
  /** Firings of a watch; absent: none. */
  readonly firings?: number;
  /** Parts whose end is told. */
  readonly parts: readonly KitPart['kind'][];
}

/** What a capture that has finished gives. */
export function givesOf(spec: CaptureSpec): Gives {
  switch (spec.kind) {
    case 'record':
      return { profile: 'always', counters: 'never', histograms: 'never', parts: [] };
    case 'stat':
      return { profile: 'never', counters: 'always', histograms: 'never', parts: [] };
    case 'stap':
      return { profile: 'maybe', counters: 'never', histograms: 'always', parts: [] };
    case 'watch':
      return { profile: 'never', counters: 'always', histograms: 'never', firings: spec.most, parts: [] };
    case 'file':
      return givesOfFile(spec);
    case 'kit': {
      const parts = spec.parts.map(({ kind }) => kind);
      return {
        profile: parts.some((part) => part !== 'stat') ? 'maybe' : 'never',
        counters: parts.includes('stat') ? 'maybe' : 'never',
        histograms: parts.includes('stap') ? 'always' : 'never',
        parts,
      };
    }
  }
}

/** A format that is detected may turn out to be stap's. */
function givesOfFile({ format }: FileSpec): Gives {
  const rest = { counters: 'never', parts: [] } as const;
  if (format === 'stap-text') return { ...rest, profile: 'maybe', histograms: 'always' };
  return { ...rest, profile: 'always', histograms: format === 'detect' ? 'maybe' : 'never' };
}

/** What each part of a capture is asked for: itself, or the parts of a kit. */
export function partsOf(spec: CaptureSpec): readonly CaptureSpec[] {
  return spec.kind === 'kit' ? spec.parts : [spec];
}
