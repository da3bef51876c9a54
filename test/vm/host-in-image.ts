// Agents on the two hosts that the VM's image makes: the VM (a target without compiler at work), and a native build host.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Image } from './image.js';
import { type NativeProcess, startNatively } from './native.js';
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

/** Copy the built program, and `policy.yaml` where there is one, into the VM and start `perftrawl agent` there; it ends with the VM. @returns its address, `tls://127.0.0.1:PORT` */
export async function startAgentInVm(vm: Vm, guestPort: number, { directory, name }: AgentFiles): Promise<string> {
  const policy = join(directory, 'policy.yaml');
  if (existsSync(policy)) await vm.put(policy, '/etc/perftrawl/policy.yaml');
  await vm.put(join(root, 'bin'), `${INSTALLED}/bin`);
  await vm.put(join(root, 'dist/bundle'), `${INSTALLED}/dist/bundle`);
  for (const file of [`${name}.crt`, `${name}.key`, 'ca.crt'])
    await vm.put(join(directory, file), `${INSTALLED}/${file}`);
  const agent = vm.start(agentArgv(INSTALLED, name, `0.0.0.0:${guestPort}`));
  await listeningPort(agent);
  return `tls://127.0.0.1:${vm.port(guestPort)}`;
}

/** Start `perftrawl agent` natively in the image, where headers, debuginfo and compiler of the VM's kernel are. */
export async function startBuildHost(
  image: Image,
  { directory, name }: AgentFiles,
): Promise<{ readonly address: string; readonly host: NativeProcess }> {
  const host = await startNatively(image.root, agentArgv(BUILD_HOST_FILES, name, '127.0.0.1:0'), [
    { from: join(root, 'bin'), to: `${INSTALLED}/bin` },
    { from: join(root, 'dist'), to: `${INSTALLED}/dist` },
    { from: directory, to: BUILD_HOST_FILES },
  ]);
  const port = await listeningPort(host.child);
  return { address: `tls://127.0.0.1:${port}`, host };
}

function agentArgv(files: string, name: string, address: string): string[] {
  return [
    ...['node', `${INSTALLED}/bin/perftrawl`, 'agent', '--listen', address, '--name', name],
    ...['--cert', `${files}/${name}.crt`, '--key', `${files}/${name}.key`, '--ca', `${files}/ca.crt`],
  ];
}

/** The port that the agent names on its stdout. @throws Error with its stderr when it ends instead */
async function listeningPort(child: NativeProcess['child']): Promise<number> {
  let complaints = '';
  child.stderr?.on('data', (part: Buffer) => {
    complaints = (complaints + part.toString('utf8')).slice(-4000);
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => reject(new Error(`the agent ended with ${code} before it listened: ${complaints}`)));
    if (child.stdout === null) return reject(new Error('the agent has no stdout to read its port from'));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const port = /^listening on .*:(\d+)$/.exec(line)?.[1];
      if (port !== undefined) resolve(Number(port));
    });
  });
}
