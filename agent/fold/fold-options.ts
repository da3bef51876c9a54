// The options of `perftrawl fold`: those of the classic collapse script, with its meanings.
import { parseArgs } from 'node:util';
import { fail } from '../../proto/failure.js';

export interface FoldArguments {
  /** Path, or `-` for standard input. */
  readonly input: string;
  /** '' for the first event that was sampled. */
  readonly event: string;
  readonly withPid: boolean;
  readonly withTid: boolean;
  readonly marksKernel: boolean;
  readonly marksJit: boolean;
  readonly showsAddresses: boolean;
  readonly isQuiet: boolean;
}

export const FOLD_HELP = `Usage: perftrawl fold [options] FILE|-

Folds a recording into one line per distinct stack, on standard output, sorted: comm;outermost;...;innermost weight
FILE is a perf.data (file or pipe form) or the text of perf script; - is standard input.

Options:
  --event-filter=EVENT  count this event; by default the one sampled first
  --pid                 processes as comm-PID
  --tid                 threads as comm-PID/TID
  --kernel              mark kernel functions with _[k]
  --jit                 mark functions of JIT compilers with _[j]
  --all                 --kernel and --jit
  --addrs               show the addresses of functions without a name
  -q, --quiet           say nothing about losses on standard error
  -h, --help            show this

Examples:
  perf record -g -e page-faults -- ./app && perftrawl fold perf.data > app.folded
  perf record -g -o - -- ./app | perftrawl fold - > app.folded
  perf script --no-inline | perftrawl fold --kernel - | flamegraph.pl > app.svg

Exit status: 0 folded, 1 the input cannot be read, 2 wrong usage.
`;

/** @returns 'help' when that was asked for. @throws FailureError `bad-request` on anything else that is not a fold */
export function parseFoldArguments(argv: readonly string[]): FoldArguments | 'help' {
  const { values, positionals } = parse(argv);
  if (values.help === true) return 'help';
  const [input, ...others] = positionals;
  if (input === undefined || others.length > 0) {
    throw fail('bad-request', `fold takes one file, not ${positionals.length}`, 'perftrawl fold perf.data');
  }
  const all = values.all === true;
  return {
    input,
    event: values['event-filter'] ?? '',
    withPid: values.pid === true,
    withTid: values.tid === true,
    marksKernel: all || values.kernel === true,
    marksJit: all || values.jit === true,
    showsAddresses: values.addrs === true,
    isQuiet: values.quiet === true,
  };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        'event-filter': { type: 'string' },
        pid: { type: 'boolean' },
        tid: { type: 'boolean' },
        kernel: { type: 'boolean' },
        jit: { type: 'boolean' },
        all: { type: 'boolean' },
        addrs: { type: 'boolean' },
        quiet: { type: 'boolean', short: 'q' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw fail('bad-request', error instanceof Error ? error.message : String(error), 'perftrawl fold --help', error);
  }
}
