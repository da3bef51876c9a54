// The inventory: which hosts there are, their labels, and how each is reached. A YAML file, checked as a whole before anything runs.
//
//   tls: { ca: ca/ca.crt, cert: ca/controller.crt, key: ca/controller.key }     # relative to this file; all optional
//   defaults: { labels: { region: eu }, address: "tls://{name}.example.com:7451" }
//   hosts:
//     - { name: here, address: local }
//     - { name: "db[01-20]", labels: { role: db } }
//     - { name: "web[1-3]", labels: { role: web }, address: "tls://10.0.0.[1-3]:7451", serverName: "{name}" }
import { isIP } from 'node:net';
import path from 'node:path';
import { isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { fail } from '../../proto/failure.js';
import type { Address, Host } from '../api.js';
import type { IdentityFiles } from '../transport/identity.js';
import { parseDestination } from '../transport/ssh/destination.js';
import { expandRange, HostRangeError } from './host-range.js';
import { nameLabel } from './selector.js';

export interface Inventory {
  /** At least one; names are distinct. */
  readonly hosts: readonly Host[];
  /** Files that the inventory names for mTLS, as absolute paths; what it does not name is undefined. */
  readonly identity: Partial<IdentityFiles>;
  /** In place of ~/.ssh/config, as an absolute path. */
  readonly sshConfig?: string;
}

/** What there is without an inventory: this machine. */
export const localInventory: Inventory = {
  hosts: [{ name: 'localhost', labels: {}, address: { transport: 'local' } }],
  identity: {},
};

/** Host names end up in file names and capture ids. */
export const hostNamePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$/;

/** More hosts than this in one inventory are taken for a mistake. */
const mostHosts = 100_000;

const labelsSchema = z.record(
  z.string().regex(/^[A-Za-z0-9_./-]+$/, 'label keys are letters, digits and _ . / -'),
  z.union([z.string(), z.number(), z.boolean()]).transform(String),
);
const hostSchema = z.strictObject({
  name: z.string(),
  labels: labelsSchema.default({}),
  address: z.string().optional(),
  serverName: z.string().optional(),
  jump: z.string().optional(),
});
const inventorySchema = z.strictObject({
  tls: z
    .strictObject({ ca: z.string().optional(), cert: z.string().optional(), key: z.string().optional() })
    .default({}),
  ssh: z.strictObject({ config: z.string().optional() }).default({}),
  defaults: z.strictObject({ labels: labelsSchema.default({}), address: z.string().optional() }).prefault({}),
  hosts: z.array(hostSchema).min(1, 'an inventory has at least one host'),
});
type HostEntry = z.infer<typeof hostSchema>;
type Place = readonly PropertyKey[];

/**
 * @param file where the text comes from: for messages, and relative paths in it start there
 * @throws FailureError 'bad-request' that names file, line and path of each mistake (the first five)
 */
export function parseInventory(text: string, file: string): Inventory {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const lineOf = (place: Place): number => {
    for (let length = place.length; length >= 0; length--) {
      const node = document.getIn(place.slice(0, length), true);
      const key =
        length > 0 ? keyRange(document.getIn(place.slice(0, length - 1), true), place[length - 1]) : undefined;
      const range = key ?? (isNode(node) ? node.range?.[0] : undefined);
      if (range !== undefined) return lines.linePos(range).line;
    }
    return 1;
  };
  const refuse = (mistakes: readonly { readonly line: number; readonly text: string }[]) =>
    fail(
      'bad-request',
      `cannot use the inventory: ${mistakes
        .slice(0, 5)
        .map((mistake) => `${file}:${mistake.line}: ${mistake.text}`)
        .join('; ')}`,
      'mend the file; docs/inventory.md shows its form',
    );
  if (document.errors.length > 0) {
    throw refuse(document.errors.map((error) => ({ line: lines.linePos(error.pos[0]).line, text: error.message })));
  }
  const read = inventorySchema.safeParse(toPlain(document, refuse));
  if (!read.success) {
    throw refuse(
      read.error.issues.map((issue) => {
        const place = issue.code === 'unrecognized_keys' ? [...issue.path, issue.keys[0]] : issue.path;
        return { line: lineOf(place), text: `${formatPlace(issue.path)}: ${issue.message}` };
      }),
    );
  }
  const hosts: Host[] = [];
  const seen = new Set<string>();
  for (const [index, entry] of read.data.hosts.entries()) {
    const place = ['hosts', index];
    try {
      for (const host of expandHost(entry, read.data.defaults)) {
        if (seen.has(host.name)) throw new HostMistake('name', `there is a second host '${host.name}'`);
        if (seen.size >= mostHosts) throw new HostMistake('name', `more than ${mostHosts} hosts`);
        seen.add(host.name);
        hosts.push(host);
      }
    } catch (error) {
      if (!(error instanceof HostMistake)) throw error;
      const at = [...place, error.field];
      throw refuse([{ line: lineOf(at), text: `${formatPlace(at)}: ${error.message}` }]);
    }
  }
  const directory = path.dirname(path.resolve(file));
  const { config } = read.data.ssh;
  return {
    hosts,
    identity: absolutePaths(read.data.tls, directory),
    ...(config === undefined ? {} : { sshConfig: path.resolve(directory, config) }),
  };
}

class HostMistake extends Error {
  override readonly name = 'HostMistake';
  readonly field: 'name' | 'labels' | 'address' | 'serverName' | 'jump';
  constructor(field: HostMistake['field'], message: string) {
    super(message);
    this.field = field;
  }
}

function* expandHost(
  entry: HostEntry,
  defaults: { readonly labels: Record<string, string>; readonly address?: string | undefined },
): Generator<Host> {
  const names = expand('name', entry.name);
  const labels = { ...defaults.labels, ...entry.labels };
  if (Object.hasOwn(labels, nameLabel)) throw new HostMistake('labels', `'${nameLabel}' always is the host's own name`);
  const pattern = entry.address ?? defaults.address;
  if (pattern === undefined) {
    throw new HostMistake(
      'name',
      `'${entry.name}' has no address: give it one, or give defaults one with {name} in it`,
    );
  }
  const addresses = expandLike('address', pattern, names);
  const serverNames = entry.serverName === undefined ? undefined : expandLike('serverName', entry.serverName, names);
  for (const [i, name] of names.entries()) {
    if (!hostNamePattern.test(name)) {
      throw new HostMistake(
        'name',
        `'${name}' is no host name: letters, digits and . _ -, at most 80, no dot or dash first`,
      );
    }
    yield { name, labels, address: parseAddress(addresses[i], serverNames?.[i], entry.jump) };
  }
}

function expand(field: HostMistake['field'], pattern: string): readonly string[] {
  try {
    return expandRange(pattern);
  } catch (error) {
    if (error instanceof HostRangeError) throw new HostMistake(field, error.message);
    throw error;
  }
}

/** One text per name: `{name}` is replaced, a range counts along with the names. */
function expandLike(field: HostMistake['field'], pattern: string, names: readonly string[]): readonly string[] {
  const expanded = expand(field, pattern);
  if (expanded.length !== 1 && expanded.length !== names.length) {
    throw new HostMistake(field, `'${pattern}' stands for ${expanded.length} values, the name for ${names.length}`);
  }
  return names.map((name, i) => expanded[expanded.length === 1 ? 0 : i].replaceAll('{name}', name));
}

/** `local`, `dial-in`, `ssh://[user@]host[:port]`, or `tls://host:port`; host is a name, an IPv4 address or an IPv6 address in brackets. */
function parseAddress(text: string, serverName: string | undefined, jump: string | undefined): Address {
  if (text.startsWith('ssh://')) {
    if (serverName !== undefined)
      throw new HostMistake('serverName', 'a host that is reached by ssh has no serverName');
    return sshAddress(text, jump);
  }
  if (jump !== undefined) throw new HostMistake('jump', 'only hosts that are reached by ssh have a jump host');
  if (text === 'local' || text === 'dial-in') {
    if (serverName !== undefined) throw new HostMistake('serverName', `a host at ${text} has no serverName`);
    return { transport: text };
  }
  const found = /^tls:\/\/(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/[\]]+)):([0-9]{1,5})$/.exec(text);
  const port = Number(found?.[3]);
  if (found === null || port < 1 || port > 65_535 || (found[1] !== undefined && isIP(found[1]) !== 6)) {
    throw new HostMistake('address', `'${text}' is no address: write local, dial-in, ssh://HOST, or tls://HOST:PORT`);
  }
  const address = { transport: 'tls', host: found[1] ?? found[2], port } as const;
  return serverName === undefined ? address : { ...address, serverName };
}

function sshAddress(text: string, jump: string | undefined): Address {
  const destination = parseDestination(text.slice('ssh://'.length));
  if (destination === undefined)
    throw new HostMistake('address', `'${text}' is no address: write ssh://[USER@]HOST[:PORT]`);
  const jumps = jump?.split(',').map((one) => one.trim());
  const wrong = jumps?.find((one) => parseDestination(one) === undefined);
  if (wrong !== undefined) throw new HostMistake('jump', `'${wrong}' is no jump host: write [USER@]HOST[:PORT]`);
  return { transport: 'ssh', ...destination, ...(jumps === undefined ? {} : { jumps }) };
}

function absolutePaths(
  files: { readonly ca?: string | undefined; readonly cert?: string | undefined; readonly key?: string | undefined },
  directory: string,
): Partial<IdentityFiles> {
  const { ca, cert, key } = files;
  return {
    ...(ca === undefined ? {} : { ca: path.resolve(directory, ca) }),
    ...(cert === undefined ? {} : { cert: path.resolve(directory, cert) }),
    ...(key === undefined ? {} : { key: path.resolve(directory, key) }),
  };
}

/** The document's value; aliases are bounded by the yaml package, which throws a ReferenceError for a bomb of them. */
function toPlain(
  document: ReturnType<typeof parseDocument>,
  refuse: (mistakes: readonly { readonly line: number; readonly text: string }[]) => Error,
): unknown {
  try {
    return document.toJS();
  } catch (error) {
    if (error instanceof ReferenceError) throw refuse([{ line: 1, text: error.message }]);
    throw error;
  }
}

function keyRange(parent: unknown, key: PropertyKey): number | undefined {
  if (!isMap(parent)) return undefined;
  const pair = parent.items.find((item) => isScalar(item.key) && item.key.value === key);
  return pair !== undefined && isScalar(pair.key) ? pair.key.range?.[0] : undefined;
}

/** `hosts[3].address` */
function formatPlace(place: Place): string {
  const text = place.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');
  return text === '' ? 'the file' : text.replace(/^\./, '');
}
