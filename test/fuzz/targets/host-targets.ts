// What the agent reads of its host: /proc, cgroups, /etc, its policy, its spool.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readDistribution } from '../../../agent/host/distribution.js';
import { findProcesses } from '../../../agent/host/processes.js';
import { MappedObjectTable } from '../../../agent/perf/mapped-object.js';
import { parsePolicy } from '../../../agent/policy/policy-file.js';
import { readMeta } from '../../../agent/spool/capture-meta.js';
import { encodeFrame, LOG_MAGIC } from '../../../agent/spool/frame.js';
import { LogReader, soundPart, summarizeLog } from '../../../agent/spool/log-reader.js';
import { readKernelSpace } from '../../../agent/stap/kernel-space.js';
import { readUserMaps } from '../../../agent/stap/memory-maps.js';
import { loadedModules } from '../../../agent/stap/module-name.js';
import { LONGEST_REQUEST, readTrigger, triggerText } from '../../../agent/watch/trigger-request.js';
import { crc32 } from '../../../proto/crc32.js';
import { FailureError } from '../../../proto/failure.js';
import { memoryFiles } from '../memory-files.js';
import { seedFiles, texts } from '../seeds.js';
import { type FuzzTarget, promise } from '../target.js';
import { EVENTS } from './sound-events.js';

const maps: FuzzTarget = {
  name: 'memory-maps',
  grammar: 'text',
  seeds: () =>
    texts(
      '55d0c0ff0000-55d0c1000000 r-xp 00002000 fe:00 260104      /usr/bin/postgres\n7f00-7f10 rwxp 0 00:00 0 \n7ffd000-7ffe000 r-xp 00000000 00:00 0 [vdso]\nffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n',
      '1000-2000 r-xs 0 00:00 12 /a\\012b (deleted)\n3000-4000 --xp 00000000 00:00 0 [anon:x]\n',
    ),
  run: (input) => {
    const { maps: found } = readUserMaps(memoryFiles({ '/proc/7/maps': input }), 7);
    promise(
      found.every(({ start, length }) => Number.isSafeInteger(start + length) && length > 0),
      'a mapping has no place',
    );
  },
};

const kernelSpace: FuzzTarget = {
  name: 'kernel-space',
  grammar: 'text',
  seeds: () => [
    ...texts(
      'ext4 1003520 2 - Live 0xffffffffc0201000\nmbcache 16384 1 ext4, Live 0xffffffffc01f0000 (E)\nx 4096 0 - Loading 0x0000000000000000\n',
      'perftrawl_00112233445566778899_4711 1449984 2 - Live 0xffffffffc0a01000 (OE)\n',
    ),
    ...seedFiles('kallsyms.txt'),
  ],
  run: (input) => {
    let spaces = 0;
    readKernelSpace(
      memoryFiles({ '/proc/kallsyms': input, '/proc/modules': input }),
      new MappedObjectTable(),
      () => spaces++,
    );
    loadedModules(Buffer.from(input).toString('utf8'));
  },
};

const processes: FuzzTarget = {
  name: 'processes',
  grammar: 'text',
  seeds: () =>
    texts(
      'postgres\n\fpostgres\0-D\0/var/lib\0\f0::/system.slice/postgresql.service\n1:name=systemd:/machine-x.scope\n\f12 (a b) S 1 12 12\n\f{"Name":"/web"}',
      `nginx\n\f/usr/sbin/nginx\0\f0::/docker/${'a'.repeat(64)}\n\f13 (x)) R 7\n\f[{"id":"${'a'.repeat(64)}","names":["web"]}]`,
    ),
  run: (input, random) => {
    const [comm, cmdline, cgroup, stat, config] = Buffer.from(input)
      .toString('latin1')
      .split('\f')
      .map((part) => Buffer.from(part, 'latin1'));
    const files = memoryFiles({
      '/proc/7/comm': comm ?? input,
      '/proc/7/cmdline': cmdline ?? input,
      '/proc/7/cgroup': cgroup ?? input,
      '/proc/7/stat': stat ?? input,
      '/proc/9/stat': stat ?? input,
      '/proc/9/comm': comm ?? input,
      [`/var/lib/docker/containers/${'a'.repeat(64)}/config.v2.json`]: config ?? input,
      '/var/lib/containers/storage/overlay-containers/containers.json': config ?? input,
      '/etc/os-release': input,
    });
    readDistribution(files);
    const selector = random.pick([{ unit: 'postgresql' }, { container: 'web' }, { comms: ['nginx'] }]);
    findProcesses(files, selector, 9);
  },
};

const STAP_ABSENT = {
  catalogue: 'all',
  own: 'deny',
  scripts: [],
  guru: [],
  modules: 'allow',
  commands: 'deny',
  maxOverheadPercent: 10,
} as const;

const policy: FuzzTarget = {
  name: 'policy',
  grammar: 'text',
  seeds: () =>
    texts(
      `stap:\n  catalogue: [pagefault-latency, "off-cpu-stacks"]\n  own: deny\n  scripts:\n    - ${'a'.repeat(64)}\n  guru: []\n  modules: allow\n  commands: deny\n  max-overhead-percent: 5\n`,
      'stap: { catalogue: all, own: allow } # all\n',
      'a: &x [1, 2]\nb: *x\nc: {<<: *x}\n? [k]\n: v\n--- \n!!set {a}\n',
    ),
  run: (input) => void parsePolicy(Buffer.from(input).toString('utf8'), 'policy.yaml', STAP_ABSENT),
};

/** The input is written to a file, as LogReader reads files; half of the time with frame sums that are right. */
const spoolLog: FuzzTarget = {
  name: 'spool-log',
  grammar: 'bytes',
  seeds: () => [
    Buffer.concat([LOG_MAGIC, ...EVENTS.map((event, i) => encodeFrame({ ...event, sequence: i + 1 }))]),
    LOG_MAGIC,
  ],
  run: async (input, random) => {
    const path = join(scratch(), 'log');
    writeFileSync(path, random.once(2) ? input : withRightSums(input));
    try {
      const reader = await LogReader.open(path);
      try {
        while ((await reader.next()) !== undefined);
      } finally {
        await reader.close();
      }
    } catch (error) {
      if (!(error instanceof FailureError)) throw error;
    }
    const { end } = await soundPart(path);
    promise(end <= input.length, 'more is sound than there is');
    await summarizeLog(path);
  },
};

function withRightSums(log: Uint8Array): Uint8Array {
  const bytes = Buffer.from(log);
  LOG_MAGIC.copy(bytes);
  for (let at = LOG_MAGIC.length; at + 8 < bytes.length; ) {
    const end = at + 8 + bytes.readUInt32LE(at);
    if (end > bytes.length || end === at + 8) break;
    bytes.writeUInt32LE(crc32(bytes.subarray(at + 8, end)), at + 4);
    at = end;
  }
  return bytes;
}

const meta: FuzzTarget = {
  name: 'capture-meta',
  grammar: 'text',
  seeds: () =>
    texts(
      '{"captureId":"a","kind":"record","spec":"{}","requester":"x","started":12,"owner":{"pid":1,"startTicks":"2","bootId":"b"}}',
    ),
  run: async (input) => {
    const path = join(scratch(), 'meta.json');
    writeFileSync(path, input);
    await readMeta(path);
  },
};

let directory: string | undefined;
function scratch(): string {
  if (directory === undefined) {
    const made = mkdtempSync(join(tmpdir(), 'perftrawl-fuzz-'));
    directory = made;
    process.on('exit', () => rmSync(made, { recursive: true, force: true }));
  }
  return directory;
}

const trigger: FuzzTarget = {
  name: 'trigger-request',
  grammar: 'text',
  seeds: () => texts(triggerText({ who: 'alice@ws', reason: 'queries are slow' }), '{"reason":"","who":"\\ud800"}'),
  run: (input) => {
    const read = readTrigger(input);
    promise(read.who.length <= 256 && read.reason.length <= 2048, 'a request to fire says more than it may');
    const again = readTrigger(Buffer.from(triggerText(read)));
    promise(JSON.stringify(again) === JSON.stringify(read), 'what was written is read as something else');
    promise(Buffer.byteLength(triggerText(read)) <= LONGEST_REQUEST, 'a sound request is too long');
  },
};

export const HOST_TARGETS: readonly FuzzTarget[] = [maps, kernelSpace, processes, policy, spoolLog, meta, trigger];
