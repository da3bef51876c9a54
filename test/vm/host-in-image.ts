// Agents on the two hosts that the VM's image makes: the VM (a target without compiler at work), and a native build host.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Image } from './image.js';
import { type Bind, type NativeProcess, startNatively } from './native.js';
import type { Vm } from './vm.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** Where the program is inside. */
const INSTALLED = '/opt/perftrawl';
const BUILD_HOST_FILES = '/etc/perftrawl';

/** Certificate and key of an agent, by `perftrawl ca issue NAME --address 127.0.0.1`. */
export interface AgentFiles {
  /** Holds `NAME.crt`, `NAME.key` and `ca.crt`; a `policy.yaml` in it is that of the host. */
  readonly directory: string;
  readonly name: string;
}

/** An agent in the VM; it ends with the VM at the latest. */
export interface AgentInVm {
  /** `tls://127.0.0.1:PORT` */
  readonly address: string;
  /** Of its process in the VM. */
  readonly pid: number;
  /** Resolves when its process has ended. */
  readonly ended: Promise<void>;
}

/** Copy the built program, and `policy.yaml` where there is one, into the VM and start `perftrawl agent` there; it ends with the VM. @returns its address, `tls://127.0.0.1:PORT` */
export async function startAgentInVm(vm: Vm, guestPort: number, { directory, name }: AgentFiles): Promise<string> {
  const policy = join(directory, 'policy.yaml');
  if (existsSync(policy)) await vm.put(policy, '/etc/perftrawl/policy.yaml');
  await installInVm(vm);
  await putCertificate(vm, { directory, name });
  return (await runAgentInVm(vm, guestPort, name)).address;
}

/** Copy the built program into the VM. */
export async function installInVm(vm: Vm): Promise<void> {
  await vm.put(join(root, 'bin'), `${INSTALLED}/bin`);
  await vm.put(join(root, 'dist/bundle'), `${INSTALLED}/dist/bundle`);
}

/** Copy what the agent `name` needs to be trusted into the VM. */
export async function putCertificate(vm: Vm, { directory, name }: AgentFiles): Promise<void> {
  for (const file of [`${name}.crt`, `${name}.key`, 'ca.crt'])
    await vm.put(join(directory, file), `${INSTALLED}/${file}`);
}

/** Start an agent that is in the VM with its certificate. @param options more of its options, such as `['--state', DIRECTORY]` */
export async function runAgentInVm(
  vm: Vm,
  guestPort: number,
  name: string,
  options: readonly string[] = [],
): Promise<AgentInVm> {
  const argv = [...agentArgv(INSTALLED, name, `0.0.0.0:${guestPort}`), ...options];
  // The number stays the same with exec.
  const child = vm.start(['sh', '-c', 'echo "process $$"; exec "$@"', 'sh', ...argv]);
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const { pid = 0 } = await listening(child);
  return { address: `tls://127.0.0.1:${vm.port(guestPort)}`, pid, ended };
}

/**
 * Start `perftrawl agent` natively in the image, where headers, debuginfo and compiler of the VM's kernel are.
 * @param binds more directories of this machine that appear there, for instance in place of others
 */
export async function startBuildHost(
  image: Image,
  { directory, name }: AgentFiles,
  binds: readonly Bind[] = [],
): Promise<{ readonly address: string; readonly host: NativeProcess }> {
  const host = await startNatively(image.root, agentArgv(BUILD_HOST_FILES, name, '127.0.0.1:0'), [
    { from: join(root, 'bin'), to: `${INSTALLED}/bin` },
    { from: join(root, 'dist'), to: `${INSTALLED}/dist` },
    { from: directory, to: BUILD_HOST_FILES },
    ...binds,
  ]);
  const { port } = await listening(host.child);
  return { address: `tls://127.0.0.1:${port}`, host };
}

function agentArgv(files: string, name: string, address: string): string[] {
  return [
    ...['node', `${INSTALLED}/bin/perftrawl`, 'agent', '--listen', address, '--name', name],
    // The VM is some ten times slower than a machine: neither what captures cost nor how busy it is means anything there.
    ...['--admission', 'off', '--budget', 'none'],
    ...['--cert', `${files}/${name}.crt`, '--key', `${files}/${name}.key`, '--ca', `${files}/ca.crt`],
  ];
}

/** The port that the agent names on its stdout, and its number where that is told before. @throws Error with its stderr when it ends instead */
async function listening(child: NativeProcess['child']): Promise<{ readonly port: number; readonly pid?: number }> {
  let complaints = '';
  child.stderr?.on('data', (part: Buffer) => {
    complaints = (complaints + part.toString('utf8')).slice(-4000);
  });
  return new Promise((resolve, reject) => {
    let pid: number | undefined;
    child.on('error', reject);
    child.on('close', (code) => reject(new Error(`the agent ended with ${code} before it listened: ${complaints}`)));
    if (child.stdout === null) return reject(new Error('the agent has no stdout to read its port from'));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [, told] = /^process (\d+)$/.exec(line) ?? [];
      if (told !== undefined) pid = Number(told);
      const port = /^listening on .*:(\d+)$/.exec(line)?.[1];
      if (port !== undefined) resolve({ port: Number(port), ...(pid === undefined ? {} : { pid }) });
    });
  });
}
