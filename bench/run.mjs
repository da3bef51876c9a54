// `npm run bench`: how fast, against whom. Makes its own captures in a temporary directory and prints a table; a whole run, not --quick,
// also writes it to bench/RESULTS.md.
//
//   node bench/run.mjs [--quick] [--only=fold,live,idle,fleet,ssh,store] [--bin=FILE] [--agents=N] [--rounds=N] [--captures=N]
//
// --agents and --rounds are of fleet: simulated agents (1000), and jobs of each kind (3); --captures of store (1000). Takes about 20 minutes and 3 GB of disk; --quick about 3 minutes, with captures too small for some of the demands.
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { buildPrograms, recordLarge, recordMedium, recordSmall, recordSystem } from './captures.mjs';
import { fleetRows } from './fleet-rows.mjs';
import { largeRows, mediumRows, smallRows } from './fold-rows.mjs';
import { idleRows, liveRows } from './live-rows.mjs';
import { environmentNotes } from './measure.mjs';
import { machine, markdown } from './report.mjs';
import { sshRows } from './ssh-rows.mjs';
import { storeRows } from './store-rows.mjs';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', default: 'fold,live,idle,fleet,ssh,store' },
    agents: { type: 'string' },
    rounds: { type: 'string' },
    captures: { type: 'string' },
    bin: { type: 'string', default: fileURLToPath(new URL('../bin/perftrawl', import.meta.url)) },
  },
});
const parts = new Set(values.only.split(','));
const isQuick = values.quick;

const started = Date.now();
const log = (text) =>
  process.stderr.write(`bench ${String(Math.round((Date.now() - started) / 1000)).padStart(4)} s  ${text}\n`);

installHotspot();
const directory = await mkdtemp(join(tmpdir(), 'perftrawl-bench-'));
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    rmSync(directory, { recursive: true, force: true });
    process.exit(130);
  });
}
const rows = [];
const notes = [];
const add = (part) => {
  rows.push(...part.rows);
  notes.push(...part.notes);
};
try {
  log(`building the programs to record, in ${directory}`);
  const programs = await buildPrograms(directory);
  const perftrawl = ['node', values.bin];
  const context = { directory, programs, perftrawl, isQuick, log, rounds: isQuick ? 3 : 5, largeRounds: 1 };
  if (parts.has('fold')) {
    log('recording');
    const large = await recordLarge(directory, programs, isQuick ? 100_000 : 1_050_000);
    add(await largeRows(context, large));
    await rm(large.file);
    add(await mediumRows(context, await recordMedium(directory, programs)));
    add(await mediumRows(context, await recordSystem(directory, programs)));
    add(await smallRows(context, await recordSmall(directory, programs)));
  }
  if (parts.has('live')) add(await liveRows(context));
  if (parts.has('idle')) add(await idleRows(context));
  if (parts.has('fleet')) add(await fleetRows(context, { hosts: values.agents, rounds: values.rounds }));
  if (parts.has('ssh')) add(await sshRows(context));
  if (parts.has('store')) add(await storeRows(context, { captures: values.captures }));
} finally {
  await rm(directory, { recursive: true, force: true });
}

const title = `perftrawl bench, ${new Date().toISOString().slice(0, 10)}${isQuick ? ', quick' : ''}`;
const text = markdown(rows, {
  title,
  notes: [
    machine(),
    'CPU is user and system time with all children; medians of interleaved runs',
    ...environmentNotes(),
    ...notes,
  ],
});
process.stdout.write(text);
if (parts.size === 6 && !isQuick) await writeFile(new URL('RESULTS.md', import.meta.url), text);
log(rows.some((row) => row.isMet === false) ? 'done; not every demand is met' : 'done');

/** hotspot is a peer of one row. It is installed where it is missing and this is Debian and root. */
function installHotspot() {
  if (!parts.has('fold') || spawnSync('dpkg', ['-s', 'hotspot'], { stdio: 'ignore' }).status === 0) return;
  if (process.getuid?.() !== 0) return;
  log('installing hotspot, which one row compares with: apt-get install --no-install-recommends hotspot');
  const args = ['install', '-y', '-q', '--no-install-recommends', 'hotspot'];
  const { status, stderr } = spawnSync('apt-get', args, { stdio: ['ignore', 'ignore', 'pipe'], timeout: 300_000 });
  if (status !== 0)
    log(`hotspot could not be installed, so it gets no row: ${String(stderr).trim().split('\n').at(-1)}`);
}
