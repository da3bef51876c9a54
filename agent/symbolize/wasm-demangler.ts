// The WebAssembly demangler of gecko-profiler-demangle, made once: a second instance would corrupt the first.
import { demanglerFiles } from './wasm-demangler-files.js';

/** The demangled name with parameters, or the name itself when no scheme fits it; undefined once the instance has broken down. */
export type DemangleAny = (name: string) => string | undefined;

/** Rejects where the package did not come with the agent. */
export function openDemangler(): Promise<DemangleAny> {
  opened ??= open();
  return opened;
}

let opened: Promise<DemangleAny> | undefined;

/** The little of the JavaScript API for WebAssembly that is used; it is in no library of types without a DOM. */
declare const WebAssembly: {
  instantiate(
    bytes: Uint8Array,
    imports: object,
  ): Promise<{ readonly instance: { readonly exports: Readonly<Record<string, unknown>> } }>;
};

async function open(): Promise<DemangleAny> {
  const { glue, wasm } = await demanglerFiles();
  const { instance } = await WebAssembly.instantiate(wasm, { './index_bg.js': { ...glue } });
  glue.__wbg_set_wasm(instance.exports);
  const start = instance.exports.__wbindgen_start;
  if (typeof start === 'function') start();
  let isBroken = false;
  return (name) => {
    if (isBroken) return undefined;
    try {
      return glue.demangle_any(name);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      // A trap (a panic in Rust) leaves the instance's memory in no defined state.
      isBroken = true;
      return undefined;
    }
  };
}
