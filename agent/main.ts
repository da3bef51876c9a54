// `perftrawl agent`: options, state directory, service, serving, and an orderly end.
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import type { Milliseconds } from '../proto/capture.js';
import { type Failure, FailureError } from '../proto/failure.js';
import { AuditLog } from './audit/audit-log.js';
import { auditorOf } from './audit/auditor.js';
import { DEFAULT_BUDGET } from './capture/budget-limits.js';
import { CaptureService } from './capture-service.js';
import { localMachine } from './host/machine.js';
import { AGENT_HELP, type AgentOptions, parseOptions } from './options.js';
import { endOrphans } from './orphans.js';
import { openPolicy } from './policy/current-policy.js';
import { Spool } from './spool/spool.js';

/** What the agent needs of its process; `process` itself will do. stdin and stdout are taken from descriptors 0 and 1. */
export interface AgentIo {
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly env: NodeJS.ProcessEnv;
  on(signal: NodeJS.Signals, listener: () => void): unknown;
}

/** How often an agent that listens deletes what nobody fetched; others do it when they start. */
const EXPIRE_INTERVAL: Milliseconds = 3_600_000;

/** Exit codes: 0 served and ended, 1 could not serve, 2 wrong command line. */
export async function runAgent(argv: readonly string[], io: AgentIo): Promise<number> {
  try {
    const options = parseOptions(argv, io.env);
    if (options === undefined) {
      io.stdout.write(AGENT_HELP);
      return 0;
    }
    await serve(options, io);
    return 0;
  } catch (error) {
    if (!(error instanceof FailureError)) throw error;
    io.stderr.write(`${describe(error.failure)}\n`);
    return error.failure.code === 'bad-request' ? 2 : 1;
  }
}

async function serve(options: AgentOptions, io: AgentIo): Promise<void> {
  const { state, spoolLimit, spoolAge, name, limits, admission, perf, serving } = options;
  const machine = localMachine({
    path: io.env.PATH || '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    ...(perf === '' ? {} : { perf }),
  });
  const policy = await openPolicy(options.policy, serving.on === 'tls' || serving.on === 'dial');
  const budget = options.budget === undefined ? undefined : { ...DEFAULT_BUDGET, standard: options.budget };
  const note = (text: string) => io.stderr.write(`perftrawl agent: ${text}\n`);
  for (const { pid, comm } of await endOrphans()) note(`ended ${comm} (${pid}), whose agent was killed`);
  const spool = await Spool.open({
    ...{ directory: state, limit: spoolLimit, now: machine.now, maxAge: spoolAge },
    onExpired: (captureId, why) => note(`deleted capture ${captureId}: ${why}`),
  });
  const onDefect = (captureId: string, error: unknown) => {
    note(`capture ${captureId}: ${error instanceof Error ? error.stack : String(error)}`);
  };
  const log = await AuditLog.open({ directory: join(state, 'audit'), now: machine.now, reachedBy: serving.on });
  const audit = auditorOf(log, onDefect);
  const service = new CaptureService({
    ...{ machine, spool, stateDirectory: state, name, limits, policy, budget, admission, audit, onDefect },
  });
  for (const why of await service.unloadLeftovers()) note(`cannot unload ${why}`);
  // Whoever read our messages may be gone; captures go on.
  io.stdout.on('error', () => undefined);
  io.stderr.on('error', () => undefined);
  const stop = stopSignal(io, serving.on === 'stdio');
  if (serving.on === 'stdio') {
    const [{ serveOnStream }, { stdioDuplex }] = await Promise.all([
      import('./serve.js'),
      import('../proto/duplex.js'),
    ]);
    const stream = stdioDuplex();
    stop.addEventListener('abort', () => void service.stopAll().then(() => stream.destroy()), { once: true });
    await serveOnStream(service, stream);
    await service.whenIdle();
    return;
  }
  const expiring = setInterval(() => {
    spool.expire().catch((error: unknown) => note(`looking for old captures: ${String(error)}`));
  }, EXPIRE_INTERVAL);
  try {
    if (serving.on === 'dial')
      await (await import('./dial/serve-dialing.js')).serveDialing(service, serving, note, stop);
    else await listen(service, serving, io, note, stop);
  } finally {
    clearInterval(expiring);
  }
}

async function listen(
  service: CaptureService,
  serving: Extract<AgentOptions['serving'], { on: 'socket' | 'tls' }>,
  io: AgentIo,
  note: (text: string) => void,
  stop: AbortSignal,
): Promise<void> {
  const listener =
    serving.on === 'socket'
      ? await (await import('./serve.js')).listenOnSocket(service, serving.path)
      : await (await import('./serve-tls.js')).listenOnTls(service, serving.address, serving, note);
  // The one line on stdout: whoever started the agent on port 0 reads the port from it.
  io.stdout.write(`listening on ${listener.address}\n`);
  await aborted(stop);
  await service.stopAll();
  await listener.close();
}

/**
 * Aborted when the agent is asked to end. On stdio, Ctrl-C and a closing terminal are meant for the controller: when that goes,
 * stdin ends, and captures go on to their end.
 */
function stopSignal(io: AgentIo, isStdio: boolean): AbortSignal {
  const controller = new AbortController();
  const stop = () => controller.abort();
  io.on('SIGTERM', stop);
  io.on('SIGINT', isStdio ? () => undefined : stop);
  io.on('SIGHUP', isStdio ? () => undefined : stop);
  return controller.signal;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function describe({ message, remedy }: Failure): string {
  return remedy === '' ? message : `${message}\n  try: ${remedy}`;
}
