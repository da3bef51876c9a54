// The files of a fleet of test hosts: keys, sshd_config of each host, and what a client needs: ssh_config, known_hosts.
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { access, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Of the client and the host; `wrong` is a key that no host has. */
export async function makeKey(file: string): Promise<void> {
  await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'test', '-f', file]);
}

/** `ssh-ed25519 AAAA…` */
export async function publicKey(file: string): Promise<string> {
  return (await readFile(`${file}.pub`, 'utf8')).split(' ').slice(0, 2).join(' ').trim();
}

export interface HostFiles {
  readonly directory: string;
  readonly address: string;
  readonly port: number;
  readonly authorizedKeys: string;
  readonly sshdOptions: readonly string[];
}

/** Everything that enter-host.sh reads. */
export async function writeHostFiles(host: HostFiles): Promise<void> {
  const { directory } = host;
  await mkdir(directory, { recursive: true, mode: 0o755 });
  for (const name of ['home', 'state']) await mkdir(join(directory, name), { mode: 0o700 });
  await mkdir(join(directory, 'layers'));
  await makeKey(join(directory, 'host-key'));
  await writeBootId(directory);
  await writeFile(join(directory, 'sshd_config'), await sshdConfig(host));
}

/** Another one at each start of the host, as the kernel does it. */
export async function writeBootId(directory: string): Promise<void> {
  await writeFile(join(directory, 'boot-id'), `${randomUUID()}\n`);
}

async function sshdConfig({ directory, address, port, authorizedKeys, sshdOptions }: HostFiles): Promise<string> {
  const lines = [
    // The first of equal options wins.
    ...sshdOptions,
    `ListenAddress ${address}`,
    `Port ${port}`,
    `HostKey ${join(directory, 'host-key')}`,
    'PidFile none',
    `AuthorizedKeysFile ${authorizedKeys}`,
    'StrictModes no',
    'UsePAM no',
    'UseDNS no',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'PermitRootLogin yes',
    'MaxStartups 1000',
    'PrintMotd no',
    'LogLevel INFO',
    `Subsystem sftp ${await sftpServer()}`,
  ];
  return `${lines.join('\n')}\n`;
}

async function sftpServer(): Promise<string> {
  const path = '/usr/lib/openssh/sftp-server';
  return access(path).then(
    () => path,
    () => 'internal-sftp',
  );
}

export interface ClientEntry {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  /** What known_hosts says of it; undefined: nothing. */
  readonly knownKey: string | undefined;
}

export async function writeClientFiles(directory: string, identity: string, hosts: readonly ClientEntry[]) {
  const sshConfig = join(directory, 'ssh_config');
  const knownHosts = join(directory, 'known_hosts');
  const blocks = hosts.map(
    ({ name, address, port }) => `Host ${name}\n  HostName ${address}\n  Port ${port}\n  User root\n`,
  );
  const everywhere = [
    'Host *',
    `IdentityFile ${identity}`,
    'IdentitiesOnly yes',
    'IdentityAgent none',
    `UserKnownHostsFile ${knownHosts}`,
    'GlobalKnownHostsFile none',
    'StrictHostKeyChecking yes',
    'ConnectTimeout 10',
  ];
  await writeFile(sshConfig, `${blocks.join('')}${everywhere.join('\n  ')}\n`);
  const known = hosts.flatMap(({ address, port, knownKey }) =>
    knownKey === undefined ? [] : [`${port === 22 ? address : `[${address}]:${port}`} ${knownKey}\n`],
  );
  await writeFile(knownHosts, known.join(''));
  return { sshConfig, knownHosts };
}
