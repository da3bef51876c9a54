// Twenty hosts that have nothing but sshd and perf: our captures by ssh, against a loop of ssh and against pssh, which fetch text and fold it.
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { interleaved, median } from './measure.mjs';
import { seconds } from './report.mjs';

const root = fileURLToPath(new URL('../', import.meta.url));
const collapseScript = join(root, 'test', 'oracle', 'collapse.pl');
const measureScript = join(root, 'bench', 'measure.pl');
const duration = 2;
/** On the host; its own processes of that name are those of its namespace. */
const remote =
  'perf record -q -N -B -e page-faults -c 1 -g -p "$(pgrep -x -d, faults)" -o /tmp/bench.data -- ' +
  `sleep ${duration} >&2 && perf script --no-inline -i /tmp/bench.data && rm /tmp/bench.data`;
/** $1 ssh_config, $2 collapse script, $3 directory, $4 what runs there, then the hosts. */
const loop =
  'set -eu -o pipefail; config=$1 collapse=$2 out=$3 remote=$4; shift 4; rm -rf "$out"; mkdir -p "$out"; ' +
  'for host; do ssh -F "$config" "$host" "$remote" > "$out/$host.txt" 2> "$out/$host.err"; ' +
  'perl "$collapse" < "$out/$host.txt" > "$out/$host.folded"; done; cat "$out"/*.folded';
/** The same arguments; $host of the loop is what pssh names its files after. */
const pssh =
  'set -eu -o pipefail; config=$1 collapse=$2 out=$3 remote=$4; shift 4; rm -rf "$out"; mkdir -p "$out"; ' +
  'parallel-ssh -p 32 -t 300 -x "-F $config" -H "$*" -o "$out/text" -e "$out/errors" "$remote" >&2; ' +
  'for text in "$out"/text/*; do perl "$collapse" < "$text" > "$out/$(basename "$text").folded"; done; cat "$out"/*.folded';

/** @param context see run.mjs */
export async function sshRows({ isQuick, log, sshRounds = isQuick ? 1 : 3 }) {
  const names = Array.from({ length: isQuick ? 4 : 20 }, (_, i) => `db${String(i + 1).padStart(2, '0')}`);
  const { Workstation } = await bundled('test/fleet/workstation.ts');
  log(`starting ${names.length} hosts behind sshd`);
  const workstation = await Workstation.start({
    sshHosts: Object.fromEntries(names.map((name) => [name, {}])),
    // 512 faults at the beginning of each second.
    workload: ['1000000000', '10', '50', '0', '512'],
  });
  try {
    return await rowsOf(workstation, names, sshRounds, log);
  } finally {
    await workstation.stop();
  }
}

async function rowsOf(workstation, names, rounds, log) {
  const { directory, sshConfig } = workstation.fleet;
  const list = names.join(',');
  const script = (text, out) => [
    'bash',
    '-c',
    text,
    'bash',
    sshConfig,
    collapseScript,
    join(directory, out),
    remote,
    ...names,
  ];
  const capture = ['record', '-e', 'page-faults', '-c', '1', '--comm', 'faults', '--for', `${duration}s`];
  const ours = ['perftrawl', ...capture, '-H', list, '--even-if-busy', '--budget', 'none', '--json'];
  const load = [];
  const look = async (what, work) => {
    log(`${names.length} hosts by ssh: ${what}`);
    load.push(loadavg()[0]);
    return work();
  };
  const runs = await interleaved(rounds, {
    cold: () =>
      look('perftrawl, which sends its agent', async () => {
        const { code, stderr } = await workstation.run('hosts', 'clean', '-H', list);
        if (code !== 0) throw new Error(`the agents could not be removed: ${stderr}`);
        return captured(workstation, ours, names.length);
      }),
    warm: () => look('perftrawl, whose agent is there', () => captured(workstation, ours, names.length)),
    loop: () => look('a loop of ssh', () => folded(workstation, script(loop, 'loop'), names.length)),
    pssh: () => look('pssh', () => folded(workstation, script(pssh, 'pssh'), names.length)),
  });
  const of = (name, figure) => median(runs[name].map((run) => run[figure]));
  const row = (what, name, peer, figure) => {
    const factor = of(peer, figure) / of(name, figure);
    return {
      what: `${what} (${names.length} hosts, ${duration} s of perf record)`,
      ours: seconds(of(name, figure)),
      peer: seconds(of(peer, figure)),
      result: factor >= 1 ? `${factor.toFixed(1)}x less` : `${(1 / factor).toFixed(2)}x more`,
      ...{ demand: '-', aim: '-' },
    };
  };
  return {
    rows: ['cold', 'warm'].flatMap((name) =>
      ['loop', 'pssh'].flatMap((peer) => {
        const sides = `ssh, agent ${name === 'cold' ? 'sent' : 'there'}, against ${peer === 'loop' ? 'a loop of ssh' : 'pssh'}`;
        return [row(`time, ${sides}`, name, peer, 'wall'), row(`CPU of the workstation, ${sides}`, name, peer, 'cpu')];
      }),
    ),
    notes: [
      `ssh: ${names.length} hosts in namespaces of this machine, each with sshd of its own; ${rounds} round(s), in turns; load ` +
        `${Math.min(...load).toFixed(0)} to ${Math.max(...load).toFixed(0)}. The peers run perf record and perf script there and fold the text here; ` +
        `samples per host: ${Object.entries(runs)
          .map(([name, list_]) => `${name} ${(median(list_.map(({ weight }) => weight)) / names.length).toFixed(0)}`)
          .join(', ')}. ` +
        'The CPU that the hosts spent, most of it perf, is in neither',
    ],
  };
}

/** A job of ours, all of whose hosts must succeed. */
async function captured(workstation, [, ...words], hosts) {
  const { stdout, ...usage } = await measuredThere(workstation, [
    process.execPath,
    join(root, 'bin', 'perftrawl'),
    ...words,
  ]);
  const { hosts: runs, top } = JSON.parse(stdout);
  const good = runs.filter(({ state }) => state === 'succeeded').length;
  if (good !== hosts)
    throw new Error(`${good} of ${hosts} hosts succeeded: ${JSON.stringify(runs.map(({ failure }) => failure))}`);
  return { ...usage, weight: top[0].top.total };
}

/** What a peer folded, from all hosts. */
async function folded(workstation, argv, hosts) {
  const { stdout, ...usage } = await measuredThere(workstation, argv);
  const weight = stdout.split('\n').reduce((sum, line) => sum + Number(/ (\d+)$/.exec(line)?.[1] ?? 0), 0);
  if (weight < hosts) throw new Error(`only ${weight} samples of ${hosts} hosts`);
  return { ...usage, weight };
}

let reports = 0;

/** Run on the workstation to its end. */
async function measuredThere(workstation, argv) {
  const report = join(workstation.fleet.directory, `usage-${reports++}.txt`);
  const started = performance.now();
  const { code, stdout, stderr } = await workstation.runThere(['perl', measureScript, report, ...argv]);
  const wall = (performance.now() - started) / 1000;
  if (code !== 0) throw new Error(`${argv.slice(0, 4).join(' ')} ended with ${code}: ${stderr.slice(-2000)}`);
  const [user, system, peakKiB] = (await readFile(report, 'utf8')).split(' ').map(Number);
  return { stdout, wall, cpu: user + system, peakMiB: peakKiB / 1024 };
}

/** The hosts of the tests are TypeScript. */
async function bundled(source) {
  mkdirSync(join(root, 'build'), { recursive: true });
  const directory = mkdtempSync(join(root, 'build', 'bench-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  const outfile = join(directory, 'bundle.mjs');
  await build({
    ...{ entryPoints: [join(root, source)], outfile, bundle: true, platform: 'node', target: 'node20', format: 'esm' },
    ...{ packages: 'external', logLevel: 'error' },
    plugins: [{ name: 'own-place', setup: (made) => made.onLoad({ filter: /\.ts$/ }, withOwnPlace) }],
  });
  // What comes from packages is loaded before all of the bundle, and a package of certificates needs this first.
  await import('../dist/controller/ca/reflect-metadata.js');
  return import(pathToFileURL(outfile).href);
}

/** Files are found beside the sources that look for them, not beside the bundle. */
function withOwnPlace({ path }) {
  const contents = readFileSync(path, 'utf8').replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href));
  return { contents, loader: 'ts' };
}
