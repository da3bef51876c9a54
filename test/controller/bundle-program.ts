// A program of the tests, from TypeScript to one file that plain node runs as a process of its own.
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

export interface Program {
  readonly file: string;
  remove(): Promise<void>;
}

/** Packages with native code stay outside; the others go in, because what stays outside is loaded before anything of ours. */
const asModule = {
  format: 'esm' as const,
  external: ['better-sqlite3', 'ssh2', 'cpu-features'],
  // CommonJS packages inside call require().
  banner: {
    js: "import { createRequire as programRequire } from 'node:module'; const require = programRequire(import.meta.url);",
  },
};

/** @param source path relative to this directory. The file is made below the repository, so that it finds node_modules; a `whole` one needs none. */
export async function bundleProgram(source: string, kind: 'module' | 'whole' = 'module'): Promise<Program> {
  const builds = fileURLToPath(new URL('../../build/', import.meta.url));
  await mkdir(builds, { recursive: true });
  const directory = await mkdtemp(join(builds, 'test-program-'));
  const file = join(directory, kind === 'module' ? 'program.mjs' : 'program.cjs');
  await build({
    entryPoints: [fileURLToPath(new URL(source, import.meta.url))],
    outfile: file,
    bundle: true,
    platform: 'node',
    target: 'node20',
    ...(kind === 'module' ? asModule : { format: 'cjs' as const }),
    logLevel: 'error',
  });
  return { file, remove: () => rm(directory, { recursive: true }) };
}
