// Build dist/ from a clean slate: protobuf code, TypeScript, and the agent as one file. Plain Node, so that it runs before anything is built.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeCatalogueTexts } from './stap-catalogue.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const generated = join(root, 'proto', 'generated');

const PROTOS = ['audit', 'budget', 'capture', 'dial', 'enroll', 'health', 'histogram', 'profile', 'stap', 'watch'];

/** Run a tool of node_modules; stop the build with its exit code when it fails. */
function run(packageBin, ...args) {
  const { status, error } = spawnSync(process.execPath, [join(root, 'node_modules', packageBin), ...args], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

/** proto/*.proto -> proto/generated/perftrawl.js and .d.ts; agent/stap/scripts -> agent/stap/generated/catalogue-texts.ts */
function generate() {
  mkdirSync(generated, { recursive: true });
  const js = join(generated, 'perftrawl.js');
  run(
    'protobufjs-cli/bin/pbjs',
    ...['-t', 'static-module', '-w', 'esm', '--es6', '--force-number'],
    ...['--no-create', '--no-verify', '--no-convert', '--no-delimited', '--no-service', '--no-typeurl'],
    ...['-p', 'proto', '-o', js, ...PROTOS.map((name) => `proto/${name}.proto`)],
  );
  run('protobufjs-cli/bin/pbts', '-o', join(generated, 'perftrawl.d.ts'), js);
  writeCatalogueTexts();
}

/** TypeScript -> dist/; tsc copies no .js, so the generated code goes along by hand. */
function compile() {
  run('typescript/bin/tsc', '-b', 'profile', 'proto', 'agent', 'controller');
  cpSync(generated, join(root, 'dist', 'proto', 'generated'), { recursive: true });
}

/** The agent and `fold` as few files: half the start-up time and 5 MiB less memory than a hundred modules. */
async function bundle() {
  const { build } = await import('esbuild');
  await build({
    entryPoints: { agent: join(root, 'dist', 'agent', 'bundle.js') },
    outdir: join(root, 'dist', 'bundle'),
    outExtension: { '.js': '.mjs' },
    chunkNames: '[name]-[hash]',
    bundle: true,
    splitting: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    minifySyntax: true,
    minifyWhitespace: true,
    // CommonJS packages inside call require().
    banner: {
      js: "import { createRequire as perftrawlRequire } from 'node:module'; const require = perftrawlRequire(import.meta.url);",
    },
    logLevel: 'warning',
  });
}

/** In place of a look into node_modules, which hosts do not have. */
const embeddedDemangler = {
  name: 'embedded-demangler',
  setup({ onLoad }) {
    onLoad({ filter: /wasm-demangler-files\.js$/ }, () => ({
      contents: `import * as glue from 'gecko-profiler-demangle/index_bg.js';
import wasm from 'gecko-profiler-demangle/index_bg.wasm';
export const demanglerFiles = async () => ({ glue, wasm });`,
      resolveDir: root,
    }));
  },
};

/** The agent as one file that needs nothing beside it: sent to hosts, and put into a single executable (which loads CommonJS only). */
async function bundleForUpload() {
  const { build } = await import('esbuild');
  await build({
    entryPoints: [join(root, 'dist', 'agent', 'upload-main.js')],
    outfile: join(root, 'dist', 'bundle', 'agent-upload.cjs'),
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    minifySyntax: true,
    minifyWhitespace: true,
    loader: { '.wasm': 'binary' },
    plugins: [embeddedDemangler],
    // An executable with the script inside has no loader for import().
    supported: { 'dynamic-import': false },
    logLevel: 'warning',
  });
}

const onlyGenerate = process.argv.includes('--generate');
if (!onlyGenerate) rmSync(join(root, 'dist'), { recursive: true, force: true });
generate();
if (!onlyGenerate) {
  compile();
  await bundle();
  await bundleForUpload();
}
