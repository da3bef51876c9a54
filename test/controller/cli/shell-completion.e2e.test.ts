// What a person gets who presses Tab: real shells, the real program over a real store, alone and with a server.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { App } from '../../../controller/api.js';
import { createApp } from '../../../controller/app.js';
import { RECORD } from '../specs.js';
import { type ServedApp, servedApp } from '../web/served-app.js';

const program = join(import.meta.dirname, '../../../bin/perftrawl');
const minutes = 60_000;
let directory: string;
let served: ServedApp;
let env: Record<string, string>;

interface Ended {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number | null;
}

async function ended(
  command: string,
  args: readonly string[],
  more: Record<string, string>,
  input = '',
): Promise<Ended> {
  const child = spawn(command, args, { env: { ...process.env, ...env, ...more }, stdio: ['pipe', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  child.stdin.on('error', () => undefined).end(input);
  const [code] = await once(child, 'close');
  return { stdout, stderr, code };
}

/** The arguments that the command has when Enter is pressed after what was typed. */
async function enteredInBash(
  typed: string,
  more: Record<string, string> = {},
  before = '',
): Promise<readonly string[]> {
  const entered = join(directory, 'entered');
  await rm(entered, { force: true });
  const lines = [before, 'source <(perftrawl completion bash)', typed, 'exit', ''];
  const { stdout, stderr } = await ended('bash', ['--norc', '--noprofile', '-i'], more, lines.join('\n'));
  const text = await readFile(entered, 'utf8').catch(() => expect.fail(`nothing was entered: ${stdout}${stderr}`));
  return text.split('\n').slice(0, -1);
}

const words = async (typed: readonly string[], more: Record<string, string> = {}): Promise<readonly string[]> =>
  (await ended(process.execPath, [program, 'complete-words', '--', ...typed], more)).stdout.split('\n').slice(0, -1);

const template = { spec: RECORD, selectorText: '', maxParallel: 8, grace: 30_000, note: '' };

async function fill(
  app: App,
  names: { readonly schedule: string; readonly team: string; readonly hosts: readonly string[] },
) {
  await app.schedules.add(
    {
      ...{ name: names.schedule, timing: { kind: 'every', every: 86_400_000, from: 1 }, timeZone: 'UTC', windows: [] },
      ...{ blackouts: [], jitter: 0, overlap: 'skip', missed: 'skip', tolerance: 0, retention: {}, job: template },
    },
    'me@here',
  );
  await app.teams.set({ name: names.team, weight: 2, mostJobs: 0, mostHosts: 0 });
  const hosts = app.hosts('').filter(({ name }) => names.hosts.includes(name));
  return app.submit({ ...template, hosts, requester: 'me@here', notBefore: Date.now() + 86_400_000 });
}

let local: string;
let remote: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'perftrawl-complete-'));
  const bin = join(directory, 'bin');
  await mkdir(bin);
  const inventory = ['web1', 'web2', 'db1'].map((name) => `  - { name: ${name}, address: "tls://127.0.0.1:9" }\n`);
  await writeFile(join(directory, 'inventory.yaml'), `hosts:\n${inventory.join('')}`);
  // What completes is the program itself; what is entered is written down.
  const script = `#!/bin/sh
case $1 in
complete-words | completion) exec "${process.execPath}" "${program}" "$@" ;;
esac
printf '%s\\n' "$@" >"${directory}/entered"
`;
  await writeFile(join(bin, 'perftrawl'), script);
  await chmod(join(bin, 'perftrawl'), 0o755);
  env = {
    ...{ PATH: `${bin}:${process.env.PATH}`, HOME: directory, TERM: 'dumb', PS1: '$ ' },
    ...{
      PERFTRAWL_DATA: join(directory, 'data'),
      PERFTRAWL_CONFIG: directory,
      PERFTRAWL_SERVER: '',
      PERFTRAWL_TOKEN: '',
    },
  };
  const app = await createApp({
    dataDir: join(directory, 'data'),
    configDir: directory,
    agentCommand: ['/nonexistent'],
  });
  local = (await fill(app, { schedule: 'nightly', team: 'databases', hosts: ['web1', 'db1'] })).id;
  await app.close();
  served = await servedApp({ far1: async () => undefined, far2: async () => undefined });
  remote = (await fill(served.app, { schedule: 'hourly', team: 'payments', hosts: ['far2'] })).id;
}, minutes);
afterAll(async () => {
  await served.close();
  await rm(directory, { recursive: true });
});

describe('in bash', () => {
  it.each([
    ['perftrawl schedule pause ni\t', ['schedule', 'pause', 'nightly']],
    ['perftrawl schedule rm nightly ni\t', ['schedule', 'rm', 'nightly', 'nightly']],
    ['perftrawl schedule next \t\t 3', ['schedule', 'next', 'nightly', '3']],
    ['perftrawl pull ni\t -o x', ['pull', 'nightly', '-o', 'x']],
    ['perftrawl teams reset \t', ['teams', 'reset', 'databases']],
    ['perftrawl record --team d\t', ['record', '--team', 'databases']],
    ['perftrawl jobs ls --schedule=n\t', ['jobs', 'ls', '--schedule=nightly']],
    // Bash cuts words at : and =.
    ['perftrawl diff last:d\t last:web\t', ['diff', 'last:db1', 'last:web1']],
    ['perftrawl   diff  last:db\t', ['diff', 'last:db1']],
    ['perftrawl record --on name=d\t -e page-faults', ['record', '--on', 'name=db1', '-e', 'page-faults']],
    ['perftrawl export last --format=pp\t', ['export', 'last', '--format=pprof']],
    ['A=1 perftrawl show last --host d\t', ['show', 'last', '--host', 'db1']],
    // After Ctrl-B, in the middle of the line: what comes behind stays.
    [
      `perftrawl schedule show nig --json${'\u0002'.repeat(' --json'.length)}\t`,
      ['schedule', 'show', 'nightly', '--json'],
    ],
  ])('%j', { timeout: minutes }, async (typed, expected) => {
    expect(await enteredInBash(typed)).toEqual(expected);
  });

  it('offers the hosts of a job where one is named, and all hosts elsewhere', { timeout: minutes }, async () => {
    // The job is for web1, not for web2: there is no doubt.
    expect(await enteredInBash('perftrawl show last --host we\t')).toEqual(['show', 'last', '--host', 'web1']);
    expect(await enteredInBash('perftrawl jobs ls --host we\t2')).toEqual(['jobs', 'ls', '--host', 'web2']);
  });

  it('puts nothing into a word that bash does not cut', { timeout: minutes }, async () => {
    expect(await enteredInBash('perftrawl diff last:d\t', {}, `COMP_WORDBREAKS=$' \\t\\n'`)).toEqual([
      'diff',
      'last:db1',
    ]);
  });

  it('takes the names from the server, where there is one', { timeout: minutes }, async () => {
    const token = await served.token('victor', 'viewer');
    const ca = join(served.fleet.caDirectory, 'ca.crt');
    const of = { PERFTRAWL_SERVER: served.url().href, PERFTRAWL_TOKEN: token, PERFTRAWL_SERVER_CA: ca };
    expect(await enteredInBash('perftrawl schedule history \t', of)).toEqual(['schedule', 'history', 'hourly']);
    expect(await enteredInBash('perftrawl teams set pa\t', of)).toEqual(['teams', 'set', 'payments']);
    expect(await enteredInBash(`perftrawl diff ${remote}:\t`, of)).toEqual(['diff', `${remote}:far2`]);
    const { PERFTRAWL_SERVER: url, ...who } = of;
    const typed = ['--server', url, 'schedule', 'history', 'hourly'];
    expect(await enteredInBash(`perftrawl ${typed.slice(0, -1).join(' ')} h\t`, who)).toEqual(typed);
  });
});

describe('in fish', () => {
  const offered = async (typed: string): Promise<readonly string[]> => {
    const script = `perftrawl completion fish | source; complete -C '${typed}'`;
    const { stdout } = await ended('fish', ['--no-config', '-c', script], { HOME: directory });
    return stdout.split('\n').slice(0, -1);
  };

  it.each([
    ['perftrawl schedule pause ', ['nightly']],
    ['perftrawl teams reset d', ['databases']],
    ['perftrawl diff last:', ['last:db1', 'last:web1']],
  ])('%j', { timeout: minutes }, async (typed, expected) => {
    expect(await offered(typed)).toEqual(expect.arrayContaining(expected));
  });
});

describe('candidates', () => {
  it('are the names of the store', { timeout: minutes }, async () => {
    expect(await words(['pull', ''])).toEqual([local, 'last', 'nightly'].toSorted());
    expect(await words(['diff', 'last:'])).toEqual(['last:db1', 'last:web1']);
    expect(await words(['diff', 'nosuch:'])).toEqual([]);
    expect(await words(['schedule', 'add', ''])).toEqual([]);
    expect(await words(['schedule', 'pause', 'nightly', ''])).toEqual([]);
  });

  it('are none, soon, where a server does not answer', { timeout: minutes }, async () => {
    const silent = createServer(() => undefined);
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const address = silent.address();
    const port = typeof address === 'object' && address !== null ? address.port : expect.fail('no port');
    const of = { PERFTRAWL_SERVER: `https://localhost:${port}`, PERFTRAWL_TOKEN: await served.token('eve', 'viewer') };
    // Enter works all the same.
    expect(await enteredInBash('perftrawl schedule pause ni\t', of)).toEqual(['schedule', 'pause', 'ni']);
    silent.close();
  });

  it('are none where the store cannot be read, and nothing is said', { timeout: minutes }, async () => {
    const broken = join(directory, 'broken');
    await mkdir(broken);
    await writeFile(join(broken, 'perftrawl.db'), 'no database at all, but long enough to be looked at'.repeat(100));
    expect(await enteredInBash('perftrawl teams reset d\t', { PERFTRAWL_DATA: broken })).toEqual([
      'teams',
      'reset',
      'd',
    ]);
  });
});
