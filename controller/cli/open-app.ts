// The real app with the directories and files that the command line chose.
import { fail } from '../../proto/failure.js';
import type { App } from '../api.js';
import type { AppOptions } from './context.js';
import type { CliIo } from './io.js';

export async function openApp(_options: AppOptions, _io: CliIo): Promise<App> {
  throw fail('internal', 'this build has no controller');
}
