// Which host keys are known: OpenSSH's known_hosts files (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT), hashed names and patterns too.
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

export type KeyVerdict =
  | { readonly kind: 'known' }
  | { readonly kind: 'unknown' }
  /** Another key of this host is known, at `file:line`. */
  | { readonly kind: 'changed'; readonly place: string }
  | { readonly kind: 'revoked'; readonly place: string };

export interface KnownHostsFile {
  readonly path: string;
  readonly text: string;
}

interface Entry {
  readonly marker: string;
  readonly names: string;
  readonly type: string;
  readonly key: Buffer;
  readonly place: string;
}

export class KnownHosts {
  readonly #entries: readonly Entry[];

  constructor(files: readonly KnownHostsFile[]) {
    this.#entries = files.flatMap(entriesOf);
  }

  /** @param key the public key as on the wire, whose first field is its type */
  judge(name: string, port: number, key: Uint8Array): KeyVerdict {
    const type = keyType(key);
    let changed: Entry | undefined;
    const revoked = this.#entries.find((entry) => entry.marker === '@revoked' && isSame(entry.key, key));
    if (revoked !== undefined) return { kind: 'revoked', place: revoked.place };
    for (const entry of this.#of(name, port)) {
      if (isSame(entry.key, key)) return { kind: 'known' };
      if (entry.type === type) changed ??= entry;
    }
    const other = changed ?? this.#of(name, port)[0];
    return other === undefined ? { kind: 'unknown' } : { kind: 'changed', place: other.place };
  }

  /** Types of keys that are known of a host: those to ask it for. */
  typesOf(name: string, port: number): readonly string[] {
    return [...new Set(this.#of(name, port).map(({ type }) => type))];
  }

  /** With a port of its own a host is `[name]:port`; as in ssh, an entry without the port counts where there is none with it. */
  #of(name: string, port: number): readonly Entry[] {
    const plain = this.#entries.filter((entry) => entry.marker === '');
    if (port === 22) return plain.filter(({ names }) => matchesNames(names, name));
    const exact = plain.filter(({ names }) => matchesNames(names, `[${name}]:${port}`));
    return exact.length > 0 ? exact : plain.filter(({ names }) => matchesNames(names, name));
  }
}

/** `SHA256:…` as ssh prints it. */
export function fingerprint(key: Uint8Array): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

/** The first field of a public key: a length of four bytes, then the name. '' when there is none. */
export function keyType(key: Uint8Array): string {
  const bytes = Buffer.from(key.buffer, key.byteOffset, key.byteLength);
  if (bytes.length < 4) return '';
  const length = bytes.readUInt32BE(0);
  return length > 64 || 4 + length > bytes.length ? '' : bytes.toString('latin1', 4, 4 + length);
}

/** `[host]:port` where the port is not ssh's own: the name to put into known_hosts, and to take out of it. */
export function knownHostName(name: string, port: number): string {
  return port === 22 ? name : `[${name}]:${port}`;
}

/**
 * Lines that are no entries are passed over, as ssh does, also those whose key is not of the type beside it. Certificate authorities
 * (`@cert-authority`) are not followed.
 */
function entriesOf({ path, text }: KnownHostsFile): readonly Entry[] {
  return text.split('\n').flatMap((line, index) => {
    const words = line.trim().split(/\s+/);
    if (words[0] === '' || words[0].startsWith('#')) return [];
    const marker = words[0].startsWith('@') ? (words.shift() ?? '') : '';
    const [names, type, base64] = words;
    if (base64 === undefined || !/^[A-Za-z0-9+/]+=*$/.test(base64)) return [];
    const key = Buffer.from(base64, 'base64');
    if (type === '' || keyType(key) !== type) return [];
    return [{ marker, names, type, key, place: `${path}:${index + 1}` }];
  });
}

/** A list of patterns with `*`, `?` and `!`, or one hashed name (`|1|salt|HMAC-SHA1`). */
function matchesNames(names: string, name: string): boolean {
  if (names.startsWith('|')) return matchesHash(names, name);
  let isMatch = false;
  for (const pattern of names.split(',')) {
    if (pattern.startsWith('!')) {
      if (matchesPattern(pattern.slice(1), name)) return false;
    } else if (matchesPattern(pattern, name)) isMatch = true;
  }
  return isMatch;
}

function matchesHash(hashed: string, name: string): boolean {
  const [, version, salt, hash] = hashed.split('|');
  if (version !== '1' || salt === undefined || hash === undefined) return false;
  const own = createHmac('sha1', Buffer.from(salt, 'base64')).update(name.toLowerCase()).digest();
  return isSame(own, Buffer.from(hash, 'base64'));
}

/** Linear in the name for each star: no pattern can make it hang. */
function matchesPattern(pattern: string, name: string): boolean {
  const [p, n] = [pattern.toLowerCase(), name.toLowerCase()];
  let [at, inName, star, mark] = [0, 0, -1, 0];
  while (inName < n.length) {
    if (p[at] === '?' || (at < p.length && p[at] !== '*' && p[at] === n[inName])) {
      at++;
      inName++;
    } else if (p[at] === '*') {
      star = at++;
      mark = inName;
    } else if (star >= 0) {
      at = star + 1;
      inName = ++mark;
    } else return false;
  }
  while (p[at] === '*') at++;
  return at === p.length;
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
