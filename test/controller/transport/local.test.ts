// The transport contract over a child process on stdio, and what is special about it.
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Host } from '../../../controller/api.js';
import { localTransport } from '../../../controller/transport/local.js';
import { bundleProgram, type Program } from '../bundle-program.js';
import { failureOf, transportContract } from './transport-contract.js';

const host: Host = { name: 'here', labels: {}, address: { transport: 'local' } };

transportContract('local', async () => {
  const program = await bundleProgram('transport/contract-agent-main.ts');
  const stateDirectory = await mkdtemp(join(tmpdir(), 'perftrawl-local-'));
  return {
    host,
    transport: localTransport({ agentCommand: [process.execPath, program.file], stateDirectory, startTimeout: 20_000 }),
    revive: async () => undefined,
    async close() {
      await program.remove();
      await rm(stateDirectory, { recursive: true });
    },
  };
});

describe('local agents', () => {
  let program: Program;
  let stateDirectory: string;
  const { signal } = new AbortController();
  const transport = (...agentCommand: string[]) =>
    localTransport({ agentCommand, stateDirectory, startTimeout: 20_000 });

  beforeAll(async () => {
    program = await bundleProgram('transport/contract-agent-main.ts');
    stateDirectory = await mkdtemp(join(tmpdir(), 'perftrawl-local-'));
  });
  afterAll(async () => {
    await program.remove();
    await rm(stateDirectory, { recursive: true });
  });

  it('quotes what the agent said before it failed, and no older lines', async () => {
    await writeFile(join(stateDirectory, 'here.log'), 'an old line\n');
    const failing = transport(process.execPath, program.file, '--fail', 'the spool is full');
    const failure = await failureOf(failing.open(host, signal));
    expect(failure.code).toBe('unreachable');
    expect(failure.message).toBe('the local agent of here exited with status 3: the spool is full');
    expect(failure.remedy).toContain('here.log');
  });

  it('says when the program is not there', async () => {
    const failure = await failureOf(transport('/nonexistent/perftrawl').open(host, signal));
    expect(failure).toMatchObject({ code: 'tool-missing', message: expect.stringContaining('ENOENT') });
  });

  it('says when the program is no agent', async () => {
    const failure = await failureOf(transport('/bin/true').open(host, signal));
    expect(failure).toMatchObject({ code: 'unreachable', message: 'the local agent of here ended at once' });
  });

  it('gives each host name a state directory that nobody else can read', async () => {
    const stream = await transport(process.execPath, program.file).open({ ...host, name: 'other' }, signal);
    stream.destroy();
    expect((await stat(join(stateDirectory, 'other'))).mode & 0o777).toBe(0o700);
  });
});
