// The header by which a client names a request, so that sending it again makes no second job.
import { z } from 'zod';
import { requestHash } from '../approval/request-hash.js';
import type { RepeatableRequest } from '../job-request.js';

/** https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/ */
export const KEY_HEADER = 'Idempotency-Key';

/** A UUID, say; in quotes or without. */
export const keySchema = z
  .string()
  .regex(/^[\x21-\x7e]{1,255}$/, 'give 1 to 255 visible ASCII characters, such as a UUID')
  .describe(
    'Names this request, for a day: sent again by the same user with the same key, it makes nothing new, and the answer is about the ' +
      'same job. Another request with that key is refused with 409 and the code `conflict`.',
  );

/** @param asked all that makes it this request, as it came */
export function repeatableRequest(key: string, requester: string, asked: object): RepeatableRequest {
  return { key: requestHash({ requester, key }), sha256: requestHash(asked) };
}
