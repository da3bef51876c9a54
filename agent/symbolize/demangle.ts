// Demangles C++, Rust and OCaml names as perf prints them: without parameters. c++filt where the host has it, else WebAssembly.
import type { Milliseconds } from '../../proto/capture.js';
import type { SymbolHost } from './symbol-host.js';

/** Mangled name to readable name, for those of `names` that are mangled. */
export async function demangleNames(
  host: SymbolHost,
  names: Iterable<string>,
  timeout: Milliseconds,
): Promise<ReadonlyMap<string, string>> {
  const readable = new Map<string, string>();
  const mangled: string[] = [];
  for (const name of names) {
    if (isOcaml(name)) readable.set(name, demangleOcaml(name));
    else if (isMangled(name)) mangled.push(name);
  }
  if (mangled.length === 0) return readable;
  const left = await demangleWithFilter(host, mangled, readable, timeout);
  if (left.length > 0) await demangleWithWasm(left, readable);
  return readable;
}

const MAX_OUTPUT = 1 << 28;
/** perf calls libiberty's demangler with no options, which is what these two flags make of c++filt. */
const FILTER = ['c++filt', '-p', '-i'];

/** C++ (`_Z`), Rust v0 (`_R`); legacy Rust looks like C++. */
function isMangled(name: string): boolean {
  return name.startsWith('_Z') || name.startsWith('_R') || name.startsWith('_GLOBAL_');
}

/** @returns the names that c++filt did not do: all when it is missing, and those it would split into several words */
async function demangleWithFilter(
  host: SymbolHost,
  names: readonly string[],
  readable: Map<string, string>,
  timeout: Milliseconds,
): Promise<string[]> {
  const words = names.filter((name) => /^[\w$.]+$/.test(name));
  const others = names.filter((name) => !/^[\w$.]+$/.test(name));
  if (words.length === 0) return others;
  const input = Buffer.from(`${words.join('\n')}\n`);
  const result = await host.run(FILTER, input, { timeout, maxOutput: MAX_OUTPUT });
  const lines = Buffer.from(result.output).toString('utf8').split('\n');
  if (result.state !== 'ended' || lines.length !== words.length + 1) return [...names];
  words.forEach((name, index) => {
    readable.set(name, lines[index]);
  });
  return others;
}

/** Where the package did not come with the agent, or gives up on a hostile name, names stay as they are: mangled but true. */
async function demangleWithWasm(names: readonly string[], readable: Map<string, string>): Promise<void> {
  const demangleAny = await import('./wasm-demangler.js')
    .then(({ openDemangler }) => openDemangler())
    .catch(() => undefined);
  if (demangleAny === undefined) return;
  for (const name of names) {
    const demangled = demangleAny(name);
    if (demangled === undefined) return;
    readable.set(name, withoutParameters(name, demangled));
  }
}

/**
 * What perf leaves of a C++ name: `Foo::bar` of `Foo::bar(int, char) const [clone .cold]`. Rust names have no parameters, but the
 * statics that a compiler splits have a number: `ARGV` of `ARGV.0`.
 */
export function withoutParameters(mangled: string, demangled: string): string {
  if (demangled === mangled) return demangled;
  if (mangled.startsWith('_R')) return withoutNumbers(demangled);
  const whole = withoutClones(demangled).replaceAll(', >', '>').replaceAll('_GLOBAL__N_1', '(anonymous namespace)');
  const name = withoutQualifiers(whole);
  if (!name.endsWith(')')) return whole;
  let depth = 0;
  for (let at = name.length - 1; at > 0; at--) {
    if (name[at] === ')') depth++;
    else if (name[at] === '(') depth--;
    if (depth === 0) return name.slice(0, at);
  }
  return whole;
}

// Names of hostile files have 64 KiB: what they end in is looked for from the end, since a pattern would try every beginning.

/** `ARGV` of `ARGV.0.1`. */
function withoutNumbers(name: string): string {
  for (let end = name.length; ; ) {
    let at = end;
    while (at > 0 && name[at - 1] >= '0' && name[at - 1] <= '9') at--;
    if (at === end || name[at - 1] !== '.') return name.slice(0, end);
    end = at - 1;
  }
}

/** `f()` of `f() [clone .isra.0] [clone .cold]`. */
function withoutClones(name: string): string {
  let end = name.length;
  while (name[end - 1] === ']') {
    const open = name.lastIndexOf(' [clone ', end - 1);
    if (open < 0 || name.lastIndexOf(']', end - 2) > open) break;
    end = open;
  }
  return name.slice(0, end);
}

const QUALIFIERS = [' const', ' volatile', ' &', ' &&'];

function withoutQualifiers(name: string): string {
  let end = name.length;
  for (let last: string | undefined = ''; last !== undefined; end -= last?.length ?? 0) {
    const to = end;
    last = QUALIFIERS.find((word) => name.endsWith(word, to));
  }
  return name.slice(0, end);
}

function isOcaml(name: string): boolean {
  return /^caml[A-Z]/.test(name);
}

/** `camlStdlib__List__map_123` to `Stdlib.List.map_123`; `$2b` stands for the character 0x2b. */
function demangleOcaml(name: string): string {
  return name
    .slice(4)
    .replace(/__|\$[0-9a-fA-F]{2}/g, (code) =>
      code === '__' ? '.' : String.fromCharCode(Number.parseInt(code.slice(1), 16)),
    );
}
