// What the running kernel has to probe: its functions and tracepoints.
import type { HostFiles } from '../host/host-files.js';

export class KernelSymbols {
  readonly #files: HostFiles;
  #kallsyms: Buffer | undefined;

  constructor(files: HostFiles) {
    this.#files = files;
  }

  /** A function of the kernel or of a loaded module, by its exact name: `foo.isra.0` is not `foo`. */
  hasSymbol(name: string): boolean {
    return ['t', 'T', 'w', 'W'].some((type) => this.#has(`${type} ${name}`));
  }

  /** Seen in tracefs, or, where that is not mounted, by the function that every tracepoint has. */
  hasTracepoint(system: string, name: string): boolean {
    const mounts = ['/sys/kernel/tracing', '/sys/kernel/debug/tracing'];
    const mounted = mounts.find((mount) => this.#files.exists(`${mount}/events`));
    if (mounted !== undefined) return this.#files.exists(`${mounted}/events/${system}/${name}`);
    return [`__bpf_trace_${name}`, `__traceiter_${name}`, `perf_trace_${name}`].some((symbol) =>
      this.hasSymbol(symbol),
    );
  }

  /** Lines such as `ffffffff81234560 T handle_mm_fault` and `… t nfs_open\t[nfs]`. */
  #has(typeAndName: string): boolean {
    this.#kallsyms ??= Buffer.from(this.#files.bytes('/proc/kallsyms') ?? new Uint8Array(0));
    return this.#kallsyms.includes(` ${typeAndName}\n`) || this.#kallsyms.includes(` ${typeAndName}\t`);
  }
}
