// perf.data to folded stacks: against perf script and the collapse script, against hotspot's parser, and against cat and md5sum.
import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cpuOf, interleaved, measured, median } from './measure.mjs';
import { atMostTimes, timesLess } from './report.mjs';

const collapseScript = fileURLToPath(new URL('../test/oracle/collapse.pl', import.meta.url));
const countScript = fileURLToPath(new URL('count.mjs', import.meta.url));
/** As a person types it. */
const pipeline = 'set -o pipefail; perf script --no-inline -i "$1" 2>/dev/null | perl "$2"';

/** @param context see run.mjs */
export async function largeRows({ directory, perftrawl, rounds, largeRounds, isQuick, log }, capture) {
  const { file, samples, size, sizes } = capture;
  log(`folding ${sizes}: ${rounds} times, cat and md5sum as well`);
  const runs = await interleaved(rounds, {
    fold: () => measured(directory, [...perftrawl, 'fold', file], { to: join(directory, 'fold.out') }),
    count: () => measured(directory, ['node', countScript, file], { to: join(directory, 'count.out') }),
    cat: () => measured(directory, ['cat', file]),
    md5sum: () => measured(directory, ['md5sum', file]),
  });
  const counted = JSON.parse(await readFile(join(directory, 'count.out'), 'utf8'));
  log(`perf script and collapse on the same, ${largeRounds} time(s): minutes`);
  const peer = await interleaved(largeRounds, { collapse: () => collapse(directory, file) });
  const agreement = await compareFolded(join(directory, 'fold.out'), join(directory, 'collapse.out'));
  const fold = cpuOf(runs.fold);
  const peak = median(runs.fold.map((usage) => usage.peakMiB));
  const mebibyte = (value) => `${value.toFixed(0)} MiB`;
  const rows = [
    timesLess('CPU, fold against perf script and collapse', fold, cpuOf(peer.collapse), {
      demand: 13,
      aim: 30,
      sizes,
      ...(largeRounds < rounds ? { runs: `${largeRounds} run` } : {}),
    }),
    atMostTimes('CPU, parse and count against cat', cpuOf(runs.count), cpuOf(runs.cat), { demand: 8, aim: 5, sizes }),
    atMostTimes('CPU, fold against md5sum', fold, cpuOf(runs.md5sum), { demand: 3, aim: 2, sizes }),
    {
      what: `peak memory of fold (${sizes})`,
      ours: mebibyte(peak),
      peer: '-',
      result: mebibyte(peak),
      demand: '<= 400 MiB',
      aim: '250 MiB',
      isMet: peak <= 400,
    },
  ];
  const isWhole = samples >= 1e6 && size >= 800e6;
  return {
    rows: isQuick || !isWhole ? rows.map((row) => ({ ...row, isMet: undefined })) : rows,
    notes: [`${sizes}: ${agreement}; parse and count found ${counted.samples} samples with ${counted.frames} frames`],
  };
}

export async function mediumRows({ directory, perftrawl, rounds, log }, capture) {
  const { file, sizes } = capture;
  const parser = hotspotParser();
  log(
    `folding ${sizes}, ${rounds} times, against perf script and collapse${parser === undefined ? '' : ' and hotspot'}`,
  );
  const jobs = {
    fold: () => measured(directory, [...perftrawl, 'fold', file], { to: join(directory, 'fold.out') }),
    collapse: () => collapse(directory, file),
  };
  if (parser !== undefined) {
    jobs.hotspot = () =>
      measured(directory, [
        parser,
        '--input',
        file,
        '--output',
        join(directory, 'hotspot.out'),
        '--max-frames',
        '1024',
      ]);
  }
  const runs = await interleaved(rounds, jobs);
  const fold = cpuOf(runs.fold);
  const rows = [
    timesLess('CPU, fold against perf script and collapse', fold, cpuOf(runs.collapse), { demand: 3, aim: 6, sizes }),
  ];
  if (runs.hotspot !== undefined) {
    rows.push(
      timesLess('CPU, fold against hotspot-perfparser', fold, cpuOf(runs.hotspot), { demand: 9, aim: 25, sizes }),
    );
  }
  const agreement = await compareFolded(join(directory, 'fold.out'), join(directory, 'collapse.out'));
  const absent =
    parser === undefined ? ['hotspot-perfparser is not installed (apt-get install hotspot): no row for it'] : [];
  return { rows, notes: [`${sizes}: ${agreement}`, ...absent] };
}

export async function smallRows({ directory, perftrawl, rounds, log }, capture) {
  const { file, sizes } = capture;
  const times = Math.max(5, rounds);
  log(`folding ${sizes}, ${times} times`);
  const runs = await interleaved(times, {
    fold: () => measured(directory, [...perftrawl, 'fold', file], { to: join(directory, 'fold.out') }),
    collapse: () => collapse(directory, file),
  });
  const agreement = await compareFolded(join(directory, 'fold.out'), join(directory, 'collapse.out'));
  return {
    rows: [
      timesLess('CPU, fold against perf script and collapse', cpuOf(runs.fold), cpuOf(runs.collapse), {
        demand: 1 / 1.2,
        aim: 1,
        sizes,
      }),
    ],
    notes: [`${sizes}: ${agreement}`],
  };
}

function collapse(directory, file) {
  const argv = ['bash', '-c', pipeline, 'bash', file, collapseScript];
  return measured(directory, argv, { to: join(directory, 'collapse.out') });
}

/** hotspot's parser without its window; Debian keeps it below the architecture's own directory. */
function hotspotParser() {
  const candidates = ['/usr/libexec/hotspot-perfparser'];
  for (const entry of readdirSync('/usr/lib')) candidates.push(`/usr/lib/${entry}/libexec/hotspot-perfparser`);
  return candidates.find((path) => existsSync(path));
}

/** How much of the weight is in stacks that both name alike, but for the frames that the classic script leaves out by mistake. */
async function compareFolded(ours, theirs) {
  const [a, b] = await Promise.all([weights(ours), weights(theirs)]);
  let shared = 0;
  for (const [stack, weight] of a.byStack) shared += Math.min(weight, b.byStack.get(stack) ?? 0);
  const totals = a.total === b.total ? `both weigh ${a.total}` : `ours weighs ${a.total}, theirs ${b.total}`;
  return `${totals}, ${((100 * shared) / b.total).toFixed(2)} % of it in stacks named alike`;
}

async function weights(file) {
  const byStack = new Map();
  let total = 0;
  for (const line of (await readFile(file, 'utf8')).split('\n')) {
    if (line === '') continue;
    const blank = line.lastIndexOf(' ');
    const weight = Number(line.slice(blank + 1));
    const stack = line.slice(0, blank).replace(/;\(anonymous namespace\)[^;]*/g, '');
    byStack.set(stack, (byStack.get(stack) ?? 0) + weight);
    total += weight;
  }
  return { byStack, total };
}
