// Where SystemTap's files lie below the agent's state directory.
import { join } from 'node:path';

export interface StapDirectory {
  /** Modules that were put here, by the SHA-256 of the file. */
  readonly uploaded: string;
  /** Modules that were compiled here, by the key of what they were made of. */
  readonly compiled: string;
  /** stap's own cache: what it found out about each kernel's headers. */
  readonly cache: string;
}

export function stapDirectory(stateDirectory: string): StapDirectory {
  const directory = join(stateDirectory, 'stap');
  return {
    uploaded: join(directory, 'uploaded'),
    compiled: join(directory, 'compiled'),
    cache: join(directory, 'cache'),
  };
}
