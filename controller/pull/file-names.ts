// Names of hosts, events and artifacts as names of files: harmless on every file system, and never the same for two different names.
import { createHash } from 'node:crypto';

/** Without `~`, which marks names that were changed; nor a leading dot or dash. */
const PLAIN = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$/;
/** Windows takes them for devices, whatever their ending. */
const DEVICE = /^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)/i;
/** What `.part` ends is not whole yet; Windows drops a dot at the end. */
const LAST = /\.part$|\.$/i;
/** What is left of a name that was changed, so that a person knows it again. */
const mostReadable = 60;

/**
 * A file name for each of these names. Most stay as they are; others (`../etc`, `a b`, `nul.txt`, a name that differs from another one
 * in upper and lower case only) become readable letters, `~` and a part of their SHA-256. The same list gives the same names in any order.
 */
export function fileNames(names: readonly string[]): ReadonlyMap<string, string> {
  const byFolded = new Map<string, Set<string>>();
  for (const name of names) {
    const folded = fileName(name).toLowerCase();
    byFolded.set(folded, (byFolded.get(folded) ?? new Set()).add(name));
  }
  const isAlone = (name: string): boolean => (byFolded.get(fileName(name).toLowerCase())?.size ?? 0) < 2;
  return new Map(
    names.map((name) => [name, isAlone(name) || name === name.toLowerCase() ? fileName(name) : markedName(name)]),
  );
}

/** Of one name; two that differ in upper and lower case only stay so. */
export function fileName(name: string): string {
  return PLAIN.test(name) && !DEVICE.test(name) && !LAST.test(name) ? name : markedName(name);
}

function markedName(name: string): string {
  const readable = name.slice(0, mostReadable).replace(/[^A-Za-z0-9._-]/g, '_');
  const start = /^[A-Za-z0-9_]/.test(readable) && !DEVICE.test(readable) ? readable : `_${readable}`;
  // Of the UTF-16 units: as UTF-8, lone surrogates would be one and the same.
  const mark = createHash('sha256').update(Buffer.from(name, 'utf16le')).digest('hex').slice(0, 16);
  return `${start}~${mark}`;
}

const SEGMENT = /^[A-Za-z0-9_][A-Za-z0-9._~-]{0,119}$/;
const mostSegments = 8;

/** Whether a path of a manifest is one that this program makes: relative, with `/`, and without a way out. */
export function isInnerPath(path: string): boolean {
  const segments = path.split('/');
  const isSound = (segment: string) => SEGMENT.test(segment) && !LAST.test(segment) && !DEVICE.test(segment);
  return segments.length <= mostSegments && segments.every(isSound);
}
