// Which processes a selector means, on a made-up /proc.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hostFiles } from '../../../agent/host/host-files.js';
import { localMachine } from '../../../agent/host/machine.js';
import { findProcesses } from '../../../agent/host/processes.js';
import { resolveTarget } from '../../../agent/host/resolve-target.js';
import type { ProcessSelector, Target } from '../../../proto/capture.js';

const ID = '4f5e6d7c8b9a0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796';
const OWN_PID = 900;
let root: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'perftrawl-proc-'));
  await addProcess(1, 'systemd', ['/sbin/init'], '/init.scope', 0);
  await addProcess(10, 'postgres', ['postgres:', 'writer'], '/system.slice/postgresql.service', 1);
  await addProcess(11, 'postgres', ['postgres:', 'checkpointer'], '/system.slice/postgresql.service', 1);
  await addProcess(12, 'nginx', ['nginx', '-g', 'daemon off;'], `/system.slice/docker-${ID}.scope`, 1);
  await addProcess(13, 'kworker/0:1', [], '/', 2);
  await addProcess(14, 'odd name) R 1', ['a\nb'], '/machine.slice/machine-db.scope', 1);
  await addProcess(
    15,
    'nginx',
    [],
    `/system.slice/docker-${ID}.scope`,
    1,
    'Z 1 15 15 0 -1 4228364 0 0 0 0 0 0 0 0 20 0 1 0',
  );
  await addProcess(16, 'apache', [], '/', 1, 'Z 1 16 16 0 -1 4228364 0 0 0 0 0 0 0 0 20 0 3 0');
  await addProcess(800, 'node', ['node', '/opt/perftrawl/bin/perftrawl', 'record', '--cmdline', 'writer'], '/', 1);
  await addProcess(OWN_PID, 'node', ['node', '/opt/perftrawl/bin/perftrawl', 'agent', '--stdio'], '/', 800);
  const config = `/var/lib/docker/containers/${ID}/config.v2.json`;
  await add(config, JSON.stringify({ ID, Name: '/web' }));
  await add('/sys/fs/cgroup/unified/system.slice/tasks', '');
});
afterAll(async () => {
  await rm(root, { recursive: true, force: true });
});

async function add(path: string, text: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), text);
}

async function addProcess(
  pid: number,
  comm: string,
  argv: readonly string[],
  cgroup: string,
  parent: number,
  fields = `S ${parent} 0 0`,
) {
  await add(`/proc/${pid}/comm`, `${comm}\n`);
  await add(`/proc/${pid}/cmdline`, argv.map((arg) => `${arg}\0`).join(''));
  await add(`/proc/${pid}/cgroup`, `1:name=systemd:/\n0::${cgroup}\n`);
  await add(`/proc/${pid}/stat`, `${pid} (${comm}) ${fields}`);
}

const find = (selector: ProcessSelector) => findProcesses(hostFiles(root), selector, OWN_PID).map(({ pid }) => pid);

describe('a selector', () => {
  it.each<[string, ProcessSelector, number[]]>([
    ['one comm, not what has ended', { comms: ['nginx'] }, [12]],
    ['one whose first thread has ended, and others have not', { comms: ['apache'] }, [16]],
    ['comms are alternatives', { comms: ['nginx', 'postgres'] }, [10, 11, 12]],
    ['comms are exact', { comms: ['postgre'] }, []],
    ['a comm that looks like the end of a stat line', { comms: ['odd name) R 1'] }, [14]],
    ['command lines by regular expression, but not our own', { cmdline: 'writer$' }, [10]],
    ['a unit, with and without suffix', { unit: 'postgresql' }, [10, 11]],
    ['a unit with suffix', { unit: 'postgresql.service' }, [10, 11]],
    ['a container by the start of its id', { container: ID.slice(0, 12) }, [12]],
    ['a container by its docker name', { container: 'web' }, [12]],
    ['a container of systemd-nspawn', { container: 'db' }, [14]],
    ['no container of that name', { container: 'nope' }, []],
    ['all given parts', { comms: ['postgres'], cmdline: 'checkpointer', unit: 'postgresql' }, [11]],
  ])('%s', (_what, selector, pids) => {
    expect(find(selector)).toEqual(pids);
  });

  it('tells what it found', () => {
    expect(findProcesses(hostFiles(root), { comms: ['nginx'] }, OWN_PID)).toEqual([
      {
        pid: 12,
        comm: 'nginx',
        cmdline: 'nginx -g daemon off;',
        cgroup: `/system.slice/docker-${ID}.scope`,
        uid: process.getuid?.() ?? 0,
      },
    ]);
  });

  it.each([
    ['(', /no regular expression/],
    ['x'.repeat(600), /longer/],
  ])('refuses the pattern %s', (cmdline, message) => {
    expect(() => find({ cmdline })).toThrow(message);
  });

  it('stops a pattern that would take forever', async () => {
    await addProcess(15, 'long', [`${'a'.repeat(64)}!`], '/', 1);
    expect(() => find({ cmdline: '(a+)+$' })).toThrow(/takes too long/);
    await rm(join(root, 'proc/15'), { recursive: true });
  });
});

describe('a target', () => {
  const resolve = (target: Target) => resolveTarget({ ...localMachine({ root, path: '' }), ownPid: OWN_PID }, target);

  it('of processes becomes their pids', () => {
    const { target, detail } = resolve({ kind: 'processes', selector: { unit: 'postgresql' } });
    expect(target).toEqual({ kind: 'pids', pids: [10, 11] });
    expect(detail).toBe('2 processes: postgres (10), postgres (11)');
  });

  it.each<[Target, string, RegExp]>([
    [{ kind: 'processes', selector: { comms: ['absent'], unit: 'x' } }, 'not-found', /--comm absent --unit x/],
    [{ kind: 'processes', selector: {} }, 'bad-request', /empty/],
    [{ kind: 'pids', pids: [10, 77, 78] }, 'not-found', /no process 77, 78/],
    [{ kind: 'tids', tids: [77] }, 'not-found', /no thread 77/],
    [{ kind: 'cgroup', path: '/nowhere' }, 'not-found', /no cgroup \/nowhere/],
    [{ kind: 'cgroup', path: '/a/../..' }, 'bad-request', /`\.\.`/],
  ])('%j is refused as %s', (target, code, message) => {
    expect(() => resolve(target)).toThrow(expect.objectContaining({ failure: expect.objectContaining({ code }) }));
    expect(() => resolve(target)).toThrow(message);
  });

  it('may be a cgroup that is there', () => {
    expect(resolve({ kind: 'cgroup', path: '/system.slice' }).detail).toBe('cgroup /system.slice');
  });
});
