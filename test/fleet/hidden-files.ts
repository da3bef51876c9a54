// Where a program lies on this machine, in all places that a host could find it in.
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';

const NAMES = { perf: /^perf([_-].*)?$/, node: /^node(js)?$/ } as const;
const DIRECTORIES = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/opt/node/bin', '/snap/bin'];

/** Paths that exist; `/bin` and its like are links to the directories above where they matter. */
export async function hiddenFiles(programs: readonly (keyof typeof NAMES)[]): Promise<string[]> {
  const found: string[] = [];
  for (const directory of new Set([...DIRECTORIES, dirname(process.execPath)])) {
    const names = await readdir(directory).catch(() => []);
    found.push(
      ...names.filter((name) => programs.some((program) => NAMES[program].test(name))).map((n) => join(directory, n)),
    );
  }
  return found;
}
