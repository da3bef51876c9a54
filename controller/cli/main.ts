// The process of the controller's command line: real streams, real signals, the real app.
import { readFileSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { runCli } from './cli.js';
import { EXIT } from './exit-codes.js';
import { type CliIo, OUTPUT_CLOSED } from './io.js';

const stop = new AbortController();
const cancel = new AbortController();

/** The reader of our output went away: stop what runs, keep it, and be quiet. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  stop.abort(OUTPUT_CLOSED);
});
// Progress that nobody reads is no reason to stop.
process.stderr.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

function interrupt(): void {
  if (cancel.signal.aborted) process.exit(EXIT.interrupted);
  else if (stop.signal.aborted) cancel.abort();
  else stop.abort();
}
process.on('SIGINT', interrupt);
process.on('SIGTERM', interrupt);

const io: CliIo = {
  stdout: process.stdout,
  stderr: process.stderr,
  isStdoutTty: process.stdout.isTTY === true,
  isStderrTty: process.stderr.isTTY === true,
  columns: process.stdout.isTTY ? process.stdout.columns || 80 : Number.POSITIVE_INFINITY,
  progressColumns: process.stderr.columns || 80,
  env: process.env,
  interrupt: { stop: stop.signal, cancel: cancel.signal },
  now: () => Date.now(),
  homeDirectory: homedir(),
  userName: userInfo().username,
};

const version = ownVersion();
const code = await runCli(process.argv.slice(2), {
  io,
  version,
  openApp: async (options) => {
    // Loaded only by commands that need it: grpc and SQLite take longer to load than `--help` takes to run.
    if (options.server !== undefined) {
      const { openRemote } = await import('./open-remote.js');
      return openRemote(options.server, io);
    }
    const { openApp } = await import('./open-app.js');
    return openApp(options, io);
  },
  openUpkeep: async (options) => {
    const { openUpkeep } = await import('./open-upkeep.js');
    return openUpkeep(options, io);
  },
  openServer: async (appOptions, options) => {
    const { openServer } = await import('./open-server.js');
    return openServer(appOptions, options, io, version);
  },
});
await new Promise<void>((resolve) => process.stdout.write('', () => resolve()));
process.exit(stop.signal.reason === OUTPUT_CLOSED ? EXIT.outputClosed : code);

function ownVersion(): string {
  const text: unknown = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'));
  const isPackage = typeof text === 'object' && text !== null && 'version' in text && typeof text.version === 'string';
  return isPackage ? String(text.version) : 'unknown';
}
