// Bundles the crash campaign, which is TypeScript, and runs it with this program's words: what `npm run crash` starts.
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../../', import.meta.url));
mkdirSync(join(root, 'build'), { recursive: true });
const directory = mkdtempSync(join(root, 'build', 'crash-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));
await build({
  entryPoints: [fileURLToPath(new URL('crash-main.ts', import.meta.url))],
  outfile: join(directory, 'crash-main.mjs'),
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  packages: 'external',
  logLevel: 'error',
  plugins: [{ name: 'own-place', setup: (made) => made.onLoad({ filter: /\.ts$/ }, withOwnPlace) }],
});
// What comes from packages is loaded before all of the bundle, and a package of certificates needs this first.
await import('../../dist/controller/ca/reflect-metadata.js');
const { crash } = await import(pathToFileURL(join(directory, 'crash-main.mjs')).href);
process.exitCode = await crash(process.argv.slice(2), (line) => console.log(line));

/** Files are found beside the sources that look for them, not beside the bundle. */
function withOwnPlace({ path }) {
  const contents = readFileSync(path, 'utf8').replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href));
  return { contents, loader: 'ts' };
}
