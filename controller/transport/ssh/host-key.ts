// Whether a host is the one it was before: judged by known_hosts, told with the fingerprint and the command that mends it.
import { appendFile, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { type FailureError, fail } from '../../../proto/failure.js';
import { destinationText } from './destination.js';
import { fingerprint, type KnownHosts, keyType, knownHostName } from './known-hosts.js';
import type { SshSettings } from './settings.js';

/** undefined when the host may be talked to. A host whose key changed never may, whatever ssh's configuration says. */
export function refusal(settings: SshSettings, knownHosts: KnownHosts, key: Buffer): FailureError | undefined {
  const { destination, hostName, port, hostKeyName, knownHostsFiles } = settings;
  const verdict = knownHosts.judge(hostKeyName, port, key);
  const where = `${destinationText(destination)} (${hostName} port ${port})`;
  const shown = `${keyType(key)} ${fingerprint(key)}`;
  const name = knownHostName(hostKeyName, port);
  switch (verdict.kind) {
    case 'known':
      return undefined;
    case 'unknown':
      if (settings.isNewHostTaken) return undefined;
      return fail(
        'untrusted',
        `${where} is not known yet: it shows the key ${shown}`,
        `compare the fingerprint with that host's own, then take it: ssh ${destinationText(destination)}`,
      );
    case 'changed':
      return fail(
        'untrusted',
        `the key of ${where} has CHANGED: it shows ${shown}, another one is known (${verdict.place})`,
        `find out why (a new installation, or somebody in between); then: ssh-keygen -R '${name}' -f ${knownHostsFiles[0] ?? '~/.ssh/known_hosts'}; ssh ${destinationText(destination)}`,
      );
    case 'revoked':
      return fail(
        'untrusted',
        `the key of ${where}, ${shown}, is marked as revoked (${verdict.place})`,
        'somebody who has that key can pretend to be this host: give it a new one',
      );
  }
}

/** As ssh does with StrictHostKeyChecking accept-new. */
export async function rememberHost(settings: SshSettings, knownHosts: KnownHosts, key: Buffer): Promise<void> {
  const { hostKeyName, port, knownHostsFiles } = settings;
  const [file] = knownHostsFiles;
  if (file === undefined || file === '/dev/null' || knownHosts.judge(hostKeyName, port, key).kind === 'known') return;
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  const line = `${knownHostName(hostKeyName, port)} ${keyType(key)} ${key.toString('base64')}\n`;
  await appendFile(file, line, { mode: 0o600 });
}
