// Who this host is towards the controllers that it dials: PEM files, read at each connection, so that a renewed certificate is used.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fail } from '../../proto/failure.js';
import { hasCode } from '../spool/file-error.js';

/** Paths. */
export interface IdentityFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

export interface DialIdentity {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca: Buffer;
}

/** Where enrolment puts them. */
export function identityFilesIn(state: string): IdentityFiles {
  const directory = join(state, 'identity');
  return { cert: join(directory, 'agent.crt'), key: join(directory, 'agent.key'), ca: join(directory, 'ca.crt') };
}

/** @throws FailureError 'not-found' or 'permission' that names the file */
export async function readDialIdentity(files: IdentityFiles): Promise<DialIdentity> {
  const [cert, key, ca] = await Promise.all([files.cert, files.key, files.ca].map(read));
  return { cert, key, ca };
}

async function read(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    if (!hasCode(error, 'ENOENT')) throw fail('permission', `cannot read ${path}: ${why}`, '', error);
    const remedy = 'enroll this host with `perftrawl agent enroll`, or name the files with --cert, --key and --ca';
    throw fail('not-found', `no file ${path}: this host has no certificate to dial in with`, remedy, error);
  }
}
