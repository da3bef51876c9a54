// What ssh's files and ssh itself tell the controller, and what a login shell on a host answers.
import { Readable } from 'node:stream';
import { parseAdHocHosts } from '../../../controller/fleet/ad-hoc-hosts.js';
import { hostNamePattern } from '../../../controller/fleet/inventory.js';
import { destinationText, parseDestination } from '../../../controller/transport/ssh/destination.js';
import { KnownHosts, keyType, knownHostName } from '../../../controller/transport/ssh/known-hosts.js';
import { parseFacts, readAnswer } from '../../../controller/transport/ssh/remote-script.js';
import { parseSettings } from '../../../controller/transport/ssh/settings.js';
import { fail } from '../../../proto/failure.js';
import { texts } from '../seeds.js';
import { type FuzzTarget, pieces, promise } from '../target.js';

/** Made by `ssh-keygen -t ed25519`. */
const KEY = 'AAAAC3NzaC1lZDI1NTE5AAAAIE5wvb3fhAc8VoNh0rFzHE4s1Iz8kv2Rb0W7XDTvCz4O';
const OTHER_KEY = 'AAAAC3NzaC1lZDI1NTE5AAAAIHJ0rYB8Vv5U1rS0CqWbUQ0Yk7Nn2c1zvM2E4V7mQkYx';
const ECDSA =
  'AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBJ3jHc1o4Qb1RkO8C1lcY4ExpJkIVwbqz2pTq8jzYqEvGmQ3n3Xz1w8bqk0j1f3W2m0xk0yP0c6b9bGqVwT7r0Y=';

const knownHosts: FuzzTarget = {
  name: 'known-hosts',
  grammar: 'text',
  seeds: () =>
    texts(
      `# mine\ndb1,10.0.0.1 ssh-ed25519 ${KEY} root@db1\n[db1]:2222 ssh-ed25519 ${OTHER_KEY}\n*.example.com,!x.example.com ecdsa-sha2-nistp256 ${ECDSA}\n`,
      `|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= ssh-ed25519 ${KEY}\n@revoked * ssh-ed25519 ${OTHER_KEY}\n@cert-authority *.x ssh-ed25519 ${KEY}\n`,
      `db1 1024 35 1234567890123\r\ndb1\tssh-ed25519\t${KEY}\r\n\r\ndb? ssh-rsa AAAA\n`,
    ),
  run: (input, random) => {
    const text = Buffer.from(input).toString('utf8');
    const key = Buffer.from(KEY, 'base64');
    const [name, port] = random.pick([['db1', 22] as const, ['db1', 2222] as const, ['x.example.com', 22] as const]);
    const known = new KnownHosts([{ path: 'known_hosts', text }]);
    const verdict = known.judge(name, port, key);
    if (verdict.kind === 'known') promise(text.includes(KEY.replace(/=+$/, '')), 'a key is known that is not written');
    if ('place' in verdict) {
      const line = /^known_hosts:(\d+)$/.exec(verdict.place)?.[1];
      promise(line !== undefined && Number(line) <= text.split('\n').length, 'a line is named that is not there');
    }
    promise(
      known.typesOf(name, port).every((type) => /^[\x21-\x7e]{1,64}$/.test(type)),
      'a type of a key that is none',
    );
    const taken = `${text}\n${knownHostName(name, port)} ssh-ed25519 ${KEY}\n`;
    const after = new KnownHosts([{ path: 'known_hosts', text: taken }]).judge(name, port, key);
    promise(after.kind === 'known' || after.kind === 'revoked', 'a key that was remembered is not known');
    const revoked = new KnownHosts([{ path: 'known_hosts', text: `${taken}@revoked * ssh-ed25519 ${KEY}\n` }]);
    promise(revoked.judge(name, port, key).kind === 'revoked', 'a key that is revoked may be used');
  },
};

const hostKey: FuzzTarget = {
  name: 'host-key',
  grammar: 'bytes',
  seeds: () => [KEY, ECDSA].map((base64) => Buffer.from(base64, 'base64')),
  run: (input) => {
    const type = keyType(input);
    promise(type.length <= 64, 'the type of a key is too long');
    const text = `db1 ssh-ed25519 ${KEY}\ndb1 ecdsa-sha2-nistp256 ${ECDSA}\n`;
    const { kind } = new KnownHosts([{ path: 'known_hosts', text }]).judge('db1', 22, input);
    const isOurs = [KEY, ECDSA].some((base64) => Buffer.from(base64, 'base64').equals(input));
    promise(kind === (isOurs ? 'known' : 'changed'), 'a key is taken for another one');
  },
};

const DESTINATION = { host: 'db1' };
const OPTIONS = { configFile: '', homeDirectory: '/home/me', agentSocket: '/run/agent' };

const settings: FuzzTarget = {
  name: 'ssh-settings',
  grammar: 'text',
  seeds: () =>
    texts(
      'host db1\nuser root\nhostname 10.0.0.7\nport 2222\naddkeystoagent false\nidentitiesonly yes\nstricthostkeychecking accept-new\nhostkeyalias db1\nconnecttimeout 7\nidentityagent ~/.agent\nidentityfile ~/.ssh/id_ed25519\nidentityfile /keys/%h-%r-%%\nuserknownhostsfile /home/me/.ssh/known_hosts /home/me/.ssh/known_hosts2\nglobalknownhostsfile /etc/ssh/ssh_known_hosts\nproxyjump me@bastion:22,other\n',
      'user me\nhostname db1\nport 22\nidentityagent SSH_AUTH_SOCK\nconnecttimeout none\nuserknownhostsfile none\n',
      'hostname db1\nproxycommand nc %h %p\n',
    ),
  run: (input) => {
    const read = parseSettings(Buffer.from(input).toString('utf8'), DESTINATION, OPTIONS);
    promise(Number.isInteger(read.port) && read.port > 0 && read.port < 65_536, 'a port that is none');
    promise(/^[^\s\p{Cc}]+$/u.test(read.hostName), 'a host name that is none');
    promise(/^[^\s\p{Cc}]+$/u.test(read.hostKeyName), 'a name for known_hosts that would be two words');
    promise(
      read.connectTimeout === undefined || (read.connectTimeout > 0 && read.connectTimeout <= 2 ** 31 - 1),
      'a timeout that no timer takes',
    );
  },
};

const adHoc: FuzzTarget = {
  name: 'ad-hoc-hosts',
  grammar: 'text',
  seeds: () =>
    texts(
      'db1,root@db[2-4]:2222,bastion/db5',
      'me@b1:22/[fe80::1]:2022,[::1],[1-3].example.com',
      'db1:22,db1:2222,a_b',
    ),
  run: (input) => {
    const hosts = parseAdHocHosts(Buffer.from(input).toString('utf8'));
    promise(new Set(hosts.map(({ name }) => name)).size === hosts.length, 'two hosts have one name');
    for (const { name, address } of hosts) {
      promise(hostNamePattern.test(name), 'a host has a name that an inventory would not take');
      if (address.transport !== 'ssh') continue;
      const { host, user, port } = address;
      const own = { host, ...(user === undefined ? {} : { user }), ...(port === undefined ? {} : { port }) };
      const again = parseDestination(destinationText(own));
      promise(JSON.stringify(again) === JSON.stringify(own), 'a destination is read as another one');
    }
  },
};

const MARK = '0123456789abcdef';

/** What the stream gives after the last line goes to the agent: nothing of it may be lost, however the bytes are cut. */
const answer: FuzzTarget = {
  name: 'ssh-answer',
  grammar: 'text',
  seeds: () =>
    texts(
      `Welcome\n\n${MARK}\nsystem Linux\nmachine x86_64\nuid 1000\nsudo yes\nnode v20.1.0 /usr/bin/node\nstarted\nPRI * HTTP/2.0\r\n`,
      `\n${MARK}\nsystem Linux\nmachine aarch64\nuid 0\nabsent\n`,
      `${MARK}\n\n${MARK}\nsystem Darwin\nuid x\nabsent\n`,
    ),
  run: async (input, random) => {
    const whole = await answered([input]);
    const cut = await answered(pieces(input, random));
    promise(JSON.stringify(whole) === JSON.stringify(cut), 'an answer depends on how it is cut');
    if (typeof whole === 'string') throw fail('bad-data', whole);
    parseFacts(whole.lines);
  },
};

/** A text: why there is no answer. */
async function answered(
  chunks: readonly Uint8Array[],
): Promise<{ readonly lines: readonly string[]; readonly rest: string } | string> {
  const stream = Readable.from(
    chunks.filter(({ length }) => length > 0).map((chunk) => Buffer.from(chunk)),
    { objectMode: false },
  );
  const { signal } = new AbortController();
  try {
    const lines = await readAnswer(stream, MARK, (line) => line === 'started' || line === 'absent', signal);
    const rest: Buffer[] = [];
    for await (const chunk of stream) rest.push(chunk);
    return { lines, rest: Buffer.concat(rest).toString('latin1') };
  } catch (error) {
    if (error instanceof Error && 'failure' in error) return error.message;
    throw error;
  } finally {
    stream.destroy();
  }
}

export const SSH_TARGETS: readonly FuzzTarget[] = [knownHosts, hostKey, settings, adHoc, answer];
