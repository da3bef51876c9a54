// What an unfinished pull has done so far, a line per part, so that a pull that was killed goes on where it was.
import type { FileHandle } from 'node:fs/promises';
import { z } from 'zod';
import { type ManifestFile, type ManifestPart, mostManifestBytes, parsePart } from './manifest.js';
import type { PullDirectory } from './pull-directory.js';

export const JOURNAL = '.pull.journal';

export interface DonePart {
  readonly job: string;
  readonly part: ManifestPart;
  readonly files: readonly ManifestFile[];
}

export class Journal {
  readonly #log: FileHandle;

  static async open(directory: PullDirectory): Promise<Journal> {
    return new Journal(await directory.openLog(JOURNAL));
  }

  private constructor(log: FileHandle) {
    this.#log = log;
  }

  async note(done: DonePart): Promise<void> {
    // The line feed in front ends a line that a killed pull left behind.
    await this.#log.appendFile(`\n${JSON.stringify(done)}\n`);
  }

  async close(): Promise<void> {
    await this.#log.close();
  }
}

const donePart = z.strictObject({ job: z.string(), part: z.unknown(), files: z.array(z.unknown()) });

/** Lines that are broken are left out: what they told of is made again. */
export async function readJournal(directory: PullDirectory): Promise<readonly DonePart[]> {
  const text = (await directory.read(JOURNAL, mostManifestBytes))?.toString('utf8') ?? '';
  return text.split('\n').flatMap((line) => {
    const done = line === '' ? undefined : parseLine(line);
    return done === undefined ? [] : [done];
  });
}

function parseLine(line: string): DonePart | undefined {
  try {
    const { job, part, files } = donePart.parse(JSON.parse(line));
    return { job, ...parsePart(part, files) };
  } catch {
    return undefined;
  }
}
