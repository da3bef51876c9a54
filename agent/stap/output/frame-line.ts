// One line of a stack as stap prints them: runtime/sym.c (_stp_snprint_addr) and the tapsets context-symbols, ucontext-symbols.
//
//    0xffffffff81234567 : do_page_fault+0x12/0x5f0 [kernel]            print_backtrace, print_ubacktrace
//    0x401136 : main+0x1f/0x60 at main.c:12 [/usr/bin/x]               …_fileline
//    0x401136 : main+0x1f/0x60 [/usr/bin/x]                            print_syms, print_usyms
//    0x401136 [/usr/bin/x+0x1136/0x2000]                               an object, but no symbol (print_usyms: the address twice)
//   do_page_fault+0x12 [kernel]   main+0x1f                            sprint_backtrace, sprint_ubacktrace, …_brief
//    0x7f001122aa00                                                    neither
//   0x401136 0x401200 0x7f001122aa00                                   backtrace(), ubacktrace(): a whole stack in one line

export interface StapFrame {
  /** '0' when the form has none. Lower-case hex without 0x. */
  readonly address: string;
  /** '' when stap found none. */
  readonly name: string;
  /** As printed between brackets, without an offset; '' when there is none. */
  readonly object: string;
  /** Offset in the object, where stap printed that instead of a symbol: hex without 0x; '' otherwise. */
  readonly objectOffset: string;
  readonly file: string;
  readonly line: number;
}

/** How sure it is that a line is a frame: `maybe` only below a frame that is sure, or where a script told that frames come. */
export interface FrameReading {
  readonly frames: readonly StapFrame[];
  readonly isSure: boolean;
}

const INEXACT = ' (inexact)';
/** At a kretprobe the first two frames have these before them. */
const returning = /^Returning (?:from|to {2}): /;
const listOfAddresses = /^(?:0x[0-9a-f]{1,16}[ \t]+)+0x[0-9a-f]{1,16}$/;
const withAddress = /^0x([0-9a-f]{1,16})(?: : (.+)| (\[.+)|)$/;
const offset = /\+0x([0-9a-f]{1,16})(?:\/0x[0-9a-f]{1,16})?/y;
const shortName = /^[A-Za-z_.$][\w.$@]*\+0x/;
const bareAddress = /^0x[0-9a-f]{1,16}$/;
const fileAndLine = /^ at ([^ ].*?)(?::(\d{1,9}))?$/;
/** A code address that no number of a script looks like: above 4 GiB. */
const LEAST_SURE_DIGITS = 9;

/** Undefined when the line has none of the forms. */
export function readFrames(text: string): FrameReading | undefined {
  if (!text.includes('0x')) return undefined;
  let line = text.trim();
  if (line.endsWith(INEXACT)) line = line.slice(0, -INEXACT.length);
  if (line.startsWith('Returning ')) line = line.replace(returning, '').trimStart();
  if (listOfAddresses.test(line)) return readList(line);
  const match = withAddress.exec(line);
  if (match === null) {
    const frame = shortName.test(line) ? readSymbol('0', line) : undefined;
    return frame === undefined ? undefined : { frames: [frame], isSure: true };
  }
  const [, address, named, inObject] = match;
  if (named === undefined && inObject === undefined) {
    return { frames: [{ ...NOTHING, address }], isSure: address.length >= LEAST_SURE_DIGITS && /^ 0x/.test(text) };
  }
  const rest = named ?? inObject ?? '';
  const frame = readSymbol(address, rest) ?? readObject(address, rest);
  if (frame !== undefined) return { frames: [frame], isSure: true };
  // print_usyms of an address that nothing is known about prints it twice
  return bareAddress.test(rest) ? { frames: [{ ...NOTHING, address }], isSure: true } : undefined;
}

/** `<no user backtrace at PROBE>`: stap's words for a stack that it could not walk. */
export function isNoBacktrace(text: string): boolean {
  return /^ *<no (?:kernel|user) backtrace [^>]*>$/.test(text);
}

const NOTHING: StapFrame = { address: '0', name: '', object: '', objectOffset: '', file: '', line: 0 };

function readList(line: string): FrameReading {
  const addresses = line.split(/[ \t]+/).map((address) => address.slice(2));
  const isSure = addresses.some((address) => address.length >= LEAST_SURE_DIGITS);
  return { frames: addresses.map((address) => ({ ...NOTHING, address })), isSure };
}

/** `NAME+0x1f[/0x60][ at FILE[:LINE]][ [OBJECT]]`. */
function readSymbol(address: string, rest: string): StapFrame | undefined {
  const end = rest.indexOf('+0x');
  if (end <= 0 || rest.startsWith('[') || bareAddress.test(rest.slice(0, rest.indexOf(' ')))) return undefined;
  offset.lastIndex = end;
  const match = offset.exec(rest);
  if (match === null) return undefined;
  let behind = rest.slice(end + match[0].length);
  let object = '';
  const bracket = behind.lastIndexOf(' [');
  if (bracket >= 0 && behind.endsWith(']')) {
    object = behind.slice(bracket + 2, -1);
    behind = behind.slice(0, bracket);
  }
  const source = readSource(behind);
  return source && { address, name: rest.slice(0, end), object, objectOffset: '', ...source };
}

/** `[OBJECT+0x1136[/0x2000]][ at FILE[:LINE]]`, perhaps behind the address once more. */
function readObject(address: string, text: string): StapFrame | undefined {
  const rest = text.startsWith('0x') ? text.slice(text.indexOf(' ') + 1) : text;
  const end = rest.lastIndexOf('+0x');
  if (!rest.startsWith('[') || end < 0) return undefined;
  offset.lastIndex = end;
  const match = offset.exec(rest);
  const close = match === null ? -1 : end + match[0].length;
  if (match === null || rest[close] !== ']') return undefined;
  const source = readSource(rest.slice(close + 1));
  return source && { address, name: '', object: rest.slice(1, end), objectOffset: match[1], ...source };
}

function readSource(text: string): { readonly file: string; readonly line: number } | undefined {
  if (text === '') return { file: '', line: 0 };
  const match = fileAndLine.exec(text);
  return match === null ? undefined : { file: match[1], line: Number(match[2] ?? 0) };
}
