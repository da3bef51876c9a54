// The list of revoked certificates for an agent that listens: what `perftrawl ca revoked` prints, a SHA-256 fingerprint per line.
import type { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fail } from '../proto/failure.js';

/**
 * Read at each connection, so that a new list holds at once. No file: nothing is revoked.
 * @throws FailureError 'not-found', 'permission', 'bad-data' that names the line: then nobody is let in
 */
export async function readRevoked(file: string | undefined): Promise<ReadonlySet<string>> {
  if (file === undefined) return new Set();
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const isAbsent = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    const why = error instanceof Error ? error.message : String(error);
    const message = `cannot read the list of revoked certificates: ${why}`;
    throw fail(isAbsent ? 'not-found' : 'permission', message, 'write it with `perftrawl ca revoked`', error);
  }
  return parseRevoked(text, file);
}

/** Colons and what follows a # are left out. @throws FailureError 'bad-data' */
export function parseRevoked(text: string, file: string): ReadonlySet<string> {
  const revoked = new Set<string>();
  for (const [index, line] of text.split('\n').entries()) {
    const fingerprint = line.replace(/#.*/, '').replaceAll(':', '').trim().toLowerCase();
    if (fingerprint === '') continue;
    if (!/^[0-9a-f]{64}$/.test(fingerprint)) {
      throw fail(
        'bad-data',
        `${file}:${index + 1}: this is no SHA-256 fingerprint`,
        'write it with `perftrawl ca revoked`',
      );
    }
    revoked.add(fingerprint);
  }
  return revoked;
}

export function isRevoked(certificate: X509Certificate, revoked: ReadonlySet<string>): boolean {
  return revoked.has(certificate.fingerprint256.replaceAll(':', '').toLowerCase());
}
