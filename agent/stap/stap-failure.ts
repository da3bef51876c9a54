// Why stap or staprun ended with an error, as a failure a person can act on. The reason is stap's own; the remedy is that of this distribution.
import { type FailureCode, type FailureError, fail } from '../../proto/failure.js';
import type { Distribution } from '../host/distribution.js';
import { stapInstallCommand } from './stap-tools.js';

export interface StapFailureFacts {
  readonly phase: 'compile' | 'run';
  readonly stderr: string;
  /** `exit status 1`, `signal SIGKILL`. */
  readonly end: string;
  /** Of the host that stap ran on. */
  readonly distribution: Distribution;
}

interface Rule {
  readonly pattern: RegExp;
  readonly code: FailureCode;
  /** Said behind stap's reason, where its words need explaining. */
  readonly note?: string;
  readonly remedy: string | ((distribution: Distribution) => string);
}

const GROUPS =
  'run the agent as root, or add its user to the groups stapusr and stapdev (usermod -aG stapusr,stapdev USER)';
const OVERHEAD = 'allow it a greater share with --overhead, or probe less: one process, fewer functions';
const SCRIPT = 'mend the script at that place';

/** The first that matches decides, so causes stand before the complaints that follow from them. */
const RULES: readonly Rule[] = [
  {
    pattern: /No space left on device|Disk quota exceeded/i,
    code: 'exhausted',
    remedy: 'free disk space, or move the state directory with --state',
  },
  {
    pattern:
      /Cannot allocate memory|Memory allocation failed|out of memory|virtual memory exhausted|allocation failed/i,
    code: 'exhausted',
    remedy: 'free memory on the host, or lower the script`s MAXMAPENTRIES and buffer size',
  },
  // --- who may
  {
    pattern:
      /trying to run systemtap as a normal user|part of (?:the )?group "?stapusr|effective user ID of staprun|insufficient to load the module|can only use unsigned modules within/i,
    code: 'permission',
    remedy: GROUPS,
  },
  {
    pattern:
      /Key was rejected by service|Required key not available|requires modules? (?:to be signed|signing)|machine owner key|must be signed/i,
    code: 'permission',
    note: 'the kernel takes signed modules only',
    remedy:
      'sign the module with a key that the kernel trusts (mokutil --import), or turn Secure Boot off on this host',
  },
  {
    pattern: /Couldn't insert module.*Operation not permitted|lockdown|Lockdown/,
    code: 'permission',
    note: 'the kernel does not let this agent load modules',
    remedy:
      'run the agent as root with CAP_SYS_MODULE; see /sys/kernel/security/lockdown and /proc/sys/kernel/modules_disabled',
  },
  // --- compiling
  {
    pattern: /task_work_cancel|stp_task_work\.c/,
    code: 'tool-failed',
    note: 'this stap is older than a change of task_work_cancel in the stable kernels',
    remedy:
      'install systemtap 5.2 or newer, or replace task_work_cancel by task_work_cancel_func in the two places of /usr/share/systemtap/runtime/stp_task_work.c, or compile on another host with --build-on',
  },
  {
    pattern: /Checking "[^"]*" failed|Ensure kernel development headers|kernel-devel|linux\/version\.h: No such file/i,
    code: 'tool-missing',
    note: 'the headers of that kernel are not on this host',
    remedy: (distribution) => stapInstallCommand('kernel-headers', distribution),
  },
  {
    pattern:
      /missing \S+ kernel\/module debuginfo|debuginfo (?:not found|missing)|cannot find \S* ?debuginfo|requires debuginfo|warning::debuginfo|Kernel function symbol table missing/i,
    code: 'tool-missing',
    note: 'the debug information of that kernel is not on this host',
    remedy: (distribution) => stapInstallCommand('debuginfo', distribution),
  },
  {
    pattern:
      /unable to execute (?:make|gcc)|(?:make|gcc): (?:command )?not found|(?:make|gcc).*No such file or directory/i,
    code: 'tool-missing',
    remedy: 'install gcc and make on the host that compiles',
  },
  {
    pattern: /embedded code in unprivileged script; need stap -g|need stap -g|guru mode/i,
    code: 'refused',
    note: 'the script needs guru mode',
    remedy: 'let the policy of the host name the script, and ask for it with --guru',
  },
  {
    pattern: /command line argument (?:index )?.*out of range|command line argument/i,
    code: 'bad-request',
    remedy: 'give the script the arguments that it uses ($1, @1, …)',
  },
  {
    pattern: /Input file .* is missing|cannot open .*\.stp/i,
    code: 'not-found',
    remedy: 'give the path of a script that is there',
  },
  { pattern: /^parse error:|\d+ parse errors?\.|Pass 1: parse failed/m, code: 'bad-request', remedy: SCRIPT },
  {
    pattern: /no match|while resolving probe point|probe point mismatch|tracepoint .*not found/i,
    code: 'not-found',
    note: 'the kernel or program has no such probe point',
    remedy: 'see `stap -l` with a pattern on the host for the probe points it has',
  },
  {
    pattern: /^semantic error:|Pass 2: analysis failed|Pass 3: translation failed/m,
    code: 'bad-request',
    remedy: SCRIPT,
  },
  {
    pattern: /Pass 4: compilation failed|make exited with status/,
    code: 'tool-failed',
    remedy: 'use a stap that knows this kernel, or mend the C code of the script',
  },
  // --- loading
  {
    pattern: /Couldn't insert module.*No such file|Unable to canonicalize path/i,
    code: 'not-found',
    remedy: 'compile the module again',
  },
  {
    pattern:
      /Couldn't insert module.*(?:Invalid module format|Exec format error|disagrees about version|Module has wrong symbol version)/i,
    code: 'bad-data',
    note: 'the module is damaged, or was compiled for another kernel',
    remedy:
      'compile it for exactly the kernel that runs (uname -r and the same build): the kernel log has the reason (dmesg)',
  },
  {
    pattern: /Couldn't insert module.*Unknown symbol/i,
    code: 'bad-data',
    note: 'the module was compiled for another kernel',
    remedy: 'compile it for exactly the kernel that runs: the kernel log names the symbol (dmesg)',
  },
  {
    pattern: /Couldn't insert module.*File exists|already (?:loaded|running)/i,
    code: 'conflict',
    note: 'a module of that name is loaded already',
    remedy: 'wait for the other capture to end, or remove the module with `staprun -d NAME`',
  },
  {
    pattern: /Couldn't (?:mount|open).*debugfs|Couldn't mount|transport directory|control channel/i,
    code: 'tool-failed',
    note: 'staprun cannot talk to its module',
    remedy: 'mount -t debugfs nodev /sys/kernel/debug, and end other captures on the host',
  },
  // --- running
  {
    pattern: /probe overhead .* exceeded threshold/,
    code: 'exhausted',
    note: 'stap ended the script because its probes took too much of the CPUs',
    remedy: OVERHEAD,
  },
  {
    pattern: /Skipped too many probes|check MAXSKIPPED/,
    code: 'exhausted',
    note: 'more probe hits were skipped than allowed',
    remedy: OVERHEAD,
  },
  {
    pattern: /MAXACTION exceeded/,
    code: 'exhausted',
    note: 'one probe hit ran more statements than stap allows',
    remedy: 'make the probe shorter, or print at the end instead',
  },
  {
    pattern: /Array overflow, check MAXMAPENTRIES/,
    code: 'exhausted',
    note: 'an array of the script is full',
    remedy: 'delete entries that are done, or use fewer keys',
  },
  {
    pattern: /empty aggregate/,
    code: 'bad-request',
    note: 'nothing was counted yet',
    remedy: 'print @avg, @min, @max and @hist_* only when @count is above 0',
  },
  {
    pattern:
      /division by 0|MAXNESTING|MAXERRORS|string .* too long|read fault|kernel .* fault at|user string copy fault/i,
    code: 'bad-request',
    remedy: SCRIPT,
  },
  {
    pattern: /No such process|target .*(?:not found|does not exist)/i,
    code: 'not-found',
    remedy: 'the process ended: look it up again',
  },
  {
    pattern: /Couldn't open (?:output )?file|Couldn't write to output/i,
    code: 'tool-failed',
    remedy: 'give a directory that the agent may write to',
  },
  {
    pattern: /^(?!make|gcc|staprun)\S+: No such file or directory[\s\S]*Child process exited/m,
    code: 'not-found',
    remedy: 'give a command that is on that host, with its whole path',
  },
  {
    pattern: /Child process exited with status \d+/,
    code: 'tool-failed',
    note: 'the command that ran as the target failed',
    remedy: 'run the command by hand on that host',
  },
  { pattern: /Permission denied/i, code: 'permission', remedy: GROUPS },
];

export function stapFailure({ phase, stderr, end, distribution }: StapFailureFacts): FailureError {
  const text = boundLines(stderr);
  const rule = RULES.find(({ pattern }) => pattern.test(text));
  const doing = phase === 'compile' ? 'stap could not compile the script' : 'the SystemTap script ended with an error';
  const note = rule?.note === undefined ? '' : ` (${rule.note})`;
  const message = `${doing}, ${end}: ${stapReason(text) || 'it gave no reason'}${note}`;
  if (rule === undefined) return fail('tool-failed', message);
  // A script may be compiled for another kernel than the one that runs.
  const release = /\/lib\/modules\/([\w.+~-]{1,100})\/build/.exec(text)?.[1];
  const remedy =
    typeof rule.remedy === 'string'
      ? rule.remedy
      : rule.remedy(release === undefined ? distribution : { ...distribution, kernelRelease: release });
  return fail(rule.code, message, remedy);
}

const MOST_TEXT = 256 * 1024;
/** Patterns look for a second word behind a first one: in endless lines they would take endlessly long. */
const LONGEST_LINE = 2048;
function boundLines(stderr: string): string {
  const lines = stderr.slice(0, MOST_TEXT).split('\n');
  return lines.map((line) => line.slice(0, LONGEST_LINE)).join('\n');
}

const MOST_REASON = 800;
const NOISE =
  /^(?:WARNING: (?:Number of errors|\S*staprun exited|\S*make exited|never-assigned|Probe .* has been elided|missing unwind|Missing unwind|too many pending)|Tip: |Try '--help'|A message like \[man|Number of similar|Rerun with -v|Pass \d: |\d+ parse errors?\.|source:|\^|make(?:\[\d+\])?: |To reconnect|Disconnecting|compilation terminated|\s*\d* \|)/;
const TELLING =
  /^(?:ERROR:|parse error:|semantic error:|saw:|Input file|Checking "|You are trying|You should|You need|The kernel on|.*: (?:fatal )?error: |.*: \w[\w ]*: No such file)/;

/** stap's own words, without progress, source lines and tips; what names an error before all else; at most 800 characters. */
export function stapReason(stderr: string): string {
  // The script has a place of its own while it is compiled, which nobody knows.
  const text = boundLines(stderr)
    .replace(/ ?\[man [^\]\n]{1,200}\]/g, '')
    .replace(/ at \/\S*\/(?=script\.stp:\d)/g, ' at ');
  const lines = text.split('\n').map((line) => line.trim());
  const kept = [...new Set(lines.filter((line) => line !== '' && !NOISE.test(line)))];
  const telling = kept.filter((line) => TELLING.test(line));
  const reason = (telling.length > 0 ? telling : kept).map((line) => line.replace(/^ERROR: /, '')).join('; ');
  return reason.length > MOST_REASON ? `${reason.slice(0, MOST_REASON - 1)}…` : reason;
}
