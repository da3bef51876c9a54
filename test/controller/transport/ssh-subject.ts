// The ssh transport as tests use it, with the keys and known_hosts of a fleet of test hosts.
import { join } from 'node:path';
import type { Host } from '../../../controller/api.js';
import { readAgentPackage } from '../../../controller/transport/ssh/agent-package.js';
import { type SshOptions, type SshTransport, sshTransport } from '../../../controller/transport/ssh/ssh-transport.js';
import { connectAgent } from '../../../proto/agent-client.js';
import type { SshFleet } from '../../fleet/ssh-fleet.js';

const agentScript = join(import.meta.dirname, '../../../dist/bundle/agent-upload.cjs');

export interface SubjectOptions extends Partial<SshOptions> {
  readonly script?: string;
}

/** @param directory of the test: home of the person, and where executables are made */
export function sshSubject(fleet: SshFleet, directory: string, options: SubjectOptions = {}): SshTransport {
  const { script = agentScript, ...others } = options;
  return sshTransport({
    configFile: fleet.sshConfig,
    homeDirectory: directory,
    agentSocket: undefined,
    agentPackage: () => readAgentPackage(script, join(directory, 'executables')),
    askSecret: async () => undefined,
    connectTimeout: 60_000,
    ...others,
  });
}

/** `user@name` logs in as that user. */
export function at(name: string, jumps?: readonly string[]): Host {
  const [host, user] = name.split('@').reverse();
  const as = user === undefined ? {} : { user };
  return {
    name: host,
    labels: {},
    address: { transport: 'ssh', host, ...as, ...(jumps === undefined ? {} : { jumps }) },
  };
}

/** What the agent at the other end says of itself. */
export async function hostnameOf(subject: SshTransport, host: Host): Promise<string> {
  const { signal } = new AbortController();
  const connection = await connectAgent(() => subject.open(host, signal));
  try {
    return (await connection.api.describe(signal)).hostname;
  } finally {
    connection.close();
  }
}
