// The WebAssembly demangler of gecko-profiler-demangle, made once: a second instance would corrupt the first.
// Its own entry imports the .wasm file as a module, which Node 20 does not do without a flag, so that is done here by hand.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

/** The demangled name with parameters, or the name itself when no scheme fits it. */
export function demangleAny(name: string): string {
  return glue.demangle_any(name);
}

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
