// A host whose files are a table: for readers of /proc and the like.
import type { HostFiles } from '../../agent/host/host-files.js';
import { memorySource } from '../../agent/symbolize/byte-source.js';

/** Every path that begins with a key of `table` and ends there has its bytes. */
export function memoryFiles(table: Readonly<Record<string, Uint8Array>>): HostFiles {
  const at = (path: string): Uint8Array | undefined => (Object.hasOwn(table, path) ? table[path] : undefined);
  const paths = Object.keys(table);
  return {
    text: (path) => {
      const bytes = at(path);
      return bytes === undefined ? undefined : Buffer.from(bytes).toString('utf8');
    },
    bytes: at,
    open: (path) => {
      const bytes = at(path);
      return bytes === undefined ? undefined : { ...memorySource(bytes), close: () => undefined };
    },
    exists: (path) => paths.some((known) => known === path || known.startsWith(`${path}/`)),
    names: (path) => {
      const inside = paths
        .filter((known) => known.startsWith(`${path}/`))
        .map((known) => known.slice(path.length + 1).split('/')[0]);
      return [...new Set(inside)];
    },
    owner: () => 0,
  };
}
