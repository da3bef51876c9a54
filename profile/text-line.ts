// A line of a script's output that is neither histogram nor stack: kept as it was printed, in order.

export interface TextLine {
  /** When the agent read it, milliseconds since the capture began. */
  readonly time: number;
  /** Line of its stream, from 1 on. */
  readonly number: number;
  readonly stream: 'stdout' | 'stderr';
  /** Without the line end. */
  readonly text: string;
}
