// The two files of gecko-profiler-demangle that are used, from its package; the build puts them into the agent that is sent to hosts.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

export interface DemanglerFiles {
  readonly glue: Glue;
  readonly wasm: Uint8Array;
}

export interface Glue {
  demangle_any(name: string): string;
  __wbg_set_wasm(exports: Readonly<Record<string, unknown>>): void;
}

/** The package's own entry imports the .wasm file as a module, which Node 20 does not do without a flag. */
export async function demanglerFiles(): Promise<DemanglerFiles> {
  const require = createRequire(import.meta.url);
  const entry = require.resolve('gecko-profiler-demangle');
  const glue: Glue = await import(new URL('./index_bg.js', pathToFileURL(entry)).href);
  return { glue, wasm: readFileSync(new URL('./index_bg.wasm', pathToFileURL(entry))) };
}
