// How a host asks for its certificate, and the answer: plain values to bytes and back. Whatever does not fit is refused.
import { MAX_ENROLL_BYTES } from './dial.js';
import { type Failure, fail } from './failure.js';
import { failureFromMessage } from './failure-message.js';
import { perftrawl } from './generated/perftrawl.js';

export interface EnrollRequest {
  /** Absent: a renewal by the certificate that the connection shows. */
  readonly token?: { readonly id: string; readonly secret: string };
  /** What the host wants to be called; '' in a renewal. */
  readonly name: string;
  /** PKCS#10, DER. */
  readonly request: Uint8Array;
  readonly agentVersion: string;
}

export interface EnrolledIdentity {
  /** X.509, DER. */
  readonly certificate: Uint8Array;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

export type EnrollAnswer =
  | { readonly isEnrolled: true; readonly identity: EnrolledIdentity }
  | { readonly isEnrolled: false; readonly refusal: Failure };

/** Texts of a request are names and numbers; of an answer, sentences. */
const MAX_NAME = 256;
const MAX_SENTENCE = 4096;
const MAX_LABELS = 64;

export function encodeEnrollRequest({ token, name, request, agentVersion }: EnrollRequest): Uint8Array {
  const { id = '', secret = '' } = token ?? {};
  return perftrawl.v1.EnrollRequest.encode({ tokenId: id, tokenSecret: secret, name, request, agentVersion }).finish();
}

/** @throws FailureError 'bad-data' */
export function decodeEnrollRequest(bytes: Uint8Array): EnrollRequest {
  const message = decode(() => perftrawl.v1.EnrollRequest.decode(bounded(bytes)), 'request for a certificate');
  const { tokenId = '', tokenSecret = '', name = '', agentVersion = '', request = new Uint8Array() } = message;
  if ([tokenId, tokenSecret, name, agentVersion].some((text) => text.length > MAX_NAME)) {
    throw fail('bad-data', `a request for a certificate holds a text of more than ${MAX_NAME} characters`);
  }
  const isRenewal = tokenId === '' && tokenSecret === '';
  return {
    ...(isRenewal ? {} : { token: { id: tokenId, secret: tokenSecret } }),
    ...{ name, request, agentVersion },
  };
}

export function encodeEnrollAnswer(answer: EnrollAnswer): Uint8Array {
  const message = answer.isEnrolled ? { ...answer.identity } : { refusal: shortened(answer.refusal) };
  return perftrawl.v1.EnrollAnswer.encode(message).finish();
}

/** @throws FailureError 'bad-data' */
export function decodeEnrollAnswer(bytes: Uint8Array): EnrollAnswer {
  const message = decode(() => perftrawl.v1.EnrollAnswer.decode(bounded(bytes)), 'answer with a certificate');
  const { refusal } = message;
  if (refusal) return { isEnrolled: false, refusal: failureFromMessage(refusal) };
  const { certificate = new Uint8Array(), name = '' } = message;
  const labels = Object.entries(message.labels ?? {});
  const isLong = [name, ...labels.flat()].some((text) => text.length > MAX_NAME);
  if (certificate.length === 0 || labels.length > MAX_LABELS || isLong) {
    throw fail('bad-data', 'an answer with a certificate has none, or too much besides');
  }
  return { isEnrolled: true, identity: { certificate, name, labels: Object.fromEntries(labels) } };
}

function bounded(bytes: Uint8Array): Uint8Array {
  if (bytes.length <= MAX_ENROLL_BYTES) return bytes;
  throw fail(
    'bad-data',
    `a message of ${bytes.length} bytes about a certificate; at most ${MAX_ENROLL_BYTES} are taken`,
  );
}

function decode<T>(read: () => T, what: string): T {
  try {
    return read();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw fail(
      'bad-data',
      `a ${what} cannot be read: ${why}`,
      'use the same version of perftrawl on both sides',
      cause,
    );
  }
}

function shortened({ code, message, remedy }: Failure): Failure {
  return { code, message: message.slice(0, MAX_SENTENCE), remedy: remedy.slice(0, MAX_SENTENCE) };
}
