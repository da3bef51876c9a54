// Write an export to a file: beside its place first, so that a broken export never replaces a good file.
import { createWriteStream, existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Profile } from '../../profile/profile.js';
import { fail } from '../../proto/failure.js';
import type { Exporter, ExportOptions, ExportParts, FormatName } from '../export/exporter.js';
import { exporters } from '../export/formats.js';

/** Parts of a profile in a format. @throws ExportError when the profile does not hold what the format needs */
function exportParts(profile: Profile, format: FormatName, options: ExportOptions): ExportParts {
  const exporter: Exporter = exporters[format];
  if (exporter.needs === 'series') {
    throw fail(
      'bad-request',
      `${format} is a format of counters, and this is a profile`,
      'use folded, svg, pprof or json',
    );
  }
  return exporter.write(profile, options);
}

export async function exportProfile(
  profile: Profile,
  format: FormatName,
  options: ExportOptions,
  file: string,
): Promise<number> {
  return writeFileOf(exportParts(profile, format, options), file);
}

/** Returns the bytes written. */
export async function writeFileOf(
  parts: Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>,
  file: string,
): Promise<number> {
  const directory = dirname(resolve(file));
  if (!existsSync(directory)) throw fail('not-found', `there is no directory ${directory}`, `mkdir -p '${directory}'`);
  const partial = `${file}.part`;
  const to = createWriteStream(partial);
  try {
    await pipeline(Readable.from(parts, { objectMode: true }), to);
    await rename(partial, file);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
  return to.bytesWritten;
}
