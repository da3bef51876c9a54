// What every command is given: the streams, the global options, and a way to open the app.
import type { App } from '../api.js';
import type { ApprovalRule } from '../approval/approval.js';
import type { StoreUpkeep } from '../upkeep/store-upkeep.js';
import type { CliIo } from './io.js';
import { type Colours, colours } from './render/colours.js';

export interface GlobalOptions {
  readonly inventory?: string | undefined;
  readonly data?: string | undefined;
  readonly store?: string | undefined;
  readonly sshConfig?: string | undefined;
  readonly server?: string | undefined;
  readonly serverCa?: string | undefined;
  readonly tokenFile?: string | undefined;
  readonly clientCert?: string | undefined;
  readonly clientKey?: string | undefined;
  readonly json?: true | undefined;
}

/** Where the app finds things; `undefined` leaves the choice to the app. */
export interface AppOptions {
  readonly inventoryFile: string | undefined;
  readonly dataDirectory: string | undefined;
  /** `postgres://…` or `sqlite:FILE`, with a password perhaps. */
  readonly store: string | undefined;
  /** In place of ~/.ssh/config. */
  readonly sshConfigFile: string | undefined;
  /** In place of the app in this process; `undefined`: none. */
  readonly server: ServerChoice | undefined;
}

/** Which server, how it is known, and who asks (a token may be in the environment instead). */
export interface ServerChoice {
  readonly url: string;
  /** PEM files. */
  readonly caFile: string | undefined;
  readonly tokenFile: string | undefined;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
}

/** What `perftrawl serve` is told. */
export interface ServerOptions {
  readonly listen: { readonly host: string; readonly port: number };
  /** Where agents that dial in reach it; absent: nowhere. */
  readonly agents?: { readonly host: string; readonly port: number };
  /** PEM files; absent: issued from the CA of the configuration directory. */
  readonly files?: { readonly cert: string; readonly key: string };
  /** In place of the certificate of that CA. */
  readonly ca?: string;
  /** By which clients reach it. */
  readonly names: readonly string[];
  readonly approve: ApprovalRule;
  /** Jobs that it runs at a time. */
  readonly mostJobs: number;
  /** Hosts that all jobs capture on at a time; 0: no bound. */
  readonly mostHosts: number;
}

export interface RunningServer {
  readonly address: { readonly host: string; readonly port: number };
  /** Where agents dial in, `HOST:PORT`, the port as bound; absent: nowhere. */
  readonly agents?: string;
  close(): Promise<void>;
}

/** What a command line needs from its surroundings. */
export interface CliDependencies {
  readonly io: CliIo;
  readonly openApp: (options: AppOptions) => Promise<App>;
  readonly openUpkeep: (options: AppOptions) => Promise<StoreUpkeep>;
  readonly openServer: (appOptions: AppOptions, options: ServerOptions) => Promise<RunningServer>;
  readonly version: string;
}

export interface CommandContext {
  readonly io: CliIo;
  readonly version: string;
  readonly isJson: boolean;
  /** The app is a server's, elsewhere. */
  readonly isRemote: boolean;
  /** Address of the server that does it all; undefined: this process. */
  readonly server: string | undefined;
  /** For stdout. */
  readonly colours: Colours;
  /** Open the app, use it, close it again whatever happens. */
  withApp<T>(use: (app: App) => Promise<T>): Promise<T>;
  openServer(options: ServerOptions): Promise<RunningServer>;
  /** Of the store itself; the caller closes it. */
  openUpkeep(): Promise<StoreUpkeep>;
}

export function createContext(dependencies: CliDependencies, globals: GlobalOptions): CommandContext {
  const { io } = dependencies;
  const appOptions: AppOptions = {
    inventoryFile: nonEmpty(globals.inventory) ?? nonEmpty(io.env.PERFTRAWL_INVENTORY),
    dataDirectory: nonEmpty(globals.data) ?? nonEmpty(io.env.PERFTRAWL_DATA),
    store: nonEmpty(globals.store) ?? nonEmpty(io.env.PERFTRAWL_STORE),
    sshConfigFile: nonEmpty(globals.sshConfig) ?? nonEmpty(io.env.PERFTRAWL_SSH_CONFIG),
    server: serverChoice(globals, io.env),
  };
  return {
    io,
    version: dependencies.version,
    isJson: globals.json === true,
    isRemote: appOptions.server !== undefined,
    server: appOptions.server?.url,
    colours: colours(io.isStdoutTty, io.env),
    async withApp(use) {
      const app = await dependencies.openApp(appOptions);
      try {
        return await use(app);
      } finally {
        await app.close();
      }
    },
    openServer: (options) => dependencies.openServer(appOptions, options),
    openUpkeep: () => dependencies.openUpkeep(appOptions),
  };
}

function serverChoice(globals: GlobalOptions, env: CliIo['env']): ServerChoice | undefined {
  const url = nonEmpty(globals.server) ?? nonEmpty(env.PERFTRAWL_SERVER);
  if (url === undefined) return undefined;
  return {
    url,
    caFile: nonEmpty(globals.serverCa) ?? nonEmpty(env.PERFTRAWL_SERVER_CA),
    tokenFile: nonEmpty(globals.tokenFile),
    certFile: nonEmpty(globals.clientCert),
    keyFile: nonEmpty(globals.clientKey),
  };
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}
