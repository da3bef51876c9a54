// Options of the SVG flame graph and their defaults, all in one place.

/**
 * How frames get their colours. One hue: `hot`, `mem`, `io`, `red`, `green`, `blue`, `aqua`, `yellow`, `purple`, `orange`,
 * `wakeup`. By kind of code: `java`, `js`, `perl`. `chain`: wakers apart from what they woke (`_[w]`).
 * A function has the same colour in every graph of the same palette.
 */
export type PaletteName =
  | 'hot'
  | 'mem'
  | 'io'
  | 'java'
  | 'js'
  | 'perl'
  | 'red'
  | 'green'
  | 'blue'
  | 'aqua'
  | 'yellow'
  | 'purple'
  | 'orange'
  | 'wakeup'
  | 'chain';

/** Least width of a frame that is drawn. */
export type MinWidth = { readonly pixels: number } | { readonly percent: number };

export interface FlameGraphOptions {
  /** Which event of the profile. Default: its first. */
  readonly event?: string;
  /** Draw how often the event was sampled instead of the weight those samples stand for. Default false. */
  readonly countSamples?: boolean;
  /** Default `Flame Graph: cpu-clock`, `Page Fault Flame Graph`, …; `Icicle Graph` when inverted. */
  readonly title?: string;
  /** Default '': no line. The profile's losses always have a line of their own. */
  readonly subtitle?: string;
  /** What is counted, after each number: `pages`. Default: the event's name, or its unit where it is not a bare count. */
  readonly countName?: string;
  /** What a frame is, in the information line. Default `Function`. */
  readonly nameType?: string;
  /** Kept in the file's metadata, not shown. Default ''. */
  readonly notes?: string;
  /** Image width in pixels, at least 300. Default: as wide as the window; 1200 where scripts do not run. */
  readonly width?: number;
  /** Height of one frame in pixels, 8 to 100. Default 16. */
  readonly frameHeight?: number;
  /** Default 12. */
  readonly fontSize?: number;
  /** Any CSS font family; labels are measured in the browser as monospaced. Default: the system's monospaced font. */
  readonly fontFamily?: string;
  /** Default 0.1 pixels. */
  readonly minWidth?: MinWidth;
  /** Frames deeper than this are cut off; their weight stays with the frame they hang on. Default 1000. */
  readonly maxDepth?: number;
  /** Merge from the leaf: the functions that the samples fell in at the bottom, their callers above. Default false. */
  readonly reversed?: boolean;
  /** Icicle: the root at the top. Default false. */
  readonly inverted?: boolean;
  /** Default `hot`; `mem` for page faults. */
  readonly palette?: PaletteName;
  /** Put a frame for the process (label `comm`) under each stack, as the classic does. Default true. */
  readonly byProcess?: boolean;
}
