// What the collector tells the symbolizer about each object that code was mapped from, and the symbolizer's contract.
import type { Loss } from '../../profile/loss.js';
import type { Profile } from '../../profile/profile.js';
import type { Milliseconds } from '../../proto/capture.js';

/**
 * - `kernel`: `[kernel.kallsyms]`; location addresses are relative to `memoryStart`
 * - `module`: a kernel module, `[ext4]`; relative to `memoryStart`
 * - `elf`: an ELF file; location addresses are file offsets
 * - `vdso`: `[vdso]`; location addresses are offsets into the image that the kernel maps
 * - `jit`: anonymous executable memory, named `/tmp/perf-PID.map` as perf does; location addresses are process-absolute
 * - `bpf`: one BPF program or trampoline, named as its kernel symbol; relative to `memoryStart`
 * - `unnamed`: memory that has no symbols: `[heap]`, `[stack]`, `[vsyscall]`, `anon_inode:…`
 */
export type ObjectKind = 'kernel' | 'module' | 'elf' | 'vdso' | 'jit' | 'bpf' | 'unnamed';

/** 64 bits in two unsigned words. */
export interface Word64 {
  readonly lo: number;
  readonly hi: number;
}

export interface ObjectContext {
  /** Row of `profile.mappings`. */
  readonly mapping: number;
  readonly kind: ObjectKind;
  /** Where the object was found, as recorded; for a module the path of its `.ko` where it was recorded. Hostile input: it may be any text. */
  readonly path: string;
  /** GNU build id in lower-case hex; '' when unknown. */
  readonly buildId: string;
  /** Some processes that had it mapped, at most 8, the latest last. Empty for the kernel. */
  readonly pids: readonly number[];
  /** Where the kernel, module or BPF program began on this host, for absolute look-up in kallsyms; 0 otherwise. */
  readonly memoryStart: Word64;
  /** Captured just now on this host, so `/proc/PID` and the running kernel may be asked. */
  readonly isLive: boolean;
}

/** A kernel symbol that was registered while perf recorded: a BPF program, a trampoline, an out-of-line kprobe. */
export interface KernelSymbol extends Word64 {
  /** Bytes. */
  readonly length: number;
  readonly name: string;
}

export interface SymbolizeOptions {
  /** Source lines and inlined functions as well (addr2line). */
  readonly lines: boolean;
  /** Time after which whatever is left stays unsymbolized and is reported as a loss. */
  readonly budget: Milliseconds;
  readonly demangle: boolean;
  readonly kernelSymbols: readonly KernelSymbol[];
}

export interface SymbolizedProfile {
  /** The same rows everywhere, with lines for the locations that have a name. */
  readonly profile: Profile;
  readonly losses: Loss[];
}

export interface Symbolizer {
  symbolize(profile: Profile, objects: readonly ObjectContext[], options: SymbolizeOptions): Promise<SymbolizedProfile>;
}
