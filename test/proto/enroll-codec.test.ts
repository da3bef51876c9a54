// What hosts and controllers say to each other about certificates, and tokens as text.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeEnrollAnswer,
  decodeEnrollRequest,
  encodeEnrollAnswer,
  encodeEnrollRequest,
} from '../../proto/enroll-codec.js';
import { formatEnrollToken, parseEnrollToken } from '../../proto/enroll-token.js';

const hex = (length: number) =>
  fc.array(fc.constantFrom(...'0123456789abcdef'), { minLength: length, maxLength: length }).map((all) => all.join(''));

describe('the text of a token', () => {
  const token = fc.record({ id: hex(16), secret: hex(64), caSha256: hex(64) });

  it('is read as it was written, also with white space around it', () => {
    fc.assert(
      fc.property(token, (one) => {
        expect(parseEnrollToken(` ${formatEnrollToken(one)}\n`)).toEqual(one);
      }),
    );
  });

  it('is none when a character is missing, added or not hex', () => {
    fc.assert(
      fc.property(token, fc.nat(), fc.constantFrom('', 'g', '.', 'A', ' '), (one, place, by) => {
        const text = formatEnrollToken(one);
        const at = place % text.length;
        fc.pre(text[at] !== by);
        expect(parseEnrollToken(text.slice(0, at) + by + text.slice(at + 1))).toBeUndefined();
      }),
    );
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(parseEnrollToken(text)).toBeUndefined();
      }),
    );
  });
});

describe('the messages', () => {
  const bytes = fc.uint8Array({ maxLength: 300 });
  const name = fc.string({ maxLength: 100 });

  it('give back what was said', () => {
    const token = fc.record({ id: fc.string({ minLength: 1, maxLength: 99 }), secret: name });
    fc.assert(
      fc.property(fc.option(token, { nil: undefined }), name, bytes, name, (said, host, request, agentVersion) => {
        const whole = { ...(said === undefined ? {} : { token: said }), name: host, request, agentVersion };
        const read = decodeEnrollRequest(encodeEnrollRequest(whole));
        expect({ ...read, request: Uint8Array.from(read.request) }).toEqual(whole);
      }),
    );
    const refusal = { code: 'refused', message: 'no', remedy: 'ask' } as const;
    const answers = [
      { isEnrolled: false as const, refusal },
      { isEnrolled: true as const, identity: { certificate: Uint8Array.of(1), name: 'a', labels: { role: 'db' } } },
    ];
    for (const answer of answers) {
      const read = decodeEnrollAnswer(encodeEnrollAnswer(answer));
      const plain = read.isEnrolled
        ? { ...read, identity: { ...read.identity, certificate: Uint8Array.from(read.identity.certificate) } }
        : read;
      expect(plain).toEqual(answer);
    }
  });

  it('are refused when they are none, or too long', () => {
    fc.assert(
      fc.property(bytes, (some) => {
        for (const decode of [decodeEnrollRequest, decodeEnrollAnswer]) {
          try {
            decode(some);
          } catch (error) {
            expect(error).toMatchObject({ failure: { code: 'bad-data' } });
          }
        }
      }),
    );
    const long = { name: 'x'.repeat(300), request: new Uint8Array(), agentVersion: '' };
    expect(() => decodeEnrollRequest(encodeEnrollRequest(long))).toThrow('more than 256');
    expect(() => decodeEnrollRequest(new Uint8Array(70_000))).toThrow('at most 65536');
    expect(() => decodeEnrollAnswer(new Uint8Array())).toThrow('has none');
  });
});
