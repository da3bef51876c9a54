// The WebAssembly demangler of gecko-profiler-demangle, made once: a second instance would corrupt the first.
// Its own entry imports the .wasm file as a module, which Node 20 does not do without a flag, so that is done here by hand.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

/** The demangled name with parameters, or the name itself when no scheme fits it; undefined once the instance has broken down. */
export function demangleAny(name: string): string | undefined {
  if (isBroken) return undefined;
  try {
    return glue.demangle_any(name);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    // A trap (a panic in Rust) leaves the instance's memory in no defined state.
    isBroken = true;
    return undefined;
  }
}

let isBroken = false;

interface Glue {
  demangle_any(name: string): string;
  __wbg_set_wasm(exports: Exports): void;
}

type Exports = Readonly<Record<string, unknown>>;

/** The little of the JavaScript API for WebAssembly that is used; it is in no library of types without a DOM. */
declare const WebAssembly: {
  instantiate(bytes: Uint8Array, imports: object): Promise<{ readonly instance: { readonly exports: Exports } }>;
};

const require = createRequire(import.meta.url);
const entry = require.resolve('gecko-profiler-demangle');
const glue: Glue = await import(new URL('./index_bg.js', pathToFileURL(entry)).href);
const bytes = readFileSync(new URL('./index_bg.wasm', pathToFileURL(entry)));
const { instance } = await WebAssembly.instantiate(bytes, { './index_bg.js': { ...glue } });
glue.__wbg_set_wasm(instance.exports);
const start = instance.exports.__wbindgen_start;
if (typeof start === 'function') start();
