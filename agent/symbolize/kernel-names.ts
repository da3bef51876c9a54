// Names the addresses of the kernel, its modules and BPF programs: symbols registered while perf recorded, then kallsyms.
import { buildIdInNotes } from './elf.js';
import { kallsymsAddress, kernelKey, scanKallsyms } from './kallsyms.js';
import { lowerBound } from './needed-symbols.js';
import type { KernelSymbol, ObjectContext } from './object-context.js';
import { sameBuildId } from './object-files.js';
import type { SymbolHost } from './symbol-host.js';

/** Addresses of one kernel object, relative to `context.memoryStart`. */
export interface KernelAddresses {
  readonly context: ObjectContext;
  readonly lo: Uint32Array;
  readonly hi: Uint32Array;
}

/** In the order of the addresses; `reason` says why those without a name have none. */
export interface NamedAddresses {
  readonly names: readonly (string | undefined)[];
  readonly reason: string;
}

const MAX_KALLSYMS = 1 << 27;
const NO_SYMBOL = 'no kernel symbol covers the address';
const HIDDEN = 'kernel addresses are hidden from this user: run as root, or set kernel.kptr_restrict to 0';

/** One scan of kallsyms for all objects. */
export async function nameKernelAddresses(
  host: SymbolHost,
  objects: readonly KernelAddresses[],
  symbols: readonly KernelSymbol[],
): Promise<NamedAddresses[]> {
  if (objects.length === 0) return [];
  const text = await host.readAll('/proc/kallsyms', MAX_KALLSYMS);
  const running = await runningKernel(host, objects, text);
  const keysOf = objects.map(absoluteKeys);
  const shift = running.shift;
  const wanted = Float64Array.from(new Set(keysOf.flatMap((keys) => Array.from(keys, (key) => key + shift)))).sort();
  const scanned = text === undefined ? undefined : scanKallsyms(text, wanted);
  const reason =
    running.reason !== ''
      ? running.reason
      : text === undefined
        ? '/proc/kallsyms cannot be read'
        : scanned?.isHidden
          ? HIDDEN
          : NO_SYMBOL;
  const registered = registeredSymbols(symbols);
  return keysOf.map((keys) => ({
    reason,
    names: Array.from(keys, (key) => {
      if (key < 0) return undefined;
      const name = registered(key);
      if (name !== undefined || scanned === undefined || running.reason !== '' || scanned.isHidden) return name;
      return scanned.names[lowerBound(wanted, key + shift)];
    }),
  }));
}

/**
 * Whether the running kernel is the one that was recorded, and how far it has moved since: another boot of the same build lies
 * elsewhere (KASLR). A capture of just now needs neither question.
 */
async function runningKernel(
  host: SymbolHost,
  objects: readonly KernelAddresses[],
  text: Uint8Array | undefined,
): Promise<{ readonly reason: string; readonly shift: number }> {
  const recorded = objects.find((object) => object.context.kind === 'kernel')?.context;
  if (recorded === undefined || recorded.isLive || text === undefined) return { reason: '', shift: 0 };
  if (recorded.buildId !== '') {
    const notes = await host.readAll('/sys/kernel/notes', 1 << 16);
    if (notes !== undefined && !sameBuildId(recorded.buildId, buildIdInNotes(notes))) {
      return { reason: 'the running kernel has another build id', shift: 0 };
    }
  }
  const start = kernelKey(recorded.memoryStart.lo, recorded.memoryStart.hi);
  const begins = [kallsymsAddress(text, '_stext'), kallsymsAddress(text, '_text')].filter((address) => address > 0);
  if (start <= 0 || begins.length === 0 || begins.includes(start)) return { reason: '', shift: 0 };
  if (recorded.buildId === '') return { reason: 'it was recorded on another boot or with another kernel', shift: 0 };
  return { reason: '', shift: begins[0] - start };
}

function absoluteKeys({ context, lo, hi }: KernelAddresses): Float64Array {
  const start = kernelKey(context.memoryStart.lo, context.memoryStart.hi);
  return Float64Array.from(lo, (low, at) =>
    start < 0 ? kernelKey(low, hi[at]) : start + low + (hi[at] & 0x1fffff) * 4294967296,
  );
}

function registeredSymbols(symbols: readonly KernelSymbol[]): (key: number) => string | undefined {
  const sorted = symbols
    .map((symbol) => ({ start: kernelKey(symbol.lo, symbol.hi), length: symbol.length, name: symbol.name }))
    .filter((symbol) => symbol.start >= 0)
    .sort((a, b) => a.start - b.start);
  const starts = Float64Array.from(sorted, (symbol) => symbol.start);
  return (key) => {
    const found = sorted[lowerBound(starts, key + 1) - 1];
    return found !== undefined && key < found.start + found.length ? found.name : undefined;
  };
}
