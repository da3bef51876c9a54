// Compile a SystemTap script outside the VM into a module that `staprun` loads inside.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Image } from './image.js';
import { runNatively } from './native.js';

/**
 * Passes 1 to 4 of stap, natively in the image's file system.
 * @param name of the module: lower-case letters, digits and underscores
 * @param args more arguments of stap, such as `['-DMAXACTION=10000']`
 * @returns the path of NAME.ko in a temporary directory of its own, which the caller removes
 * @throws Error with what stap printed
 */
export async function compileInImage(
  image: Image,
  name: string,
  script: string,
  args: readonly string[] = [],
): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'perftrawl-module-'));
  await writeFile(join(directory, `${name}.stp`), script);
  const stap = ['stap', '-p4', '-r', image.release, '-m', name, ...args, `${name}.stp`];
  const argv = ['env', '-C', '/module', ...stap];
  const { status, stdout, stderr } = await runNatively(image.root, argv, {
    binds: [{ from: directory, to: '/module' }],
  });
  if (status !== 0) {
    await rm(directory, { recursive: true });
    throw new Error(`${stap.join(' ')} ended with ${status}\n${stdout}${stderr}`);
  }
  return join(directory, `${name}.ko`);
}
