// What a capture was asked to do and by whom, and which process runs it: one small JSON file per capture.
import { readFile } from 'node:fs/promises';
import type { CaptureKind } from '../../proto/capture.js';
import { fail } from '../../proto/failure.js';
import { hasCode } from './file-error.js';
import { type ProcessIdentity, toIdentity } from './owner.js';

export interface CaptureMeta {
  readonly captureId: string;
  readonly kind: CaptureKind;
  /** Canonical text of the spec: equal specs give equal text. */
  readonly spec: string;
  readonly requester: string;
  /** Milliseconds since 1970 UTC. */
  readonly started: number;
  readonly owner: ProcessIdentity;
}

const KINDS: readonly CaptureKind[] = ['record', 'stat', 'file', 'stap', 'kit', 'watch'];

/** Letters, digits, `_`, `-`, `.`; no path can be made of it. */
const CAPTURE_ID = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

/** @throws FailureError `bad-request` */
export function checkCaptureId(captureId: string): void {
  if (!CAPTURE_ID.test(captureId)) {
    throw fail(
      'bad-request',
      `${JSON.stringify(captureId.slice(0, 140))} is no capture id`,
      'use 1 to 128 letters, digits, _ - and ., not beginning with - or .',
    );
  }
}

/** undefined when there is no such file. @throws FailureError `bad-data` */
export async function readMeta(path: string): Promise<CaptureMeta | undefined> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined;
    if (error instanceof SyntaxError) throw damaged(path);
    throw error;
  }
  const meta = toMeta(value);
  if (meta === undefined) throw damaged(path);
  return meta;
}

function toMeta(value: unknown): CaptureMeta | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (!('captureId' in value && 'kind' in value && 'spec' in value)) return undefined;
  if (!('requester' in value && 'started' in value && 'owner' in value)) return undefined;
  const { captureId, kind, spec, requester, started } = value;
  const owner = toIdentity(value.owner);
  if (typeof captureId !== 'string' || typeof spec !== 'string' || typeof requester !== 'string') return undefined;
  const known = KINDS.find((name) => name === kind);
  if (known === undefined) return undefined;
  if (typeof started !== 'number' || owner === undefined) return undefined;
  return { captureId, kind: known, spec, requester, started, owner };
}

function damaged(path: string): Error {
  return fail('bad-data', `${path} is damaged`, 'remove that capture directory');
}
