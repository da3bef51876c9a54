// The fuzzer and its worker, from TypeScript to files that plain node runs.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('./', import.meta.url));

/** @param {typeof import('esbuild').build} build @param {string} directory below the repository, so that node_modules are found */
export async function bundleFuzzer(build, directory) {
  await build({
    entryPoints: ['fuzz-main', 'worker-main'].map((name) => join(here, `${name}.ts`)),
    outdir: directory,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    packages: 'external',
    logLevel: 'error',
    // Seeds are found beside the sources, not beside the bundle.
    define: { 'import.meta.url': JSON.stringify(new URL('./fuzz-main.ts', import.meta.url).href) },
  });
}
