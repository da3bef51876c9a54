// What every command is given: the streams, the global options, and a way to open the app.
import type { App } from '../api.js';
import type { CliIo } from './io.js';
import { type Colours, colours } from './render/colours.js';

export interface GlobalOptions {
  readonly inventory?: string | undefined;
  readonly data?: string | undefined;
  readonly sshConfig?: string | undefined;
  readonly json?: true | undefined;
}

/** Where the app finds things; `undefined` leaves the choice to the app. */
export interface AppOptions {
  readonly inventoryFile: string | undefined;
  readonly dataDirectory: string | undefined;
  /** In place of ~/.ssh/config. */
  readonly sshConfigFile: string | undefined;
}

/** What a command line needs from its surroundings. */
export interface CliDependencies {
  readonly io: CliIo;
  readonly openApp: (options: AppOptions) => Promise<App>;
  readonly version: string;
}

export interface CommandContext {
  readonly io: CliIo;
  readonly version: string;
  readonly isJson: boolean;
  /** For stdout. */
  readonly colours: Colours;
  /** Open the app, use it, close it again whatever happens. */
  withApp<T>(use: (app: App) => Promise<T>): Promise<T>;
}

export function createContext(dependencies: CliDependencies, globals: GlobalOptions): CommandContext {
  const { io } = dependencies;
  return {
    io,
    version: dependencies.version,
    isJson: globals.json === true,
    colours: colours(io.isStdoutTty, io.env),
    async withApp(use) {
      const app = await dependencies.openApp({
        inventoryFile: nonEmpty(globals.inventory) ?? nonEmpty(io.env.PERFTRAWL_INVENTORY),
        dataDirectory: nonEmpty(globals.data) ?? nonEmpty(io.env.PERFTRAWL_DATA),
        sshConfigFile: nonEmpty(globals.sshConfig) ?? nonEmpty(io.env.PERFTRAWL_SSH_CONFIG),
      });
      try {
        return await use(app);
      } finally {
        await app.close();
      }
    },
  };
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}
