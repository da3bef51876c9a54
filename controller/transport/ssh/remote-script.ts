// What is run on a host by its login shell: one word for `sh -c`, the same for every shell (no quote and no `!` within), and what it answers.
//
// Login shells may print before they run anything (.bashrc, a banner): the answer begins after a line that holds a fresh random mark.
import type { Readable } from 'node:stream';
import { fail } from '../../../proto/failure.js';

/** What a host tells about itself before an agent runs there. */
export interface RemoteFacts {
  /** `uname -s` and `uname -m`. */
  readonly system: string;
  readonly machine: string;
  readonly uid: number;
  /** Whether `sudo -n` runs commands as root; undefined for root. */
  readonly hasSudo: boolean | undefined;
  /** A Node of version 20 or newer: `v20.1.0 /usr/bin/node`; '' for none. */
  readonly node: string;
  /** The first Node that is too old, in the same form; '' for none. */
  readonly oldNode: string;
  /** Told only where the agent is absent and there is no Node. */
  readonly libc: HostLibc;
  readonly outcome: 'started' | 'absent';
}

export interface HostLibc {
  /** Version of glibc; '' where it is not known, or there is none. */
  readonly glibc: string;
  /** Path of musl's dynamic loader; '' for none. */
  readonly musl: string;
  /** What was asked for and is not there: paths, names of shared libraries. */
  readonly lacks: readonly string[];
}

/** What an executable needs on the host, besides the processor. */
export interface SystemNeeds {
  /** Path of the dynamic loader. */
  readonly loader: string | undefined;
  readonly libraries: readonly string[];
}

export interface AgentFiles {
  /** Name of the script for a host's own Node, below its cache directory. */
  readonly script: string;
  /** Name of the single executable. */
  readonly executable: string;
}

/** Bytes before the mark that are read past; bytes of a line of the answer, and its lines. */
const mostNoise = 256 * 1024;
const longestLine = 16 * 1024;
const mostLines = 1000;

/** `$d`: our directory below the home, else in /var/tmp. Links and the directories of others are passed over. */
const directories = `for d in "\${XDG_CACHE_HOME:-$HOME/.cache}/perftrawl" "/var/tmp/perftrawl-$u"; do test -L "$d" && continue;`;
const otherDirectories = `for d in "/var/tmp/perftrawl-$u"; do test -L "$d" && continue;`;
const environment =
  'PATH="$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"; export PATH; u=$(id -u); s="";';
const privilege =
  'if test "$u" -ne 0; then if sudo -n true </dev/null >/dev/null 2>&1; then s="sudo -n --"; echo "sudo yes"; else echo "sudo no"; fi; fi;';
/** Of agents started over ssh; an agent that was installed has another. */
const state = `if test "$u" -eq 0 || test -n "$s"; then t=/var/lib/perftrawl/ssh; else t="\${XDG_STATE_HOME:-$HOME/.local/state}/perftrawl/ssh"; fi;`;
const findNode =
  'n=""; o=""; for c in node nodejs /usr/local/bin/node /usr/local/node/bin/node /opt/node*/bin/node "$HOME"/.nvm/versions/node/*/bin/node "$HOME"/.local/bin/node;' +
  ' do p=$(command -v "$c" 2>/dev/null) || continue; v=$("$p" -v </dev/null 2>/dev/null) || continue;' +
  ` case "$v" in v[0-9].*|v1[0-9].*) o="\${o:-$v $p}"; continue;; v[0-9]*) n="$p"; echo "node $v $p"; break;; esac; done;`;

/** Start the agent if it is there; else say so, and what an executable would find there. */
export function startScript(mark: string, { script, executable }: AgentFiles, needs: SystemNeeds | undefined): string {
  return word(
    `${begin(mark)} ${environment} echo "system $(uname -s)"; echo "machine $(uname -m)"; echo "uid $u"; ${privilege} ${state} ${findNode}`,
    `${directories} test -O "$d" || continue;`,
    `if test -n "$n" && test -f "$d/${script}"; then echo started; exec $s "$n" "$d/${script}" --stdio --state "$t"; fi;`,
    `if test -z "$n" && test -x "$d/${executable}"; then echo started; exec $s "$d/${executable}" --stdio --state "$t"; fi;`,
    `done; if test -z "$n"; then ${libcFacts(needs)} fi; echo absent`,
  );
}

/** Musl's ldd is no glibc's; a host may have both libraries. Without a list of libraries none is said to lack. */
function libcFacts(needs: SystemNeeds | undefined): string {
  const { loader, libraries } = needs ?? { loader: undefined, libraries: [] };
  for (const name of [loader ?? '', ...libraries]) {
    if (!/^[A-Za-z0-9_.+/-]*$/.test(name)) throw fail('internal', `the program of Node needs '${name}'`);
  }
  return [
    'if test -n "$o"; then echo "oldnode $o"; fi;',
    `g=$(getconf GNU_LIBC_VERSION 2>/dev/null) || g=""; if test -z "$g"; then l=$(ldd --version 2>/dev/null | head -n 1); case "$l" in ldd*) g="glibc \${l##* }";; esac; fi;`,
    'if test -n "$g"; then echo "libc $g"; fi; for f in /lib/ld-musl-*; do if test -e "$f"; then echo "musl $f"; fi; done;',
    loader === undefined ? '' : `if test -e "${loader}"; then :; else echo "lacks ${loader}"; fi;`,
    libraries.length === 0
      ? ''
      : `k=$(ldconfig -p 2>/dev/null) || k=""; if test -n "$k"; then for l in ${libraries.join(' ')}; do case "$k" in *"$l "*) ;; *) echo "lacks $l";; esac; done; fi;`,
  ].join(' ');
}

export interface UploadedFile {
  readonly name: string;
  /** Of the file once unpacked, lower-case hex. */
  readonly sha256: string;
  readonly isExecutable: boolean;
}

/**
 * Take a file, compressed by gzip, from stdin: it appears under its name when its sum is right, and not before. Last line: `done`, `full`, `bad SUM` or `nowhere`.
 * @param isHomeLeftOut the home directory turned out to be full
 */
export function uploadScript(
  mark: string,
  { name, sha256, isExecutable }: UploadedFile,
  isHomeLeftOut: boolean,
): string {
  const places = isHomeLeftOut ? otherDirectories : directories;
  const part = `$d/.part-${mark}`;
  const canRun = isExecutable
    ? `printf "#%s/bin/sh\\nexit 0\\n" "$(printf "\\041")" > "${part}" && chmod 700 "${part}" && "${part}" 2>/dev/null || { rm -f "${part}"; continue; };`
    : '';
  return word(
    `${begin(mark)} ${environment} umask 077; ${places} mkdir -p "$d" 2>/dev/null || continue; test -O "$d" || continue;`,
    `find "$d" -name ".part-*" -mmin +60 -exec rm -f {} + 2>/dev/null; (: > "${part}") 2>/dev/null || continue; ${canRun}`,
    `if gzip -dc > "${part}"; then h=$(sha256sum < "${part}" | cut -c1-64);`,
    `if test "$h" = ${sha256}; then chmod 700 "${part}"; mv -f "${part}" "$d/${name}" && echo done && exit 0; fi; r="bad $h"; else r=full; fi;`,
    // Before it answers: a shell whose reader is gone ends there.
    `rm -f "${part}"; echo "$r"; exit 0; done; echo nowhere`,
  );
}

/** Remove all that was ever put there. One line for each thing: `removed KIB PATH`, then `done`. */
export function cleanScript(mark: string): string {
  return word(
    `${begin(mark)} ${environment} ${privilege} ${state}`,
    `${directories} test -O "$d" || continue; for f in "$d"/agent-* "$d"/.part-*; do if test -f "$f"; then k=$(du -sk "$f" | cut -f1); rm -f "$f" && echo "removed $k $f"; fi; done; rmdir "$d" 2>/dev/null; done;`,
    'if $s test -d "$t"; then k=$($s du -sk "$t" | cut -f1); $s rm -rf "$t" && echo "removed $k $t"; fi; echo done',
  );
}

/** Reads past noise to the mark, then lines until `isLast`; what follows stays in the stream. @throws FailureError */
export async function readAnswer(
  stream: Readable,
  mark: string,
  isLast: (line: string) => boolean,
  signal: AbortSignal,
  complaints = () => '',
): Promise<readonly string[]> {
  const begun = Buffer.from(`\n${mark}\n`);
  let buffer = Buffer.alloc(0);
  let isMarked = false;
  const lines: string[] = [];
  for (;;) {
    if (!isMarked) {
      const at = buffer.indexOf(begun);
      const before = at >= 0 ? at : buffer.length - begun.length;
      if (before > mostNoise) {
        throw fail('bad-data', 'its login shell prints without end before it runs a command', 'mend .bashrc there');
      }
      if (at >= 0) {
        isMarked = true;
        buffer = buffer.subarray(at + begun.length);
      }
    }
    while (isMarked) {
      const end = buffer.indexOf(10);
      if ((end >= 0 ? end : buffer.length) > longestLine || lines.length >= mostLines) {
        throw fail('bad-data', 'its answer to the first command has no end', 'look at the login shell there');
      }
      if (end < 0) break;
      const line = buffer.toString('utf8', 0, end);
      buffer = buffer.subarray(end + 1);
      lines.push(line);
      if (!isLast(line)) continue;
      if (buffer.length > 0) stream.unshift(buffer);
      return lines;
    }
    const chunk = await nextChunk(stream, signal);
    if (chunk === undefined) {
      const said = [isMarked ? '' : buffer.toString('utf8', 0, longestLine), complaints()].join(' ').trim();
      throw fail(
        'unreachable',
        `its login shell ended without an answer${said === '' ? '' : `: ${said}`}`,
        'look at the login shell of that user there: it has to run commands',
      );
    }
    buffer = Buffer.concat([buffer, chunk]);
  }
}

/** @throws FailureError 'bad-data' for an answer that lacks what every host tells */
export function parseFacts(lines: readonly string[]): RemoteFacts {
  const value = (key: string) => lines.find((line) => line.startsWith(`${key} `))?.slice(key.length + 1);
  const uid = Number(value('uid'));
  const [system, machine] = [value('system'), value('machine')];
  if (system === undefined || machine === undefined || !Number.isInteger(uid)) {
    throw fail(
      'bad-data',
      `it answers strangely: ${JSON.stringify(lines.slice(0, 3).join(' '))}`,
      'is it a Unix host?',
    );
  }
  return {
    system,
    machine,
    uid,
    hasSudo: uid === 0 ? undefined : value('sudo') === 'yes',
    node: value('node') ?? '',
    oldNode: value('oldnode') ?? '',
    libc: {
      glibc: /^glibc (\d+(?:\.\d+)+)/.exec(value('libc') ?? '')?.[1] ?? '',
      musl: value('musl') ?? '',
      lacks: lines.flatMap((line) => (line.startsWith('lacks ') ? [line.slice(6)] : [])),
    },
    outcome: lines.at(-1) === 'started' ? 'started' : 'absent',
  };
}

function begin(mark: string): string {
  return `printf "\\n%s\\n" ${mark};`;
}

/** Nothing in the scripts needs a single quote, and history expansion of csh has nothing to expand. */
function word(...parts: readonly string[]): string {
  const script = parts.join(' ');
  if (/['!\n]/.test(script)) throw fail('internal', 'a remote script with a character that shells read differently');
  return `sh -c '${script}'`;
}

/** Undefined at the end. */
function nextChunk(stream: Readable, signal: AbortSignal): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => {
      for (const [event, listener] of listeners) stream.off(event, listener);
      signal.removeEventListener('abort', onAbort);
      act();
    };
    const take = (): boolean => {
      const chunk: unknown = stream.read();
      if (!Buffer.isBuffer(chunk)) return false;
      settle(() => resolve(chunk));
      return true;
    };
    const onEnd = () => settle(() => resolve(undefined));
    const onError = (error: Error) => settle(() => reject(error));
    const onAbort = () => settle(() => reject(signal.reason));
    const listeners = [
      ['readable', take],
      ['end', onEnd],
      ['close', onEnd],
      ['error', onError],
    ] as const;
    if (signal.aborted) return reject(signal.reason);
    // Then it says so no more.
    if (stream.readableEnded || stream.destroyed) return resolve(undefined);
    for (const [event, listener] of listeners) stream.on(event, listener);
    signal.addEventListener('abort', onAbort, { once: true });
    take();
  });
}
