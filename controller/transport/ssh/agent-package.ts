// The agent as it is sent to hosts: one script for a host's own Node, or one executable that brings Node along.
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Milliseconds } from '../../../proto/capture.js';
import { fail } from '../../../proto/failure.js';
import { makePrivateDirectory } from '../../directories.js';
import { type ExecutableNeeds, readExecutableNeeds } from './executable-needs.js';

export interface AgentFile {
  readonly name: string;
  /** Of the whole file, lower-case hex. */
  readonly sha256: string;
  /** Compressed by gzip. */
  readonly compressed: Buffer;
  readonly isExecutable: boolean;
}

export interface AgentPackage {
  /** Names on the host tell the content: another build has other names. */
  readonly names: { readonly script: string; readonly executable: string };
  script(): Promise<AgentFile>;
  /** Made on first use (some ten seconds, 100 MB in the cache directory), for this machine's system and architecture. @throws FailureError 'tool-failed' */
  executable(): Promise<AgentFile>;
  /** The hosts that the executable runs on; undefined where none can be made. */
  readonly runsOn: HostNeeds | undefined;
}

export interface HostNeeds extends ExecutableNeeds {
  /** As in `uname -m`. */
  readonly machine: string;
}

const buildLimit: Milliseconds = 120_000;
/** As Node's documentation of single executable applications has it. */
const fuse = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';
const machines: Readonly<Record<string, string>> = {
  x64: 'x86_64',
  arm64: 'aarch64',
  s390x: 's390x',
  ppc64: 'ppc64le',
};

const run = promisify(execFile);

/** @param script the built agent, dist/bundle/agent-upload.cjs @throws FailureError 'not-found' when it is not built */
export async function readAgentPackage(script: string, cacheDirectory: string): Promise<AgentPackage> {
  const text = await readFile(script).catch((cause: unknown) => {
    throw fail('not-found', `the agent to send to hosts is not there: ${script}`, 'build it: npm run setup', cause);
  });
  const sha256 = sumOf(text);
  const key = sumOf(Buffer.from(`${sha256} ${process.version} ${process.arch}`));
  const names = { script: `agent-${sha256}.cjs`, executable: `agent-${key}` };
  let made: Promise<AgentFile> | undefined;
  return {
    names,
    runsOn: await executableHosts(),
    script: async () => ({ name: names.script, sha256, compressed: await pack(text, 9), isExecutable: false }),
    executable() {
      made ??= readExecutable(script, path.join(cacheDirectory, names.executable), names.executable);
      made.catch(() => {
        made = undefined;
      });
      return made;
    },
  };
}

/** It has the program of this Node, and so its needs. */
async function executableHosts(): Promise<HostNeeds | undefined> {
  const machine = machines[process.arch];
  if (machine === undefined || process.platform !== 'linux') return undefined;
  return { machine, ...(await readExecutableNeeds(process.execPath)) };
}

async function readExecutable(script: string, file: string, name: string): Promise<AgentFile> {
  if (!existsSync(file)) await makeExecutable(script, file);
  const bytes = await readFile(file);
  // Level 1: a third of the size in a second; more would take longer than it saves on most networks.
  return { name, sha256: sumOf(bytes), compressed: await pack(bytes, 1), isExecutable: true };
}

/** Node's own single executable application: its program with the script inside. */
async function makeExecutable(script: string, file: string): Promise<void> {
  const directory = path.dirname(file);
  makePrivateDirectory(directory);
  const work = await mkdtemp(path.join(directory, '.making-'));
  try {
    const blob = path.join(work, 'agent.blob');
    const config = path.join(work, 'sea.json');
    const program = path.join(work, `agent-${randomBytes(4).toString('hex')}`);
    await writeFile(config, JSON.stringify({ main: script, output: blob, disableExperimentalSEAWarning: true }));
    await run(process.execPath, ['--experimental-sea-config', config], { timeout: buildLimit, cwd: work });
    await copyFile(process.execPath, program);
    await chmod(program, 0o700);
    const require = createRequire(import.meta.url);
    const postject = require.resolve('postject/dist/cli.js');
    const inject = [postject, program, 'NODE_SEA_BLOB', blob, '--sentinel-fuse', fuse];
    await run(process.execPath, inject, { timeout: buildLimit, maxBuffer: 1024 * 1024 });
    await rename(program, file);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw fail('tool-failed', `cannot make the agent with Node inside: ${why}`, 'install Node 20 on that host', cause);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

function sumOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function pack(bytes: Uint8Array, level: number): Promise<Buffer> {
  return promisify(gzip)(bytes, { level });
}
