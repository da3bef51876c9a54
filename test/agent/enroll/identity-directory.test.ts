// That an identity is whole whenever it is read, however many processes write one.
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readAgentIdentity, writeAgentIdentity } from '../../../agent/enroll/identity-directory.js';
import { keepRenewed } from '../../../agent/enroll/renewal.js';

let state: string;
beforeEach(async () => {
  state = await mkdtemp(join(tmpdir(), 'perftrawl-identity-'));
});
afterEach(() => rm(state, { recursive: true }));

const identity = (name: string) => ({ cert: `cert ${name}`, key: `key ${name}`, ca: `ca ${name}` });

it('is never lost or mixed when several write at once, and the last one alone stays', async () => {
  await writeAgentIdentity(state, identity('first'));
  let isWriting = true;
  const writing = Promise.all(
    Array.from({ length: 20 }, (_, number) => writeAgentIdentity(state, identity(String(number)))),
  ).finally(() => {
    isWriting = false;
  });
  while (isWriting) {
    const read = await readAgentIdentity(state);
    const name = read?.cert.replace('cert ', '') ?? 'nobody';
    expect(read).toEqual(identity(name));
  }
  await writing;
  expect((await readdir(state)).filter((name) => name.startsWith('identity'))).toHaveLength(2);
});

it('is looked for again when it is not there, or cannot be used', async () => {
  const notes: string[] = [];
  const ended = new AbortController();
  await keepRenewed(
    {
      ...{ state, servers: [], now: Date.now, random: () => 0, note: (text) => notes.push(text) },
      sleep: async () => {
        if (notes.length === 1) await writeAgentIdentity(state, identity('none'));
        else ended.abort();
      },
    },
    ended.signal,
  );
  expect(notes).toEqual([
    expect.stringContaining('no identity of this host'),
    expect.stringMatching(/^cannot renew the certificate: /),
  ]);
});
