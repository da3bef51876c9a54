// What an export format is: from a profile or a counter series to the bytes of one file.
import type { CounterSeries } from '../../profile/counter-series.js';
import type { Profile } from '../../profile/profile.js';
import type { FlameGraphOptions } from './svg/flame-graph-options.js';

/** Name of a format as people type it after `--format`. */
export type FormatName = 'folded' | 'svg' | 'pprof' | 'perf-script' | 'json' | 'series-json' | 'series-csv';

/** What any exporter may be told; each takes what it knows. All have defaults. */
export interface ExportOptions extends FlameGraphOptions {
  /** Annotate frames as the classic collapse does: `kernel` adds `_[k]`, `jit` adds `_[j]`. Folded only. Default: neither. */
  readonly annotate?: { readonly kernel?: boolean; readonly jit?: boolean };
  /** Write the addresses of frames without a name. Folded only. Default false. */
  readonly withAddresses?: boolean;
  /** Name the process by `comm`, `comm-pid` or `comm-pid/tid` (where the capture kept pid and tid). Folded only. Default `comm`. */
  readonly process?: 'comm' | 'comm-pid' | 'comm-pid-tid';
}

/** Parts of the file in order: texts are UTF-8. Nothing is computed before the first part is asked for. */
export type ExportParts = Iterable<string | Uint8Array>;

interface ExporterFacts {
  readonly format: FormatName;
  readonly mediaType: string;
  /** With the dot: `.svg`. */
  readonly extension: string;
  /** One line for the help text. */
  readonly describe: string;
}

/** `timed`: a profile that kept its timestamps (`Profile.timed`); writing one that did not throws an ExportError. */
export type Exporter =
  | (ExporterFacts & {
      readonly needs: 'profile' | 'timed';
      readonly write: (profile: Profile, options?: ExportOptions) => ExportParts;
    })
  | (ExporterFacts & {
      readonly needs: 'series';
      readonly write: (series: CounterSeries, options?: ExportOptions) => ExportParts;
    });

/** The thing asked for cannot be written from this profile; the message says why and what to try. */
export class ExportError extends Error {
  override readonly name = 'ExportError';
}
