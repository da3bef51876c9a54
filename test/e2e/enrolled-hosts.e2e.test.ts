// A fleet that enrolls itself, used by people elsewhere, through the command line alone: two hosts come with a token and dial in, an operator
// records on them from another machine, a viewer may not, the log names who did what, and a host whose certificate is revoked is out.
import type { ChildProcess } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { HostRun, Job } from '../../controller/api.js';
import type { WrittenEntry } from '../../controller/audit/audit-entry.js';
import type { Loss } from '../../profile/loss.js';
import { type Ended, Fleet, outputOf } from './fleet.js';

interface Report {
  readonly job: Job;
  readonly hosts: readonly HostRun[];
  readonly losses: readonly Loss[];
}

const RECORD = [
  'record',
  '-e',
  'page-faults',
  '-c',
  '1',
  '--comm',
  'faults',
  '--on',
  'role=db',
  '--for',
  '1s',
  '--json',
];
const names = ['db1', 'db2'];
const agents: Record<string, Lines> = {};
const tokens: Record<string, string> = {};
let fleet: Fleet;
let server: Lines;
let url: string;
let dialIn: string;

beforeAll(async () => {
  fleet = await Fleet.create();
  // The others are known because they enroll, not because somebody wrote them down.
  await fleet.writeInventory([{ name: 'server', address: 'local' }]);
  await succeed('ca', 'init');
  const serving = fleet.start(['serve', '--listen', '127.0.0.1:0', '--agents', '127.0.0.1:0']);
  server = new Lines(serving);
  url = (await server.match(/^serving on (https:\S+)$/)).replace('127.0.0.1', 'localhost');
  dialIn = await server.match(/^agents dial in at (127\.0\.0\.1:\d+)$/);
  // About 2,000 faults per second for longer than the test runs.
  await fleet.startWorkload('faults', '100000000', '20', '300', '30000');
});

afterAll(() => fleet.dispose());

it('lets in as many hosts as the token is for, and tells the next one why not', async () => {
  const token = await succeed('enroll-token', 'create', '--labels', 'role=db', '--name-pattern', 'db*', '--uses', '2');
  await writeFile(join(fleet.directory, 'token'), token, { mode: 0o600 });
  const web = await enroll('web1');
  expect(web.code).toBe(7);
  expect(web.stderr).toMatch(/web1/);
  for (const name of names) {
    const enrolled = await enroll(name);
    expect(enrolled.code, enrolled.stderr).toBe(0);
    expect(enrolled.stdout).toMatch(new RegExp(`^enrolled as ${name} role=db, good until`));
    const state = join(fleet.directory, 'state', name);
    agents[name] = new Lines(fleet.start(['agent', '--dial', dialIn, '--name', name, '--state', state]));
    await agents[name].match(new RegExp(`(which knows this host as ${name})$`));
  }
  const third = await enroll('db3');
  expect(third.code).toBe(7);
  expect(third.stderr).toMatch(/the token [0-9a-f]+ was for 2 hosts, and has been used up/);
  const { entries } = await fleet.json<{ entries: WrittenEntry[] }>(['audit']);
  const enrolments = entries.filter(({ what }) => what === 'enroll-host');
  expect(enrolments.filter(({ failure }) => failure === undefined).flatMap(({ hosts = [] }) => hosts)).toEqual(names);
});

it('records on them for an operator elsewhere, who has a token only', async () => {
  for (const [user, role] of [
    ['alice', 'operator'],
    ['victor', 'viewer'],
    ['ada', 'admin'],
  ]) {
    tokens[user] = (await succeed('users', 'add', user, '--role', role)).trim();
  }
  const { job, hosts } = report(await as('alice', ...RECORD), 0);
  expect(job.state).toBe('succeeded');
  expect(hosts.map(({ host, state }) => [host, state])).toEqual(names.map((name) => [name, 'succeeded']));
  for (const host of names) {
    const folded = await as('victor', 'export', job.id, '--format', 'folded', '--host', host);
    expect(folded.code, folded.stderr).toBe(0);
    expect(folded.stdout).toMatch(/^faults;.*main;.*touch/m);
  }
});

it('refuses a viewer who wants to record', async () => {
  const refused = await as('victor', ...RECORD);
  expect(refused.code).toBe(7);
  expect(refused.stderr).toMatch(/victor is viewer, and POST \/v1\/jobs takes operator/);
});

it('has written down who asked for what, and on which hosts', async () => {
  const { entries } = await fleet.json<{ entries: WrittenEntry[] }>(['audit']);
  expect(entries.filter(({ what }) => what === 'submit-job')).toEqual([
    expect.objectContaining({ who: expect.stringMatching(/^alice@/), hosts: names }),
  ]);
  const ended = entries.filter(({ what }) => what === 'host-run-ended');
  expect(ended.map(({ who, hosts }) => [who.split('@')[0], ...(hosts ?? [])]).sort()).toEqual([
    ['alice', 'db1'],
    ['alice', 'db2'],
  ]);
  const refused = entries.find(({ what, failure }) => what === 'refused' && failure?.message.includes('POST /v1/jobs'));
  expect(refused).toMatchObject({ who: expect.stringMatching(/^victor\b/), failure: { code: 'permission' } });
  // So have the hosts, which were told the name of the person.
  const onHosts = await as('ada', 'audit', 'hosts', '--on', 'role=db', '--job', 'last', '--json');
  expect(onHosts.code, onHosts.stderr).toBe(0);
  const told = JSON.parse(onHosts.stdout) as { hosts: { host: string; entries: { requester?: string }[] }[] };
  expect(told.hosts.map(({ host, entries }) => [host, entries[0]?.requester?.split('@')[0]])).toEqual(
    names.map((name) => [name, 'alice']),
  );
});

it('cuts off a host whose certificate is revoked; the others go on', async () => {
  await succeed('ca', 'revoke', 'db1');
  await agents.db1.match(/(the certificate of dial-in-agent db1 \(serial \S+\) was revoked)/);
  await server.match(/(db1 is gone)/);
  const { job, hosts, losses } = report(await as('alice', ...RECORD), 3);
  expect(job.state).toBe('partial');
  const [db1, db2] = hosts;
  expect(db2).toMatchObject({ host: 'db2', state: 'succeeded' });
  expect(db1).toMatchObject({ host: 'db1', state: 'failed', failure: { code: 'untrusted' } });
  expect(db1.failure?.message).toMatch(/the certificate of dial-in-agent db1 .* was revoked/);
  expect(losses).toContainEqual(
    expect.objectContaining({ kind: 'missing-hosts', detail: expect.stringContaining('db1') }),
  );
});

/** On the server's machine. */
async function succeed(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await fleet.run(...args);
  expect(code, `${args.join(' ')}: ${stderr}`).toBe(0);
  return stdout;
}

/** On a machine with nothing of its own but the token. */
function as(user: string, ...args: string[]): Promise<Ended> {
  const home = join(fleet.directory, 'people', user);
  const own = Object.fromEntries(
    ['HOME', 'XDG_CONFIG_HOME', 'XDG_DATA_HOME', 'XDG_STATE_HOME', 'PERFTRAWL_DATA'].map((name) => [name, home]),
  );
  return outputOf(fleet.start([...args, '--server', url], { ...own, PERFTRAWL_TOKEN: tokens[user] }));
}

function report({ code, stdout, stderr }: Ended, expected: number): Report {
  expect(code, stderr + stdout).toBe(expected);
  return JSON.parse(stdout) as Report;
}

function enroll(name: string): Promise<Ended> {
  const state = join(fleet.directory, 'state', name);
  const token = join(fleet.directory, 'token');
  return fleet.run('agent', 'enroll', '--server', dialIn, '--token-file', token, '--name', name, '--state', state);
}

/** What a process has said so far, on stdout and stderr, to wait for what it is going to say. */
class Lines {
  readonly #lines: string[] = [];
  #isOver = false;
  #wake: () => void = () => undefined;

  constructor({ stdout, stderr }: ChildProcess) {
    for (const stream of [stdout, stderr]) {
      if (stream === null) throw new Error('its output is not piped');
      createInterface({ input: stream })
        .on('line', (line) => {
          this.#lines.push(line);
          this.#wake();
        })
        .once('close', () => {
          this.#isOver = true;
          this.#wake();
        });
    }
  }

  /** The first group of the first line that matches; fails when the process ends without one. */
  async match(pattern: RegExp): Promise<string> {
    for (let at = 0; ; at++) {
      while (at === this.#lines.length) {
        if (this.#isOver) throw new Error(`it never said ${pattern}: ${this.#lines.join('\n')}`);
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      const found = pattern.exec(this.#lines[at])?.[1];
      if (found !== undefined) return found;
    }
  }
}
