// A whole command line over real stores, in this process: what a person types, what is printed, and how it ends.
import { Writable } from 'node:stream';
import { runCli } from '../../../controller/cli/cli.js';
import type { CliIo } from '../../../controller/cli/io.js';
import { openApp } from '../../../controller/cli/open-app.js';
import { openUpkeep } from '../../../controller/cli/open-upkeep.js';
import type { Outcome } from './fake-app.js';

export interface Surroundings {
  /** Data, configuration and home. */
  readonly directory: string;
  /** As `PERFTRAWL_STORE` has it; absent: `perftrawl.db` in `directory`. */
  readonly store?: string;
  /** Both streams are terminals. */
  readonly isTty?: boolean;
  /** First Ctrl-C. */
  readonly stop?: AbortController;
  /** Told each piece of stderr. */
  readonly onStderr?: (text: string) => void;
}

/** Milliseconds since 1970 UTC: when it is, for every command. */
export const NOW = 1_700_000_000_000;

/** `perftrawl ...argv`. */
export async function perftrawl(argv: readonly string[], surroundings: Surroundings): Promise<Outcome> {
  const { directory, store, isTty = false, stop = new AbortController(), onStderr = () => undefined } = surroundings;
  const [stdout, stderr] = [new Collector(() => undefined), new Collector(onStderr)];
  let clock = NOW;
  const io: CliIo = {
    ...{ stdout, stderr, isStdoutTty: isTty, isStderrTty: isTty, columns: 200, progressColumns: 60 },
    env: {
      ...{ TERM: 'dumb', PERFTRAWL_DATA: directory, PERFTRAWL_CONFIG: directory },
      ...(store === undefined ? {} : { PERFTRAWL_STORE: store }),
    },
    interrupt: { stop: stop.signal, cancel: new AbortController().signal },
    // Each look is half a second later on a terminal, so that all progress is shown.
    now() {
      if (isTty) clock += 500;
      return clock;
    },
    ...{ homeDirectory: directory, userName: 'ölaf' },
  };
  const code = await runCli(argv, {
    ...{ io, version: '1.2.3' },
    openApp: (options) => openApp(options, io),
    openUpkeep: (options) => openUpkeep(options, io),
    openServer: () => Promise.reject(new Error('nothing is served here')),
  });
  return { code, stdout: stdout.text, stderr: stderr.text };
}

class Collector extends Writable {
  text = '';
  readonly #tell: (text: string) => void;

  constructor(tell: (text: string) => void) {
    super();
    this.#tell = tell;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk.toString();
    this.#tell(chunk.toString());
    done();
  }
}
