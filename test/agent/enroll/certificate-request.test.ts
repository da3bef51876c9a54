// The agent's own DER and its requests for certificates, as openssl reads them.
import { execFileSync } from 'node:child_process';
import { createPublicKey } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { certificateRequest, newKey } from '../../../agent/enroll/certificate-request.js';
import { element, objectIdentifier, sequence, tagged, utf8String } from '../../../agent/enroll/der.js';
import { requestedKey } from '../../../controller/ca/certificate-request.js';

function openssl(input: Uint8Array, ...args: string[]): string {
  return execFileSync('openssl', args, { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] });
}

describe('DER', () => {
  it('is read by openssl with the lengths that were written', () => {
    for (const length of [0, 1, 127, 128, 255, 256, 65_535, 65_536]) {
      const text = openssl(element(0x04, Buffer.alloc(length, 1)), 'asn1parse', '-inform', 'DER');
      expect(text).toContain(`l=${String(length).padStart(4)} prim: OCTET STRING`);
    }
  });

  it('gives each object identifier back', () => {
    const rest = fc.array(fc.nat({ max: 2 ** 31 - 1 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(fc.nat({ max: 2 }), fc.nat({ max: 39 }), rest, (first, second, more) => {
        const text = [first, second, ...more].join('.');
        expect(oidOf(objectIdentifier(text))).toBe(text);
      }),
    );
    const known = openssl(objectIdentifier('1.2.840.10045.4.3.2'), 'asn1parse', '-inform', 'DER');
    expect(known).toContain('ecdsa-with-SHA256');
  });

  it('nests any elements so that each can be found again', () => {
    const bytes = fc.uint8Array({ maxLength: 400 });
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 8 }), (parts) => {
        const all = sequence(...parts.map((part) => tagged(part.length % 4, element(0x04, part))));
        const read = children(all).flatMap(children).map(children);
        expect(read).toEqual(parts.map((part) => [Buffer.from(part)]));
      }),
    );
  });
});

describe('a request for a certificate', () => {
  it.each(['db1', 'a'.repeat(80), 'host.example.net', 'ümlaut'])('for %s is verified by openssl', async (name) => {
    const key = newKey();
    const request = certificateRequest(name, key);
    const text = openssl(
      request,
      'req',
      '-inform',
      'DER',
      '-verify',
      '-noout',
      '-subject',
      '-nameopt',
      'utf8',
      '-pubkey',
    );
    // Newer versions of openssl write no spaces there.
    expect(text.replaceAll(' = ', '=')).toContain(`CN=${name}`);
    expect(text).toContain(String(createPublicKey(key).export({ type: 'spki', format: 'pem' })).trim());
    expect((await requestedKey(request)).sha256).toMatch(/^[0-9a-f]{64}$/);
  });

  it('is refused when a bit of it was changed, or says the same in other bytes', async () => {
    const request = certificateRequest('db1', newKey());
    const { sha256 } = await requestedKey(request);
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: request.length * 8 - 1 }), async (bit) => {
        const changed = Buffer.from(request);
        changed[bit >> 3] ^= 1 << (bit & 7);
        try {
          expect((await requestedKey(changed)).sha256).toBe(sha256);
        } catch (error) {
          expect(error).toMatchObject({ failure: { code: 'bad-request' } });
          refused++;
        }
      }),
      { numRuns: 300 },
    );
    expect(refused).toBeGreaterThan(200);
  });

  it('is refused for keys of other kinds, as openssl makes them', async () => {
    for (const kind of [['rsa:2048'], ['ec', '-pkeyopt', 'ec_paramgen_curve:secp384r1'], ['ed25519']]) {
      const der = execFileSync(
        'openssl',
        ['req', '-new', '-newkey', ...kind, '-nodes', '-keyout', '/dev/null', '-subj', '/CN=x', '-outform', 'DER'],
        { stdio: ['ignore', 'pipe', 'pipe'] },
      );
      await expect(requestedKey(der)).rejects.toThrow('not for a P-256 key');
    }
  });

  it('is taken as openssl makes it, whatever names and extensions it asks for', async () => {
    const der = execFileSync(
      'openssl',
      [
        ...[
          'req',
          '-new',
          '-newkey',
          'ec',
          '-pkeyopt',
          'ec_paramgen_curve:prime256v1',
          '-nodes',
          '-keyout',
          '/dev/null',
        ],
        ...['-subj', '/CN=root/OU=controller', '-addext', 'basicConstraints=critical,CA:TRUE', '-outform', 'DER'],
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    expect((await requestedKey(der)).sha256).toMatch(/^[0-9a-f]{64}$/);
  });
});

/** The contents of one element, as elements, for those that hold some; else its bytes. */
function children(der: Buffer): Buffer[] {
  const { head, length } = lengthOf(der);
  const body = der.subarray(head, head + length);
  if ((der[0] & 0x20) === 0) return [body];
  const found: Buffer[] = [];
  for (let at = 0; at < body.length; ) {
    const inner = lengthOf(body.subarray(at));
    found.push(body.subarray(at, at + inner.head + inner.length));
    at += inner.head + inner.length;
  }
  return found;
}

function lengthOf(der: Buffer): { head: number; length: number } {
  if (der[1] < 128) return { head: 2, length: der[1] };
  const count = der[1] & 127;
  return { head: 2 + count, length: der.readUIntBE(2, count) };
}

function oidOf(der: Buffer): string {
  const numbers: number[] = [];
  let value = 0;
  for (const byte of der.subarray(2)) {
    value = value * 128 + (byte & 127);
    if (byte < 128) {
      numbers.push(value);
      value = 0;
    }
  }
  const [first, ...rest] = numbers;
  return [Math.floor(first / 40), first % 40, ...rest].join('.');
}

it('writes texts as UTF-8', () => {
  expect(openssl(utf8String('ü'), 'asn1parse', '-inform', 'DER')).toContain('UTF8STRING');
});
