// The real app with the directories and files that the command line chose.
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createApp, type LocalApp, type AppOptions as OwnAppOptions } from '../app.js';
import { configDirectory, dataDirectory } from '../directories.js';
import { askSecret } from './ask-secret.js';
import type { AppOptions } from './context.js';
import { deliveryView } from './delivery-view.js';
import type { CliIo } from './io.js';

/** Seen from dist/controller/cli. */
const AGENT_SCRIPT = fileURLToPath(new URL('../../bundle/agent-upload.cjs', import.meta.url));
const PERFTRAWL = fileURLToPath(new URL('../../../bin/perftrawl', import.meta.url));

/** @param more of a server @throws FailureError for an inventory or a data directory that cannot be used */
export async function openApp(
  options: AppOptions,
  io: CliIo,
  more: Pick<OwnAppOptions, 'approve' | 'dialIn' | 'onDelivery' | 'queue'> = {
    onDelivery: deliveryView(io),
  },
): Promise<LocalApp> {
  const { dataDirectory: data, inventoryFile, sshConfigFile, store } = options;
  return createApp({
    dataDir: data === undefined ? dataDirectory(io.env, io.homeDirectory) : resolve(data),
    configDir: configDirectory(io.env, io.homeDirectory),
    ...(inventoryFile === undefined ? {} : { inventoryPath: resolve(inventoryFile) }),
    ...(store === undefined ? {} : { store: { name: store, env: io.env, homeDirectory: io.homeDirectory } }),
    ssh: {
      ...(sshConfigFile === undefined ? {} : { configFile: resolve(sshConfigFile) }),
      homeDirectory: io.homeDirectory,
      agentSocket: io.env.SSH_AUTH_SOCK,
      agentScript: AGENT_SCRIPT,
      askSecret,
    },
    agentCommand: [process.execPath, PERFTRAWL, 'agent'],
    ...more,
  });
}
