// A pulled directory that is checked: any byte that changed anywhere is found; a signature is one that openssl makes and checks too.
import { execFile } from 'node:child_process';
import { createHash, webcrypto } from 'node:crypto';
import { cp, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { generateKeys, readAuthority, signCertificate } from '../../../controller/ca/authority.js';
import { initCa, issueCertificate } from '../../../controller/ca/certificate-authority.js';
import { checksumText, manifestText, parseManifest } from '../../../controller/pull/manifest.js';
import { pull } from '../../../controller/pull/pull.js';
import { openSigning } from '../../../controller/pull/signing.js';
import { verifyDirectory } from '../../../controller/pull/verify.js';
import type { CertificateRole } from '../../../proto/certificate-role.js';
import { toFailure } from '../../../proto/failure.js';
import { filesBelow, type Ground, ground, pullOptions } from './pulled-app.js';

const run = promisify(execFile);
const day = 86_400_000;
let place: Ground;
let jobId: string;
/** Made once: signed by the ECDSA certificate `alice`. */
let signed: string;
let ca: string;

beforeAll(async () => {
  place = await ground(false);
  jobId = (await place.record(place.app.hosts('name=web1'))).id;
  ca = await readFile(join(place.served.fleet.caDirectory, 'ca.crt'), 'utf8');
  signed = await pulledBy('signed', await issued('alice', 'user'));
}, 60_000);
afterAll(() => place.close());

interface Files {
  readonly key: string;
  readonly certificate: string;
}

async function issued(name: string, role: CertificateRole): Promise<Files> {
  const request = { name, addresses: [], role, days: 1 };
  const { keyPath, certPath } = await issueCertificate(place.served.fleet.caDirectory, request, Date.now());
  return { key: keyPath, certificate: certPath };
}

async function pulledBy(name: string, files: Files | undefined): Promise<string> {
  const directory = join(place.directory, name);
  const signing = files === undefined ? undefined : await openSigning(files, Date.now());
  await pull(place.app, pullOptions(directory, [jobId], { signing, formats: ['folded', 'pprof', 'raw'] }));
  return directory;
}

const verdictOf = (directory: string, trust: Partial<Parameters<typeof verifyDirectory>[1]> = {}) =>
  verifyDirectory(
    directory,
    { ca, signer: undefined, isNeeded: true, now: Date.now(), ...trust },
    new AbortController().signal,
  );

/** What is done to a copy of the signed directory. */
async function afterHarm(harm: (directory: string) => Promise<void>) {
  const copy = await mkdtemp(join(tmpdir(), 'perftrawl-harm-'));
  try {
    await cp(signed, copy, { recursive: true });
    await harm(copy);
    return await verdictOf(copy);
  } finally {
    await rm(copy, { recursive: true });
  }
}

/** As whoever changed a file would do it too. */
async function sumAnew(directory: string): Promise<void> {
  const { files } = parseManifest(await readFile(join(directory, 'manifest.json'), 'utf8'), 'it');
  const own = await Promise.all(
    ['manifest.json', 'manifest.sig', 'manifest.crt'].map(async (path) => ({
      path,
      sha256: createHash('sha256')
        .update(await readFile(join(directory, path)))
        .digest('hex'),
    })),
  );
  await writeFile(join(directory, 'SHA256SUMS'), checksumText([...files, ...own]));
}

describe('a signed directory', () => {
  it('is sound as it is', async () => {
    expect(await verdictOf(signed, { signer: 'alice' })).toMatchObject({
      ...{ state: 'sound', problems: [] },
      signature: { state: 'good', signer: 'alice' },
    });
  });

  it('is not sound with any bit of any file flipped', async () => {
    const files = await filesBelow(signed);
    expect(files).toHaveLength(10);
    const sizes = await Promise.all(files.map(async (file) => (await stat(join(signed, file))).size));
    const flips = fc
      .nat(files.length - 1)
      .chain((at) => fc.record({ at: fc.constant(at), byte: fc.nat(sizes[at] - 1), bit: fc.nat(7) }));
    await fc.assert(
      fc.asyncProperty(flips, async ({ at, byte, bit }) => {
        const verdict = await afterHarm(async (copy) => {
          const bytes = await readFile(join(copy, files[at]));
          bytes[byte] ^= 1 << bit;
          await writeFile(join(copy, files[at]), bytes);
        });
        expect(verdict.state).not.toBe('sound');
      }),
      { numRuns: 200 },
    );
  }, 120_000);

  it.each(['manifest.json', 'manifest.sig', 'manifest.crt', 'SHA256SUMS'])(
    'is not sound with any byte of %s changed',
    async (file) => {
      const bytes = await readFile(join(signed, file));
      const copy = join(place.directory, `bytes-of-${file}`);
      await cp(signed, copy, { recursive: true });
      // Of the manifest every 37th: the signature covers it as a whole.
      for (let at = 0; at < bytes.length; at += file === 'manifest.json' ? 37 : 1) {
        const changed = Buffer.from(bytes);
        changed[at] ^= 0x01;
        await writeFile(join(copy, file), changed);
        expect((await verdictOf(copy)).state, `byte ${at}`).not.toBe('sound');
      }
    },
    120_000,
  );

  it('is not sound with a file too few, too many, too short, too long, or two that changed places', async () => {
    const files = await filesBelow(signed);
    const anyFile = fc.constantFrom(...files);
    await fc.assert(
      fc.asyncProperty(
        anyFile,
        anyFile,
        fc.constantFrom('less', 'more', 'shorter', 'longer', 'swapped'),
        async (a, b, how) => {
          fc.pre(a !== b);
          const verdict = await afterHarm(async (copy) => {
            const [from, to] = [join(copy, a), join(copy, b)];
            if (how === 'less') await rm(from);
            if (how === 'more') await cp(from, `${from}x`);
            if (how === 'shorter') await writeFile(from, (await readFile(from)).subarray(1));
            if (how === 'longer') await writeFile(from, '\n', { flag: 'a' });
            if (how === 'swapped') {
              await rename(from, `${from}-away`);
              await rename(to, from);
              await rename(`${from}-away`, to);
            }
          });
          // The one swap that changes nothing.
          const isSame = how === 'swapped' && (await readFile(join(signed, a))).equals(await readFile(join(signed, b)));
          expect(verdict.state !== 'sound').toBe(!isSame);
        },
      ),
      { numRuns: 120 },
    );
  }, 120_000);

  it('is untrusted when somebody else made all of it anew', async () => {
    const mallory = await openSigning(await issued('mallory', 'user'), Date.now());
    // He cannot sign as alice: either the bytes are not hers, or the name is not.
    const verdict = await afterHarm(async (copy) => {
      const manifest = parseManifest(await readFile(join(copy, 'manifest.json'), 'utf8'), 'it');
      const text = Buffer.from(manifestText({ ...manifest, program: 'forged' }));
      await writeFile(join(copy, 'manifest.json'), text);
      await writeFile(join(copy, 'manifest.sig'), mallory.sign(text));
      await sumAnew(copy);
    });
    expect(verdict).toMatchObject({
      state: 'untrusted',
      problems: [],
      signature: { why: expect.stringMatching(/did not sign/) },
    });
  });

  it('is untrusted with a certificate that claims to be of the CA, and is not signed by it', async () => {
    const { certificate } = await readAuthority(place.served.fleet.caDirectory);
    const [forger, own] = [await generateKeys(), await generateKeys()];
    const certified = { name: 'alice', addresses: [], role: 'user', life: day / 2 } as const;
    const forged = await signCertificate({ certificate, key: forger.privateKey }, own.publicKey, certified, Date.now());
    const files = { key: join(place.directory, 'forged.key'), certificate: join(place.directory, 'forged.crt') };
    const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', own.privateKey)).toString('base64');
    await writeFile(files.key, `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`, { mode: 0o600 });
    await writeFile(files.certificate, forged.toString('pem'));
    expect(await verdictOf(await pulledBy('forged', files))).toMatchObject({
      ...{ state: 'untrusted', signature: { why: expect.stringMatching(/another CA/) } },
    });
  });

  it('is untrusted with more around its certificate than it was written with', async () => {
    const verdict = await afterHarm(async (copy) => {
      await writeFile(join(copy, 'manifest.crt'), `a note\n${await readFile(join(copy, 'manifest.crt'), 'utf8')}`);
      await sumAnew(copy);
    });
    expect(verdict).toMatchObject({ state: 'untrusted', signature: { why: expect.stringMatching(/changed after/) } });
  });

  it('is untrusted by who trusts another CA, another signer, or nobody', async () => {
    const other = join(place.directory, 'other-ca');
    const { certPath } = await initCa(other, Date.now());
    const stateOf = async (trust: Parameters<typeof verdictOf>[1]) => {
      const { state, signature } = await verdictOf(signed, trust);
      return [state, signature.state === 'untrusted' ? signature.why : ''];
    };
    expect(await stateOf({ ca: await readFile(certPath, 'utf8') })).toEqual([
      'untrusted',
      expect.stringMatching(/another CA/),
    ]);
    expect(await stateOf({ ca: undefined })).toEqual(['untrusted', expect.stringMatching(/nothing says whose/)]);
    expect(await stateOf({ signer: 'bob' })).toEqual(['untrusted', "it is signed by 'alice', not by 'bob'"]);
    expect(await stateOf({ ca: 'no certificate' })).toEqual(['untrusted', expect.stringMatching(/no certificate/)]);
    // The CA may be one of several.
    expect(await stateOf({ ca: `${await readFile(certPath, 'utf8')}\n${ca}` })).toEqual(['sound', '']);
  });

  it('stays trusted after the certificate has ended, and is not when it had ended before', async () => {
    expect((await verdictOf(signed, { now: Date.now() + 30 * day })).state).toBe('sound');
    expect(await verdictOf(signed, { now: Date.now() - 30 * day })).toMatchObject({
      signature: { state: 'untrusted', why: expect.stringMatching(/signed in the future/) },
    });
    const old = await issued('old', 'user');
    const late = openSigning(old, Date.now() + 2 * day);
    expect(await late.catch(toFailure)).toMatchObject({
      code: 'refused',
      message: expect.stringMatching(/not good any more/),
    });
    // A signer whose clock lies is found by who checks.
    const signing = await openSigning(old, Date.now());
    const directory = join(place.directory, 'late');
    const now = () => Date.now() + 2 * day;
    await pull(place.app, pullOptions(directory, [jobId], { signing, formats: ['folded'], now }));
    expect(await verdictOf(directory, { now: now() })).toMatchObject({
      signature: { state: 'untrusted', why: expect.stringMatching(/not good any more/) },
    });
  });

  it('is not signed by hosts, by keys that others may read, nor by the key of another certificate', async () => {
    for (const role of ['agent', 'dial-in-agent'] as const) {
      const host = await issued(`host-${role}`, role);
      expect(await openSigning(host, Date.now()).catch(toFailure)).toMatchObject({ code: 'refused' });
    }
    const [one, two] = [await issued('one', 'user'), await issued('two', 'controller')];
    const crossed = openSigning({ key: one.key, certificate: two.certificate }, Date.now());
    expect(await crossed.catch(toFailure)).toMatchObject({ code: 'bad-request' });
    await run('chmod', ['644', one.key]);
    expect(await openSigning(one, Date.now()).catch(toFailure)).toMatchObject({ code: 'permission' });
    const absent = openSigning({ key: '/nonexistent/key', certificate: two.certificate }, Date.now());
    expect(await absent.catch(toFailure)).toMatchObject({ code: 'not-found' });
  });

  it('is not made where others may write', async () => {
    const directory = await pulledBy('shared', undefined);
    await run('chmod', ['g+w', directory]);
    const files = await issued('careful', 'user');
    expect(await pulledBy('shared', files).catch(toFailure)).toMatchObject({ code: 'permission' });
  });

  it('loses its signature when it is pulled again without', async () => {
    const directory = await pulledBy('unsigned', await issued('carol', 'user'));
    expect((await verdictOf(directory)).state).toBe('sound');
    await pulledBy('unsigned', undefined);
    expect(await filesBelow(directory)).not.toContain('manifest.sig');
    expect(await verdictOf(directory)).toMatchObject({ state: 'untrusted', signature: { why: 'it is not signed' } });
    expect((await verdictOf(directory, { isNeeded: false })).state).toBe('sound');
  });
});

describe('the signature, by openssl', () => {
  const openssl = (...args: string[]) => run('openssl', args, { cwd: place.directory });
  const publicKeyOf = async (directory: string) => {
    const { stdout } = await openssl('x509', '-in', join(directory, 'manifest.crt'), '-pubkey', '-noout');
    const file = `${directory}.pub`;
    await writeFile(file, stdout);
    return file;
  };

  it('of an ECDSA key is right, with the chain of its certificate', async () => {
    const [manifest, signature] = [join(signed, 'manifest.json'), join(signed, 'manifest.sig')];
    const check = ['dgst', '-sha256', '-verify', await publicKeyOf(signed), '-signature', signature, manifest];
    expect((await openssl(...check)).stdout).toBe('Verified OK\n');
    await writeFile(join(place.directory, 'ca.crt'), ca);
    const chain = await openssl('verify', '-CAfile', 'ca.crt', join(signed, 'manifest.crt'));
    expect(chain.stdout).toMatch(/manifest\.crt: OK/);
    await expect(openssl(...check.slice(0, -1), join(signed, 'SHA256SUMS'))).rejects.toThrow();
  });

  it('of an Ed25519 key that openssl made is right', async () => {
    await openssl('genpkey', '-algorithm', 'ed25519', '-out', 'ed.key');
    await openssl('req', '-x509', '-key', 'ed.key', '-subj', '/CN=erin', '-days', '2', '-out', 'ed.crt');
    const files = { key: join(place.directory, 'ed.key'), certificate: join(place.directory, 'ed.crt') };
    const directory = await pulledBy('edwards', files);
    const manifest = ['-in', join(directory, 'manifest.json'), '-sigfile', join(directory, 'manifest.sig')];
    const pub = await publicKeyOf(directory);
    const { stdout } = await openssl('pkeyutl', '-verify', '-pubin', '-inkey', pub, '-rawin', ...manifest);
    expect(stdout).toMatch(/Verified Successfully/);
    expect(await verdictOf(directory, { ca: await readFile(files.certificate, 'utf8'), signer: 'erin' })).toMatchObject(
      {
        ...{ state: 'sound', signature: { state: 'good', signer: 'erin' } },
      },
    );
    expect((await verdictOf(directory)).state).toBe('untrusted');
  });

  it('that openssl made for a certificate of our CA is good', async () => {
    const { key } = await issued('frank', 'user');
    const directory = await pulledBy('by-openssl', { key, certificate: key.replace(/key$/, 'crt') });
    const [manifest, signature] = [join(directory, 'manifest.json'), join(directory, 'manifest.sig')];
    const before = await readFile(signature);
    await openssl('dgst', '-sha256', '-sign', key, '-out', signature, manifest);
    expect(await readFile(signature)).not.toEqual(before);
    expect((await verdictOf(directory)).signature.state).toBe('good');
  });

  it('of an RSA key is refused', async () => {
    await openssl(
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      'rsa.key',
      '-subj',
      '/CN=r',
      '-days',
      '2',
      '-out',
      'rsa.crt',
    );
    const files = { key: join(place.directory, 'rsa.key'), certificate: join(place.directory, 'rsa.crt') };
    expect(await openSigning(files, Date.now()).catch(toFailure)).toMatchObject({
      code: 'refused',
      message: expect.stringMatching(/of type rsa/),
    });
  });
});

describe('a directory without a manifest that can be read', () => {
  it.each([
    ['no manifest', async (directory: string) => rm(join(directory, 'manifest.json'))],
    ['half a manifest', async (directory: string) => writeFile(join(directory, 'manifest.json'), '{"format": "perf')],
    ['another document', async (directory: string) => writeFile(join(directory, 'manifest.json'), '{}')],
    [
      'a manifest of later times',
      async (directory: string) =>
        writeFile(join(directory, 'manifest.json'), '{"format":"perftrawl-pull","version":2}'),
    ],
    [
      'bytes that are no text',
      async (directory: string) => writeFile(join(directory, 'manifest.json'), Buffer.from([0xff, 0xfe])),
    ],
  ])('is damaged: %s', async (_what, harm) => {
    expect(await afterHarm(harm)).toMatchObject({
      state: 'damaged',
      manifest: undefined,
      problems: [{ path: 'manifest.json' }],
    });
  });

  it('names no files outside of it', async () => {
    const outside = await afterHarm(async (directory) => {
      const manifest = JSON.parse(await readFile(join(directory, 'manifest.json'), 'utf8'));
      manifest.files[0].path = '../../../etc/passwd';
      await writeFile(join(directory, 'manifest.json'), JSON.stringify(manifest));
    });
    expect(outside.problems[0].detail).toMatch(/files\.0\.path is no path that a pull makes/);
  });
});
