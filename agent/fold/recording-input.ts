// Feeds a recording of either kind, perf.data or perf script text, from a file or a stream into the parser for it.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { fail } from '../../proto/failure.js';

/** What the two parsers have in common. */
export interface RecordingParser {
  push(chunk: Uint8Array): void;
}

/** A parser that can be read into directly. */
export interface BufferedParser extends RecordingParser {
  reserve(): Uint8Array;
  commit(length: number): void;
}

export type RecordingFormat = 'perf-data' | 'perf-script';

/** Bytes that tell the formats apart. */
const HEAD = 8;
const TEXT_CHUNK = 1 << 20;

/** @throws FailureError `bad-data` for files that are known to be something else */
function detectFormat(head: Uint8Array): RecordingFormat {
  const magic = String.fromCharCode(...head.subarray(0, HEAD));
  if (magic.startsWith('PERF') || magic === '2ELIFREP') return 'perf-data';
  const compressed = magic.startsWith('\x1f\x8b') ? 'zcat' : magic.startsWith('\x28\xb5\x2f\xfd') ? 'zstdcat' : '';
  if (compressed !== '')
    throw fail('bad-data', 'the input is compressed', `unpack it first: ${compressed} FILE | perftrawl fold -`);
  if (magic.startsWith('\x7fELF')) throw fail('bad-data', 'the input is a program, not a recording of one');
  return 'perf-script';
}

/**
 * Read a whole file. @returns the parser that `parserFor` gave for its format
 * @throws FailureError `not-found`, `permission` or `bad-data`; what the parser throws
 */
export function readFile<P extends RecordingParser | BufferedParser>(
  path: string,
  parserFor: (format: RecordingFormat) => P,
): P {
  const descriptor = openRecording(path);
  try {
    const head = new Uint8Array(HEAD);
    const headLength = readFully(descriptor, head, path);
    if (headLength === 0) throw fail('bad-data', `${path} is empty`, 'record again');
    const parser = parserFor(detectFormat(head.subarray(0, headLength)));
    parser.push(head.subarray(0, headLength));
    if ('reserve' in parser) {
      for (let length = -1; length !== 0; ) {
        length = readSome(descriptor, parser.reserve(), path);
        parser.commit(length);
      }
    } else {
      const chunk = new Uint8Array(TEXT_CHUNK);
      for (let length = -1; length !== 0; ) {
        length = readSome(descriptor, chunk, path);
        parser.push(chunk.subarray(0, length));
      }
    }
    return parser;
  } finally {
    closeSync(descriptor);
  }
}

/** Read a whole stream; otherwise like `readFile`. */
export async function readStream<P extends RecordingParser>(
  stream: AsyncIterable<Uint8Array>,
  parserFor: (format: RecordingFormat) => P,
): Promise<P> {
  let head = new Uint8Array(0);
  let parser: P | undefined;
  for await (const chunk of stream) {
    if (parser !== undefined) {
      parser.push(chunk);
      continue;
    }
    const joined = new Uint8Array(head.length + chunk.length);
    joined.set(head);
    joined.set(chunk, head.length);
    head = joined;
    if (head.length < HEAD) continue;
    parser = parserFor(detectFormat(head));
    parser.push(head);
  }
  if (parser !== undefined) return parser;
  if (head.length === 0)
    throw fail('bad-data', 'standard input is empty', 'give a perf.data or the text of perf script');
  parser = parserFor(detectFormat(head));
  parser.push(head);
  return parser;
}

function openRecording(path: string): number {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (error) {
    throw readFailure(path, error);
  }
  if (!fstatSync(descriptor).isDirectory()) return descriptor;
  closeSync(descriptor);
  throw fail(
    'bad-data',
    `${path} is a directory (perf record --threads), which is not supported`,
    `read its text instead: perf script --no-inline -i ${path} | perftrawl fold -`,
  );
}

function readFully(descriptor: number, bytes: Uint8Array, path: string): number {
  let filled = 0;
  for (let length = -1; length !== 0 && filled < bytes.length; filled += length) {
    length = readSome(descriptor, bytes.subarray(filled), path);
  }
  return filled;
}

function readSome(descriptor: number, bytes: Uint8Array, path: string): number {
  try {
    return readSync(descriptor, bytes);
  } catch (error) {
    throw readFailure(path, error);
  }
}

function readFailure(path: string, error: unknown): Error {
  const code = error instanceof Error && 'code' in error ? error.code : '';
  const reason = error instanceof Error ? error.message : String(error);
  if (code === 'ENOENT')
    return fail('not-found', `there is no file ${path}`, 'record one with: perf record -g -- COMMAND', error);
  if (code === 'EACCES') return fail('permission', `${path} may not be read`, 'run as its owner or as root', error);
  return fail('bad-data', `${path} cannot be read: ${reason}`, '', error);
}
