// V8's compilers to machine code, off while the agent idles: their code and threads cost 4 MiB of resident memory that an idle
// agent, which serves a few small calls, never earns back. The first capture turns them on for good.
import { setFlagsFromString } from 'node:v8';

const COMPILERS = ['opt', 'sparkplug'];

/** Call before the bulk of the program is loaded. */
export function holdOptimizer(): void {
  for (const compiler of COMPILERS) setFlagsFromString(`--no-${compiler}`);
}

export function releaseOptimizer(): void {
  for (const compiler of COMPILERS) setFlagsFromString(`--${compiler}`);
}
