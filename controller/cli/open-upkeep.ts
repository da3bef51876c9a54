// The store that the command line chose, to be looked after.
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { fail } from '../../proto/failure.js';
import { systemClock } from '../clock.js';
import { dataDirectory } from '../directories.js';
import { openStore } from '../store/open-store.js';
import { type StoreUpkeep, storeUpkeep } from '../upkeep/store-upkeep.js';
import type { AppOptions } from './context.js';
import type { CliIo } from './io.js';

/** @throws FailureError 'bad-request' with a server, and those of openStore */
export async function openUpkeep({ dataDirectory: data, server, store }: AppOptions, io: CliIo): Promise<StoreUpkeep> {
  if (server !== undefined) {
    throw fail('bad-request', 'a store is looked after where it is', 'leave --server out, or use --store there');
  }
  const open = (name: string) =>
    openStore({
      ...{ store: name, env: io.env, homeDirectory: io.homeDirectory, userName: io.userName },
      ...{ clock: systemClock, random: Math.random },
    });
  const directory = data === undefined ? dataDirectory(io.env, io.homeDirectory) : resolve(data);
  const who = `${io.userName}@${hostname()}`;
  return storeUpkeep(await open(store ?? `sqlite:${join(directory, 'perftrawl.db')}`), { open, who, now: io.now });
}
