// `perftrawl serve`: the controller as a server, for people and programs elsewhere.
import { isIP } from 'node:net';
import { Command } from '@commander-js/extra-typings';
import { APPROVAL_RULES } from '../../approval/approval.js';
import { type CliSession, examples } from '../command.js';
import type { CommandContext, ServerOptions } from '../context.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { writeJson, writeLines } from '../io.js';
import { parseChoice, parseWhole } from '../options/numbers.js';
import { UsageError } from '../usage-error.js';

/** As commander hands them over. */
interface ServeFlags {
  readonly listen: string;
  readonly agents?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly ca?: string | undefined;
  readonly name?: readonly string[] | undefined;
  readonly approve: string;
  readonly mostJobs: string;
  readonly mostHosts: string;
}

/** @throws UsageError */
function parseServe(flags: ServeFlags): ServerOptions {
  const { listen, agents, cert, key, ca, name, approve } = flags;
  if ((cert === undefined) !== (key === undefined)) throw new UsageError('--cert and --key belong together');
  return {
    listen: parseListen('--listen', listen),
    ...(agents === undefined ? {} : { agents: parseListen('--agents', agents) }),
    ...(cert === undefined || key === undefined ? {} : { files: { cert, key } }),
    ...(ca === undefined ? {} : { ca }),
    names: (name ?? []).flatMap((list) => list.split(',')),
    approve: parseChoice('--approve', approve, APPROVAL_RULES),
    mostJobs: parseWhole('--most-jobs', flags.mostJobs, 1, 1000),
    mostHosts: parseWhole('--most-hosts', flags.mostHosts, 0, 1_000_000),
  };
}

/** `HOST:PORT`, `[::1]:PORT`. @throws UsageError */
function parseListen(option: string, text: string): { readonly host: string; readonly port: number } {
  const found = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:\s[\]]+)):([0-9]+)$/.exec(text);
  const host = found?.[1] ?? found?.[2];
  if (found === null || host === undefined || (found[1] !== undefined && isIP(host) !== 6)) {
    throw new UsageError(`${option}: '${text}' is no HOST:PORT, such as 0.0.0.0:7450 or [::1]:7450`);
  }
  return { host, port: parseWhole(`${option}: port`, found[3], 0, 65_535) };
}

async function runServe(context: CommandContext, options: ServerOptions): Promise<ExitCode> {
  const { io } = context;
  const server = await context.openServer(options);
  try {
    const { host, port } = server.address;
    const url = `https://${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
    const { agents } = server;
    if (context.isJson) await writeJson(io, { url, ...(agents === undefined ? {} : { agents }), pid: process.pid });
    else {
      const dialIn = agents === undefined ? [] : [`agents dial in at ${agents}`];
      await writeLines(io.stdout, [`serving on ${url}`, ...dialIn]);
    }
    await aborted(io.interrupt.stop);
  } finally {
    await server.close();
  }
  return EXIT.ok;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

export function serveCommand(session: CliSession) {
  return new Command('serve')
    .description('serve the controller over HTTPS: jobs run here, for whoever has a token or a certificate')
    .option('--listen <host:port>', 'where clients reach it', '127.0.0.1:7450')
    .option('--agents <host:port>', 'where agents dial in (`perftrawl agent --dial`); default: nowhere')
    .option('--cert <file>', 'its certificate (default: issued from the CA of ~/.config/perftrawl/ca)')
    .option('--key <file>', 'the key of that certificate')
    .option('--ca <file>', 'whose client certificates count (default: ca.crt of that CA)')
    .option(
      '--name <names>',
      'names and addresses by which clients reach it, for a certificate that is issued; comma separated or several times',
      (value: string, previous: readonly string[] | undefined): readonly string[] => [...(previous ?? []), value],
    )
    .option('--approve <rule>', `which jobs wait for a second person: ${APPROVAL_RULES.join(', ')}`, 'none')
    .option('--most-jobs <jobs>', 'that run at a time here; others wait in the queue', '64')
    .option('--most-hosts <hosts>', 'that all jobs capture on at a time; 0: as many as they want', '0')
    .addHelpText(
      'after',
      examples([
        { does: 'for the whole network', line: 'perftrawl serve --listen 0.0.0.0:7450 --name perf.example.net' },
        { does: 'also for hosts that dial in', line: 'perftrawl serve --listen 0.0.0.0:7450 --agents 0.0.0.0:7452' },
        { does: 'scripts of people are read by a second one first', line: 'perftrawl serve --approve stap-own' },
        {
          does: 'on another machine',
          line: 'PERFTRAWL_TOKEN=ptu.… perftrawl --server https://perf.example.net:7450 record --for 10s',
        },
      ]),
    )
    .action(async (flags) => session.end(await runServe(session.context(), parseServe(flags))));
}
