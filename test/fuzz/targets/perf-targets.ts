// What perf writes: its binary stream and file, the text of `perf script`, the lines of `perf stat`, its complaints.
import { isDeepStrictEqual } from 'node:util';
import { PerfDataParser } from '../../../agent/perf/perf-data-parser.js';
import { perfFailure } from '../../../agent/perf/perf-failure.js';
import { ScriptParser } from '../../../agent/perf/script-parser.js';
import { StatParser } from '../../../agent/perf/stat-parser.js';
import { checkValid } from '../../../profile/check-valid.js';
import type { Profile } from '../../../profile/profile.js';
import { FailureError } from '../../../proto/failure.js';
import type { Random } from '../random.js';
import { seedFiles, texts } from '../seeds.js';
import { type FuzzTarget, pieces, promise } from '../target.js';

const SPLITS = ['comm', 'pid', 'tid'] as const;

function checkProfile(profile: Profile): void {
  const problem = checkValid(profile);
  promise(problem === undefined, `the profile is not valid: ${problem}`);
}

/** The same whatever the chunks: compared on some inputs, since it costs as much again. */
function sameInPieces<T>(input: Uint8Array, random: Random, read: (chunks: readonly Uint8Array[]) => T): T {
  const attempt = (chunks: readonly Uint8Array[]): { readonly value: T } | { readonly refused: FailureError } => {
    try {
      return { value: read(chunks) };
    } catch (error) {
      if (error instanceof FailureError) return { refused: error };
      throw error;
    }
  };
  const cut = attempt(pieces(input, random));
  if (random.once(3)) {
    const whole = attempt([input]);
    const isEqual =
      'refused' in whole
        ? 'refused' in cut && whole.refused.failure.code === cut.refused.failure.code
        : isDeepStrictEqual(whole, cut);
    promise(isEqual, 'other chunks give another result');
  }
  if ('refused' in cut) throw cut.refused;
  return cut.value;
}

const perfData: FuzzTarget = {
  name: 'perf-data',
  grammar: 'records',
  seeds: () => seedFiles('perf-file.data', 'perf-dwarf.data', 'perf-pipe.data', 'perf-group.data', 'perf-zstd.data'),
  run: (input, random) => {
    const options = {
      split: random.pick(SPLITS),
      keepTimestamps: random.once(3),
      isLive: random.once(2),
      mostChainBytes: random.pick([4096, 1 << 24]),
    };
    const { profile } = sameInPieces(input, random, (chunks) => {
      const parser = new PerfDataParser(options);
      for (const chunk of chunks) parser.push(chunk);
      return parser.end();
    });
    checkProfile(profile);
  },
};

const perfScript: FuzzTarget = {
  name: 'perf-script',
  grammar: 'text',
  seeds: () => [
    ...seedFiles('perf-script.txt', 'perf-script-lines.txt'),
    ...texts(
      'java 12/34 [001] 12.5: 10 cycles:u: \n\t7f00 Lfoo;->bar+0x1 (/tmp/perf-12.map)\n\n',
      'a b 7 1.000001: page-faults:  4005d0 main (/bin/a)\n:-1 -1 2.0: cpu-clock: \n\t ffffffff [unknown] ([kernel.kallsyms])\n',
    ),
  ],
  run: (input, random) => {
    const options = { split: random.pick(SPLITS), keepTimestamps: random.once(3) };
    const { profile } = sameInPieces(input, random, (chunks) => {
      const parser = new ScriptParser(options);
      for (const chunk of chunks) parser.push(chunk);
      return parser.end();
    });
    checkProfile(profile);
  },
};

const perfStat: FuzzTarget = {
  name: 'perf-stat',
  grammar: 'text',
  seeds: () =>
    texts(
      '# started on x\n     1.000123;12;;page-faults;1000123;100.00;;\n     1.000123;<not counted>;;cycles;0;0.00;;\n     2.0;<not supported>;;cycles:u;0;100.00;;\n',
      '1.0;CPU0;4,5;msec;cpu-clock;1000;50.00;0.998;CPUs utilized\n1.0;CPU1;17;;sched:sched_switch;1;100.00;;\n1.0;;;;;;;1.5;insn per cycle\n',
      '1.0;12;page-faults;/a.slice\n2.0;12;page-faults\n',
    ),
  run: (input, random) => {
    const options = {
      separator: ';',
      events: random.pick([['page-faults', 'cycles'], ['sched:*'], ['{cycles,cpu-clock}']]),
      perCpu: random.once(2),
      cgroup: random.once(4) ? 'a.slice' : undefined,
    };
    const { points, losses } = sameInPieces(input, random, (chunks) => {
      const parser = new StatParser(options);
      const before = chunks.flatMap((chunk) => parser.push(chunk));
      const { points: last, losses: told } = parser.end();
      return { points: [...before, ...last], losses: told };
    });
    promise(
      points.every(({ time, value, runningPercent }) => [time, value, runningPercent].every(Number.isFinite)),
      'a counter is no number',
    );
    promise(
      losses.every(({ count }) => Number.isSafeInteger(count)),
      'a loss is no number',
    );
  },
};

const perfComplaint: FuzzTarget = {
  name: 'perf-complaint',
  grammar: 'text',
  seeds: () =>
    texts(
      "event syntax error: 'x'\n                     \\___ parser error\nRun 'perf list' for a list of valid events\n\n Usage: perf record [<options>]\n",
      'Error:\nAccess to performance monitoring and observability operations is limited.\nperf_event_paranoid setting is 4\n',
      'Error: File /sys/kernel/tracing/events/x/y not found.\nHint: Perhaps this kernel misses some CONFIG_ setting to enable this feature?.\n',
    ),
  run: (input, random) => {
    const { failure } = perfFailure({
      doing: 'perf record',
      stderr: Buffer.from(input).toString('utf8'),
      end: 'exit status 1',
      isTracefsMounted: random.once(2),
    });
    promise(failure.message.length < 2000 && failure.code !== 'internal', 'its words are too many');
  },
};

export const PERF_TARGETS: readonly FuzzTarget[] = [perfData, perfScript, perfStat, perfComplaint];
