// What strangers send before anybody trusts them: requests for certificates; and what an agent is answered.
import { certificateRequest, newKey } from '../../../agent/enroll/certificate-request.js';
import {
  decodeEnrollAnswer,
  decodeEnrollRequest,
  encodeEnrollAnswer,
  encodeEnrollRequest,
} from '../../../proto/enroll-codec.js';
import { formatEnrollToken, parseEnrollToken } from '../../../proto/enroll-token.js';
import { type FuzzTarget, promise } from '../target.js';

const TOKEN = { id: '0123456789abcdef', secret: 'ab'.repeat(32), caSha256: 'cd'.repeat(32) };

const request: FuzzTarget = {
  name: 'enroll-request',
  grammar: 'message',
  seeds: () => {
    const csr = certificateRequest('db1', newKey());
    return [
      encodeEnrollRequest({ token: TOKEN, name: 'db1', request: csr, agentVersion: '1.0.0' }),
      encodeEnrollRequest({ name: '', request: csr, agentVersion: '1.0.0' }),
    ];
  },
  run: (input) => {
    const read = decodeEnrollRequest(input);
    const again = decodeEnrollRequest(encodeEnrollRequest(read));
    promise(JSON.stringify(again) === JSON.stringify(read), 'what was written is read as something else');
  },
};

const answer: FuzzTarget = {
  name: 'enroll-answer',
  grammar: 'message',
  seeds: () => [
    encodeEnrollAnswer({ isEnrolled: false, refusal: { code: 'refused', message: 'no', remedy: 'ask' } }),
    encodeEnrollAnswer({
      isEnrolled: true,
      identity: { certificate: Buffer.alloc(40, 1), name: 'db1', labels: { role: 'db', zone: 'a' } },
    }),
  ],
  run: (input) => {
    const read = decodeEnrollAnswer(input);
    const again = decodeEnrollAnswer(encodeEnrollAnswer(read));
    promise(JSON.stringify(again) === JSON.stringify(read), 'what was written is read as something else');
  },
};

const token: FuzzTarget = {
  name: 'enroll-token',
  grammar: 'text',
  seeds: () => [Buffer.from(formatEnrollToken(TOKEN))],
  run: (input) => {
    const text = Buffer.from(input).toString('utf8');
    const read = parseEnrollToken(text);
    promise(read === undefined || formatEnrollToken(read) === text.trim(), 'a token is read as another one');
  },
};

export const ENROLL_TARGETS: readonly FuzzTarget[] = [request, answer, token];
