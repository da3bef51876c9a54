// Who the controller is towards agents reached by mTLS: the files of its certificate, its key and the CA it trusts.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fail } from '../../proto/failure.js';

/** Paths of PEM files. */
export interface IdentityFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface Identity {
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** The files that `perftrawl ca init` and `perftrawl ca issue NAME` write into a CA directory. */
export function identityFilesIn(directory: string, name: 'controller' | 'server'): IdentityFiles {
  return {
    ca: path.join(directory, 'ca.crt'),
    cert: path.join(directory, `${name}.crt`),
    key: path.join(directory, `${name}.key`),
  };
}

/** @throws FailureError 'not-found' or 'permission' that names the file */
export async function readIdentity(files: IdentityFiles): Promise<Identity> {
  const [ca, cert, key] = await Promise.all([read(files.ca), read(files.cert), read(files.key)]);
  return { ca, cert, key };
}

async function read(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    const isAbsent = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
    throw fail(
      isAbsent ? 'not-found' : 'permission',
      `cannot read the controller's TLS identity: ${cause instanceof Error ? cause.message : String(cause)}`,
      isAbsent
        ? 'make one with `perftrawl ca init` and `perftrawl ca issue controller --role controller`, or name the files under tls: in the inventory'
        : 'run as the user who owns that file',
      cause,
    );
  }
}
