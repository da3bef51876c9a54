// The two base images of the test, made without a registry: Debian by mmdebstrap with all packages that the Dockerfiles ask for, this
// machine's Node, and, for the build stage, the npm packages of this checkout. So the build needs no network.
//
// The file system is kept: $PERFTRAWL_COMPOSE_CACHE, else $XDG_CACHE_HOME/perftrawl-compose, else ~/.cache/perftrawl-compose.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, cp, mkdir, mkdtemp, readdir, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { needTool } from '../vm/tool.js';
import type { ContainerEngine } from './container-engine.js';

export interface BaseImages {
  /** In place of debian:…-slim. */
  readonly base: string;
  /** In place of node:…: with npm, and with packages where `npm install` looks for them. */
  readonly node: string;
}

const RELEASE = 'bookworm';
const PACKAGES = [
  ...['libstdc++6', 'libatomic1', 'linux-perf', 'binutils', 'postgresql-common', 'postgresql-15'],
  ...['python3', 'make', 'g++', 'gcc', 'libc6-dev'],
];
const PATH = 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const MINUTE = 60_000;
/** A week: later, Debian's mirrors have newer packages. */
const KEPT_FOR = 7 * 24 * 60 * MINUTE;
const root = fileURLToPath(new URL('../..', import.meta.url));

export async function makeBaseImages(engine: ContainerEngine, say: (text: string) => void): Promise<BaseImages> {
  const images = { base: 'perftrawl-test-base:1', node: 'perftrawl-test-node:1' };
  const directory = await mkdtemp(join(tmpdir(), 'perftrawl-compose-image-'));
  try {
    await engine.docker(['import', await rootFileSystem(say), 'perftrawl-test-debian:1'], { timeout: 5 * MINUTE });
    await copyFile(process.execPath, join(directory, 'node'));
    await cp(await npmDirectory(), join(directory, 'npm'), { recursive: true });
    const npm = '/usr/local/lib/node_modules/npm';
    await build(
      engine,
      images.base,
      [['.', directory]],
      [
        'FROM perftrawl-test-debian:1',
        PATH,
        'COPY node /usr/local/bin/node',
        `COPY npm ${npm}`,
        `RUN ln -s ${npm}/bin/npm-cli.js /usr/local/bin/npm`,
      ],
    );
    const modules = await realpath(join(root, 'node_modules'));
    await build(
      engine,
      images.node,
      [['node_modules', dirname(modules)]],
      [`FROM ${images.base}`, 'COPY node_modules /opt/perftrawl/node_modules'],
    );
    return images;
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** @param content names of files, each with the directory that it is in */
async function build(
  engine: ContainerEngine,
  tag: string,
  content: readonly (readonly [string, string])[],
  dockerfile: readonly string[],
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'perftrawl-compose-context-'));
  try {
    await writeFile(join(directory, 'Dockerfile'), `${dockerfile.join('\n')}\n`);
    const context = join(directory, 'context.tar');
    const parts = content.flatMap(([name, place]) => ['-C', place, name]);
    await needTool('tar', ['-cf', context, '-C', directory, 'Dockerfile', ...parts], { timeout: 5 * MINUTE });
    const line = 'exec docker build --quiet --tag "$1" - < "$2"';
    await needTool('sh', ['-c', line, 'sh', tag, context], { timeout: 5 * MINUTE, env: engine.environment });
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** A tar file, from the cache or made now. */
async function rootFileSystem(say: (text: string) => void): Promise<string> {
  const cache = cacheDirectory();
  const recipe = JSON.stringify([RELEASE, PACKAGES]);
  const file = join(cache, `debian-${createHash('sha256').update(recipe).digest('hex').slice(0, 16)}.tar`);
  await mkdir(cache, { recursive: true });
  if (existsSync(file) && Date.now() - (await stat(file)).mtimeMs < KEPT_FOR) return file;
  say(`making a base image with mmdebstrap, for a week: ${file}`);
  const made = `${file}.${process.pid}.tar`;
  try {
    await needTool(
      'mmdebstrap',
      [
        ...['--quiet', '--mode=root', '--variant=minbase', '--skip=check/qemu'],
        '--aptopt=APT::Install-Recommends "false"',
        ...['man', 'locale', 'doc'].map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`),
        `--include=${PACKAGES.join(',')}`,
        ...[RELEASE, made],
      ],
      { timeout: 15 * MINUTE },
    );
    await rename(made, file);
  } finally {
    await rm(made, { force: true });
  }
  const others = (await readdir(cache)).filter((name) => /^debian-[0-9a-f]{16}\.tar$/.test(name));
  for (const other of others) if (join(cache, other) !== file) await rm(join(cache, other));
  return file;
}

function cacheDirectory(): string {
  const { PERFTRAWL_COMPOSE_CACHE: own, XDG_CACHE_HOME: xdg } = process.env;
  return own ? resolve(own) : join(xdg || join(homedir(), '.cache'), 'perftrawl-compose');
}

/** Of the npm in PATH: the directory that holds its package.json. */
async function npmDirectory(): Promise<string> {
  const found = await needTool('npm', ['prefix', '--global'], { timeout: MINUTE });
  const directory = await realpath(join(found.trim(), 'lib', 'node_modules', 'npm'));
  if (!existsSync(join(directory, 'bin', 'npm-cli.js'))) throw new Error(`there is no npm in ${directory}`);
  return directory;
}
