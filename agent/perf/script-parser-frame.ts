// One frame line of `perf script` text, `7f12ab main+0x1f (/bin/x)`, and the source line that may follow it.

/** A frame as printed. */
export interface FrameText {
  readonly addressLo: number;
  readonly addressHi: number;
  /** Function name without `+0x…`; '' where perf printed none or `[unknown]`. */
  readonly name: string;
  /** The object as printed; '' where perf printed none or `[unknown]`. */
  readonly object: string;
  /** A function inlined into that of the next frame line, which has the same address. */
  readonly isInlined: boolean;
}

/** A source line as printed below a frame with `-F +srcline`. */
export interface SourceText {
  /** '' when perf found none. */
  readonly file: string;
  readonly line: number;
  readonly isInlined: boolean;
}

const addressAndRest = /^(?:0x)?([0-9a-f]{1,16})(?:[ \t]+(\S.*))?$/;
const symbolOffset = /\+0x[0-9a-f]+$/;
const sourceLine = /^(.*):(\d{1,9})$/;
const discriminator = / \(discriminator \d+\)$/;
const objectOffset = /\[(?:0x)?[0-9a-f]+\]$/;
const INLINED = ' (inlined)';

/** Read a line without its line end and the blanks around it; undefined when it is no frame. */
export function readFrame(line: string): FrameText | undefined {
  const match = addressAndRest.exec(line);
  if (match === null) return undefined;
  const digits = match[1];
  const rest = match[2] ?? '';
  const isInlined = rest.endsWith(INLINED);
  const split = isInlined ? rest.length - INLINED.length : objectStart(rest);
  const name = rest
    .slice(0, split < 0 ? rest.length : split)
    .trimEnd()
    .replace(symbolOffset, '');
  const object = isInlined || split < 0 ? '' : rest.slice(split).trimStart().slice(1, -1).replace(symbolOffset, '');
  return {
    addressLo: Number.parseInt(digits.slice(-8), 16),
    addressHi: digits.length > 8 ? Number.parseInt(digits.slice(0, -8), 16) : 0,
    name: isUnknown(name) ? '' : name,
    object: isUnknown(object) ? '' : object,
    isInlined,
  };
}

/** Read a trimmed line below a frame; undefined when it is no source line. `libc.so.6[27b25]` and `:0` say that none is known. */
export function readSource(line: string): SourceText | undefined {
  const isInlined = line.endsWith(INLINED);
  const bare = (isInlined ? line.slice(0, -INLINED.length) : line).replace(discriminator, '');
  if (objectOffset.test(bare)) return { file: '', line: 0, isInlined };
  const match = sourceLine.exec(bare);
  if (match === null) return undefined;
  const file = match[1] === '??' ? '' : match[1];
  return { file, line: file === '' ? 0 : Number(match[2]), isInlined };
}

/**
 * Read the frame at the end of a header line, as perf prints it without call graphs: `[data address] address symbol (object)`.
 * Undefined when there is none (a tracepoint's arguments, a data address alone).
 */
export function readFrameOfHeader(rest: string): FrameText | undefined {
  if (!rest.endsWith(')')) return undefined;
  const behindDataAddress = /^[0-9a-f]{1,16}[ \t]+([0-9a-f]{4,16}[ \t].*)$/.exec(rest);
  const frame = readFrame(behindDataAddress?.[1] ?? rest);
  return frame === undefined || (frame.name === '' && frame.object === '' && !rest.includes('[unknown]'))
    ? undefined
    : frame;
}

/**
 * Where ` (object)` begins at the end of a frame line, -1 when there is none. Symbols and objects can both hold parentheses
 * (`std::function<void (int)>::operator()(int) const (/opt/app (x86)/bin (deleted))`), so the last one is matched.
 */
function objectStart(rest: string): number {
  if (!rest.endsWith(')')) return -1;
  let depth = 0;
  for (let i = rest.length - 1; i >= 0; i--) {
    if (rest[i] === ')') depth++;
    else if (rest[i] === '(' && --depth === 0) return i === 0 ? 0 : rest[i - 1] === ' ' ? i - 1 : -1;
  }
  return rest.lastIndexOf(' (');
}

function isUnknown(text: string): boolean {
  return text === '[unknown]' || text === '';
}
