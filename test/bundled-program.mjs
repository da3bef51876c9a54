// Bundles a program of the tests, which is TypeScript, and loads it: what `npm run crash` and `npm run soak` start with.
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../', import.meta.url));

/** @returns what the program at this URL exports; the bundle is deleted when this process ends */
export async function loadBundled(entry) {
  mkdirSync(join(root, 'build'), { recursive: true });
  const directory = mkdtempSync(join(root, 'build', 'program-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));
  const outfile = join(directory, 'program.mjs');
  await build({
    entryPoints: [fileURLToPath(entry)],
    ...{ outfile, bundle: true, platform: 'node', target: 'node20', format: 'esm', packages: 'external' },
    logLevel: 'error',
    plugins: [{ name: 'own-place', setup: (made) => made.onLoad({ filter: /\.ts$/ }, withOwnPlace) }],
  });
  // What comes from packages is loaded before all of the bundle, and a package of certificates needs this first.
  await import('../dist/controller/ca/reflect-metadata.js');
  return import(pathToFileURL(outfile).href);
}

/** Files are found beside the sources that look for them, not beside the bundle. */
function withOwnPlace({ path }) {
  const contents = readFileSync(path, 'utf8').replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href));
  return { contents, loader: 'ts' };
}
