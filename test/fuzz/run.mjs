// Bundles the fuzzer, which is TypeScript, and runs it with this program's words: what `npm run fuzz` starts.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { bundleFuzzer } from './bundle.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
mkdirSync(join(root, 'build'), { recursive: true });
const directory = mkdtempSync(join(root, 'build', 'fuzz-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));
await bundleFuzzer(build, directory);
const { fuzz } = await import(pathToFileURL(join(directory, 'fuzz-main.mjs')).href);
const places = { program: join(directory, 'worker-main.mjs'), corpus: join(root, 'test', 'fuzz', 'corpus') };
process.exitCode = await fuzz(process.argv.slice(2), places, (line) => console.log(line));
