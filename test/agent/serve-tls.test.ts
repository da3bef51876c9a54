// Who is let in at an agent's port: controllers alone, and none whose certificate is on the list.

import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { parseRevoked } from '../../agent/revoked-file.js';
import type { Listener } from '../../agent/serve.js';
import { listenOnTls } from '../../agent/serve-tls.js';
import { initCa, issueCertificate } from '../../controller/ca/certificate-authority.js';
import { connectAgent } from '../../proto/agent-client.js';
import { CERTIFICATE_ROLES } from '../../proto/certificate-role.js';
import { contractAgent } from '../controller/transport/contract-agent.js';

let directory: string;
let listener: Listener;
let notes: string[];
const pem = (name: string) => readFile(join(directory, name));
const { signal } = new AbortController();

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'perftrawl-serve-tls-'));
  notes = [];
  const now = Date.now();
  await initCa(directory, now);
  await issueCertificate(directory, { name: 'db1', addresses: ['127.0.0.1'], role: 'agent', days: 1 }, now);
  for (const role of CERTIFICATE_ROLES) {
    await issueCertificate(directory, { name: `a-${role}`, addresses: [], role, days: 1 }, now);
  }
  await writeFile(join(directory, 'revoked'), '# nothing yet\n');
  const file = (name: string) => join(directory, name);
  listener = await listenOnTls(
    contractAgent(() => undefined),
    '127.0.0.1:0',
    { cert: file('db1.crt'), key: file('db1.key'), ca: file('ca.crt'), revoked: file('revoked') },
    (text) => notes.push(text),
  );
});
afterEach(async () => {
  await listener.close();
  await rm(directory, { recursive: true });
});

async function connectAs(name: string): Promise<tls.TLSSocket> {
  const [cert, key, ca] = await Promise.all([pem(`${name}.crt`), pem(`${name}.key`), pem('ca.crt')]);
  const socket = tls.connect({
    ...{ host: '127.0.0.1', port: Number(listener.address.split(':')[1]), cert, key, ca, ALPNProtocols: ['h2'] },
  });
  socket.on('error', () => undefined);
  return socket;
}

it.each(CERTIFICATE_ROLES)('a certificate of role %s', async (role) => {
  const socket = await connectAs(`a-${role}`);
  const closed = once(socket, 'close').then(() => 'refused');
  const { api, close } = await connectAgent(async () => socket);
  const served = api.listCaptures(signal).then(
    () => 'served',
    () => 'refused',
  );
  expect(await Promise.race([served, closed])).toBe(role === 'controller' ? 'served' : 'refused');
  close();
  socket.destroy();
});

it('ends a connection when its certificate comes onto the list, and refuses it then', async () => {
  const socket = await connectAs('a-controller');
  const { api, close } = await connectAgent(async () => socket);
  await api.listCaptures(signal);
  const closed = once(socket, 'close');
  const { fingerprint256 } = new X509Certificate(await pem('a-controller.crt'));
  await writeFile(join(directory, 'revoked'), `${fingerprint256} # controller\n`);
  await closed;
  close();
  const again = await connectAs('a-controller');
  again.resume();
  await once(again, 'close');
  expect(notes.some((note) => /^refused .* is revoked$/.test(note))).toBe(true);
});

it('names the line that is no fingerprint', () => {
  expect(parseRevoked(`${'AB:'.repeat(31)}AB\n\n# x\n`, 'f')).toEqual(new Set(['ab'.repeat(32)]));
  expect(() => parseRevoked('\nnonsense', 'revoked')).toThrow('revoked:2: this is no SHA-256 fingerprint');
});
