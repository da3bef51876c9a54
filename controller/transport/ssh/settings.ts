// The effective configuration of one ssh destination, as ssh itself sees it: `ssh -G` is the authority for Include, Match, Host and defaults.
import { execFile } from 'node:child_process';
import path from 'node:path';
import type { Milliseconds } from '../../../proto/capture.js';
import { fail } from '../../../proto/failure.js';
import type { SshDestination } from './destination.js';
import { destinationText } from './destination.js';

export interface SshSettings {
  /** As a person wrote it: for messages, and the name that known_hosts is asked for is `hostKeyName`. */
  readonly destination: SshDestination;
  readonly hostName: string;
  readonly port: number;
  readonly user: string;
  /** Private keys to try, in order; they need not exist. */
  readonly identityFiles: readonly string[];
  /** Socket of the ssh-agent; undefined for none. */
  readonly agent: string | undefined;
  /** Only keys of `identityFiles`, also from the agent. */
  readonly isOnlyGivenKeys: boolean;
  /** `[user@]host[:port],…`, from the first jump to the last; undefined for none. */
  readonly proxyJump: string | undefined;
  readonly knownHostsFiles: readonly string[];
  readonly hostKeyName: string;
  /** Whether a host that is not known yet may be taken; one whose key changed never is. */
  readonly isNewHostTaken: boolean;
  /** undefined: not set. */
  readonly connectTimeout: Milliseconds | undefined;
}

export interface SettingsOptions {
  /** In place of ~/.ssh/config; '' for the usual files. */
  readonly configFile: string;
  readonly homeDirectory: string;
  /** `SSH_AUTH_SOCK` of the environment. */
  readonly agentSocket: string | undefined;
}

const askLimit: Milliseconds = 10_000;
const longestOutput = 1024 * 1024;
/** A timer of Node with more than this ends at once. */
const longestTimer: Milliseconds = 2 ** 31 - 1;

/** @throws FailureError 'tool-missing' without an ssh client, 'bad-request' for what ssh does not take */
export async function readSettings(
  destination: SshDestination,
  options: SettingsOptions,
  signal: AbortSignal,
): Promise<SshSettings> {
  const { host, user, port } = destination;
  const args = ['-G', ...(options.configFile === '' ? [] : ['-F', options.configFile])];
  if (user !== undefined) args.push('-l', user);
  if (port !== undefined) args.push('-p', String(port));
  const text = await askSsh([...args, '--', host], destinationText(destination), signal);
  return parseSettings(text, destination, options);
}

/**
 * @param text what `ssh -G` printed: one `keyword value` per line, keywords in lower case
 * @throws FailureError 'bad-request' for a configuration that cannot be followed
 */
export function parseSettings(text: string, destination: SshDestination, options: SettingsOptions): SshSettings {
  const values = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const at = line.indexOf(' ');
    if (at <= 0) continue;
    const key = line.slice(0, at).toLowerCase();
    values.set(key, [...(values.get(key) ?? []), line.slice(at + 1).trim()]);
  }
  const one = (key: string): string | undefined => {
    const value = values.get(key)?.[0];
    return value === undefined || value.toLowerCase() === 'none' ? undefined : value;
  };
  const wrong = (key: string, value: string, form: string) =>
    fail(
      'bad-request',
      `ssh's configuration gives ${destinationText(destination)} the ${key} ${JSON.stringify(value)}, which is no ${form}`,
      `mend ${key} in ~/.ssh/config`,
    );
  const nameFrom = (key: string): string | undefined => {
    const value = one(key);
    if (value !== undefined && !/^[^\s\p{Cc}]+$/u.test(value)) throw wrong(key, value, 'name');
    return value;
  };
  const hostName = nameFrom('hostname') ?? destination.host;
  const portText = one('port') ?? '22';
  const port = Number(portText);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw wrong('port', portText, 'port');
  const user = one('user') ?? destination.user ?? '';
  const command = one('proxycommand');
  if (command !== undefined) {
    throw fail(
      'bad-request',
      `ssh's configuration reaches ${destinationText(destination)} by a ProxyCommand, which only a shell could run: ${command}`,
      'use ProxyJump there, or name the jump host: -H BASTION/HOST',
    );
  }
  const expand = (file: string) => expandPath(file, { hostName, user, host: destination.host, ...options });
  const files = (key: string) => (one(key) ?? '').split(/\s+/).filter((file) => file !== '' && file !== 'none');
  const strict = (one('stricthostkeychecking') ?? 'ask').toLowerCase();
  const timeout = Number(one('connecttimeout'));
  return {
    destination,
    hostName,
    port,
    user,
    identityFiles: (values.get('identityfile') ?? []).filter((file) => file.toLowerCase() !== 'none').map(expand),
    agent: agentSocket(values.get('identityagent')?.[0], options, expand),
    isOnlyGivenKeys: one('identitiesonly') === 'yes',
    proxyJump: one('proxyjump'),
    knownHostsFiles: [...files('userknownhostsfile'), ...files('globalknownhostsfile')].map(expand),
    hostKeyName: nameFrom('hostkeyalias') ?? hostName,
    isNewHostTaken: ['accept-new', 'no', 'off', 'false'].includes(strict),
    connectTimeout: Number.isFinite(timeout) && timeout > 0 ? Math.min(timeout * 1000, longestTimer) : undefined,
  };
}

function agentSocket(
  configured: string | undefined,
  options: SettingsOptions,
  expand: (file: string) => string,
): string | undefined {
  const inherited = options.agentSocket === '' ? undefined : options.agentSocket;
  if (configured === undefined || configured === 'SSH_AUTH_SOCK') return inherited;
  if (configured.toLowerCase() === 'none') return undefined;
  return configured.startsWith('$') ? inherited : expand(configured);
}

/** `~` and the tokens of ssh_config(5) that paths are made of. */
function expandPath(
  file: string,
  known: { readonly homeDirectory: string; readonly hostName: string; readonly user: string; readonly host: string },
): string {
  const tokens: Readonly<Record<string, string>> = {
    '%': '%',
    d: known.homeDirectory,
    h: known.hostName,
    n: known.host,
    r: known.user,
  };
  const whole = file.replaceAll(/%(.)/g, (token, letter: string) => tokens[letter] ?? token);
  return whole === '~' || whole.startsWith('~/') ? path.join(known.homeDirectory, whole.slice(1)) : whole;
}

function askSsh(args: readonly string[], what: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile('ssh', args, { timeout: askLimit, maxBuffer: longestOutput, signal }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else if (signal.aborted) reject(fail('cancelled', `reading ssh's configuration for ${what}: cancelled`));
      else if (error.code === 'ENOENT') {
        reject(
          fail(
            'tool-missing',
            'ssh is not on this machine: its configuration cannot be read',
            'install the OpenSSH client (Debian: apt-get install openssh-client)',
            error,
          ),
        );
      } else {
        const said = stderr.trim() === '' ? error.message : stderr.trim();
        reject(fail('bad-request', `ssh does not take ${what}: ${said}`, 'mend the name, or ~/.ssh/config', error));
      }
    });
  });
}
