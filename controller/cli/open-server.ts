// The real server with the directories and files that the command line chose.
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { systemClock } from '../clock.js';
import { configDirectory } from '../directories.js';
import { type IdentityFiles, identityFilesIn } from '../transport/identity.js';
import { serveApp } from '../web/serve-app.js';
import { serverIdentity } from '../web/server-identity.js';
import { type ServerLog, serverLog } from '../web/server-log.js';
import type { AppOptions, RunningServer, ServerOptions } from './context.js';
import type { CliIo } from './io.js';
import { openApp } from './open-app.js';

/** @throws FailureError for what cannot be used of the app, the identity and the address */
export async function openServer(
  appOptions: AppOptions,
  options: ServerOptions,
  io: CliIo,
  version: string,
): Promise<RunningServer> {
  const { listen, agents, names, approve, mostJobs, mostHosts } = options;
  const caDirectory = join(configDirectory(io.env, io.homeDirectory), 'ca');
  const own = identityFilesIn(caDirectory, 'server');
  const files: IdentityFiles = {
    ca: options.ca === undefined ? own.ca : resolve(options.ca),
    cert: options.files === undefined ? own.cert : resolve(options.files.cert),
    key: options.files === undefined ? own.key : resolve(options.files.key),
  };
  const reachable = [listen.host, ...(agents === undefined ? [] : [agents.host])].flatMap(certifiable);
  const identity = await serverIdentity({
    ...{ files, caDirectory, isIssuable: options.files === undefined, now: io.now() },
    addresses: [...names, hostname(), 'localhost', '127.0.0.1', '::1', ...reachable],
  });
  const log = serverLog(io.stderr, io.now);
  const dialIn = agents === undefined ? {} : { dialIn: { ...dialInOf(agents, log), identity: files } };
  const app = await openApp(appOptions, io, { approve, queue: { mostHosts }, ...dialIn });
  try {
    const server = await serveApp({
      ...{ app, identity, listen, clock: systemClock, random: Math.random, name: hostname(), version, mostJobs },
      log,
    });
    return {
      address: server.address,
      ...(app.dialIn === undefined ? {} : { agents: app.dialIn.address }),
      async close() {
        await server.close();
        await app.close();
      },
    };
  } catch (error) {
    await app.close();
    throw error;
  }
}

function dialInOf({ host, port }: ServerOptions['listen'], log: ServerLog) {
  const listen = `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
  return { listen, log: (line: string) => log({ level: 'info', event: 'dial-in', line }) };
}

/** An address that stands for all is the name of none. */
function certifiable(host: string): string[] {
  return host === '0.0.0.0' || host === '::' ? [] : [host];
}
