// Sound inputs from files: recordings, programs and outputs that real tools made.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Files of test/fuzz/seeds/. */
export function seedFiles(...names: readonly string[]): Uint8Array[] {
  return names.map((name) => readFileSync(fileURLToPath(new URL(`./seeds/${name}`, import.meta.url))));
}

/** Outputs of real stap in test/fixtures/stap/, none longer than `most` bytes. */
export function stapFixtures(ending: '.stdout' | '.stderr', most = 8192): Uint8Array[] {
  const directory = fileURLToPath(new URL('../fixtures/stap/', import.meta.url));
  return readdirSync(directory)
    .filter((name) => name.endsWith(ending))
    .map((name) => readFileSync(`${directory}/${name}`).subarray(0, most))
    .filter((bytes) => bytes.length > 0);
}

export function texts(...list: readonly string[]): Uint8Array[] {
  return list.map((text) => Buffer.from(text));
}
