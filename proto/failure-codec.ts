// The failure of a call on the wire: the gRPC status, with the whole failure in a binary trailer.
import { Metadata, type ServiceError, type StatusObject } from '@grpc/grpc-js';
import { codeOfStatus, type Failure, FailureError, statusOf, toFailure } from './failure.js';
import { failureFromMessage } from './failure-message.js';
import { perftrawl } from './generated/perftrawl.js';

/** Trailer with the whole Failure message; the gRPC status alone has no remedy. */
const TRAILER = 'perftrawl-failure-bin';
const MAX_TEXT = 8192;
/** How grpc-js begins to say that an answer was no message of its type: that is the other side's fault, no defect of this one. */
const UNDECODABLE = 'Response message parsing error';

/** What a server answers a call that failed with. */
export function toStatus(error: unknown): Partial<StatusObject> {
  const failure = toFailure(error);
  const short = { ...failure, message: failure.message.slice(0, 2000), remedy: failure.remedy.slice(0, 500) };
  const metadata = new Metadata();
  metadata.set(TRAILER, Buffer.from(perftrawl.v1.Failure.encode(short).finish()));
  return { code: statusOf(failure.code), details: short.message, metadata };
}

/** What a client makes of a failed call; errors without the trailer come from gRPC itself or from the network. */
export function fromServiceError(error: unknown, doing: string): FailureError {
  if (error instanceof FailureError) return error;
  if (!isServiceError(error)) return new FailureError(toFailure(error), { cause: error });
  const [trailer] = error.metadata?.get(TRAILER) ?? [];
  if (trailer instanceof Buffer) {
    const sent = decodeTrailer(trailer);
    if (sent !== undefined) return new FailureError(sent, { cause: error });
  }
  const failure: Failure = {
    code: error.details.startsWith(UNDECODABLE) ? 'bad-data' : codeOfStatus(error.code),
    message: `${doing}: ${error.details.slice(0, MAX_TEXT)}`,
    remedy: '',
  };
  return new FailureError(failure, { cause: error });
}

function decodeTrailer(trailer: Buffer): Failure | undefined {
  try {
    return failureFromMessage(perftrawl.v1.Failure.decode(trailer));
  } catch {
    // Damaged trailer: the status and its details still tell what failed.
    return undefined;
  }
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && 'details' in error && typeof error.details === 'string';
}
