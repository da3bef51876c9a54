// Gives hosts their certificates: the first for a token, later ones for the one before. What a certificate says is decided here; of the
// host's request only its public key is used.
import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { nameOf, roleOf } from '../../proto/certificate-role.js';
import {
  decodeEnrollRequest,
  type EnrolledIdentity,
  type EnrollRequest,
  encodeEnrollAnswer,
} from '../../proto/enroll-codec.js';
import { type Failure, type FailureCode, FailureError, toFailure } from '../../proto/failure.js';
import { matchesGlob } from '../../proto/glob.js';
import type { Address } from '../api.js';
import type { Audit } from '../audit/audit.js';
import type { AuditEntry } from '../audit/audit-entry.js';
import { type Authority, signCertificate } from '../ca/authority.js';
import { dnsName } from '../ca/certificate-authority.js';
import { type RequestedKey, requestedKey } from '../ca/certificate-request.js';
import type { EnrollHandler, EnrollPeer } from '../dial-in/agent-gate.js';
import { hostNamePattern } from '../fleet/inventory.js';
import type { IdentityStore, StoredEnrollToken, StoredHost } from '../store/identity-store.js';
import { fingerprintOf } from '../transport/ca-fingerprint.js';
import { matchesHash } from '../users/token.js';
import { AttemptLimit } from './attempt-limit.js';

export interface EnrollHandlerOptions {
  readonly store: IdentityStore;
  readonly audit: Audit;
  /** Milliseconds since 1970 UTC. */
  readonly now: () => number;
  /** Read at each request: the CA may be made later. */
  readonly authority: () => Promise<Authority>;
  /** How the inventory reaches a host; undefined when it does not have it. */
  readonly inventoryAddress: (name: string) => Address | undefined;
  readonly log: (text: string) => void;
}

/** A reason that the host is told. Other failures are for the controller's log. */
class Refused extends FailureError {}

function refused(code: FailureCode, message: string, remedy: string): Refused {
  return new Refused({ code, message, remedy });
}

/** A hash that no secret has, so that unknown ids take as long as known ones. */
const noHash = '0'.repeat(64);

export function enrollHandler(options: EnrollHandlerOptions): EnrollHandler {
  const { audit, now, log } = options;
  const attempts = new AttemptLimit(now);

  async function refusal(error: unknown, peer: EnrollPeer): Promise<Failure> {
    attempts.failed(peer.remoteAddress);
    if (!(error instanceof Refused)) {
      log(`giving a certificate to ${peer.remoteAddress}: ${toFailure(error).message}`);
      const message = 'the controller cannot give certificates at the moment';
      return { code: 'internal', message, remedy: 'its log says why' };
    }
    const { failure } = error;
    await audit.append({ who: nameFrom(peer), what: 'refused', from: peer.remoteAddress, failure });
    return failure;
  }

  return {
    async answer(bytes, peer) {
      const wait = attempts.wait(peer.remoteAddress);
      if (wait > 0) {
        const message = `too many failed attempts from ${peer.remoteAddress}`;
        const remedy = `try again in ${Math.ceil(wait / 1000)} s`;
        return encodeEnrollAnswer({ isEnrolled: false, refusal: { code: 'exhausted', message, remedy } });
      }
      try {
        const identity = await giveCertificate(
          understood(() => decodeEnrollRequest(bytes)),
          peer,
          options,
        );
        return encodeEnrollAnswer({ isEnrolled: true, identity });
      } catch (error) {
        return encodeEnrollAnswer({ isEnrolled: false, refusal: await refusal(error, peer) });
      }
    },
  };
}

async function giveCertificate(
  request: EnrollRequest,
  peer: EnrollPeer,
  options: EnrollHandlerOptions,
): Promise<EnrolledIdentity> {
  const { store, audit, now } = options;
  const claim = request.token === undefined ? await renewal(peer, options) : await enrolment(request, peer, options);
  const asked = await requestedKey(request.request).catch((error: unknown) => {
    throw error instanceof FailureError ? new Refused(error.failure, { cause: error }) : error;
  });
  const { name, labels, life, token } = claim;
  const host = await store.host(name);
  const latest = host?.keySha256 === asked.sha256 ? await store.certificate(host.fingerprint) : undefined;
  // The key of a certificate that was revoked proves nothing any more.
  const isSameKey = latest?.revoked === 0;
  const shown = (await isShownBy(peer, name, options)) ? peer.certificate : undefined;
  const isProven = isSameKey || shown !== undefined;
  const mayReplace = token?.mayReplace ?? false;
  if (host !== undefined && !isProven && !mayReplace) {
    throw refused(
      'conflict',
      `another host has enrolled as ${name}`,
      `give this one another --name; if it is the same host anew: perftrawl hosts forget ${name}, or a token with --replace`,
    );
  }
  // An answer that was lost is given again: the same key with the same token is the same use.
  const isRepeated = isSameKey && token !== undefined && host?.tokenId === token.id;
  if (token !== undefined && token.used >= token.uses && !isRepeated) throw usedUp(token);
  const certificate = await certificateFor(asked, name, life, options);
  const entry: AuditEntry = {
    ...{ who: name, what: token === undefined ? 'renew-certificate' : 'enroll-host', from: peer.remoteAddress },
    ...{
      by: token === undefined ? 'certificate' : 'token',
      subject: token?.id ?? certificate.serialNumber.toLowerCase(),
    },
    hosts: [name],
    detail: { serial: certificate.serialNumber.toLowerCase(), labels, agentVersion: request.agentVersion },
  };
  await audit.append(entry);
  const result = await store.enroll({
    host: newHost(claim, host, certificate, asked, now()),
    certificate: {
      ...{ fingerprint: fingerprintOf(certificate), serial: certificate.serialNumber.toLowerCase(), name },
      ...{ role: 'dial-in-agent', issued: now(), notAfter: Date.parse(certificate.validTo), revoked: 0 },
    },
    before: host?.fingerprint,
    ...(shown !== undefined ? { provenBy: fingerprintOf(shown) } : isSameKey ? { provenBy: latest.fingerprint } : {}),
    ...(token === undefined || isRepeated ? {} : { tokenId: token.id }),
    revokesOlder: host !== undefined && !isProven,
    now: now(),
  });
  if (result === 'done') return { certificate: certificate.raw, name, labels };
  const why =
    result === 'no-use-left' && token !== undefined
      ? usedUp(token)
      : refused('conflict', `another host has enrolled as ${name} at this very moment`, 'give this one another --name');
  await audit.append({ ...entry, failure: why.failure });
  throw why;
}

/** What a host may become. */
interface Claim {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Of the certificate, in milliseconds. */
  readonly life: number;
  /** Undefined in a renewal. */
  readonly token: StoredEnrollToken | undefined;
}

/** By a token. @throws Refused */
async function enrolment(request: EnrollRequest, _peer: EnrollPeer, options: EnrollHandlerOptions): Promise<Claim> {
  const { store, now, inventoryAddress } = options;
  const { id = '', secret = '' } = request.token ?? {};
  const token = await store.token(id);
  const isRight = matchesHash(secret, token?.secretHash ?? noHash);
  if (token === undefined || !isRight) {
    throw refused(
      'untrusted',
      'this token is none that the controller has given',
      'ask for one: perftrawl enroll-token',
    );
  }
  if (token.revoked !== 0) throw ended(`the token ${id} was revoked`);
  if (token.expires <= now()) throw ended(`the token ${id} ended at ${new Date(token.expires).toISOString()}`);
  const { name } = request;
  // An address would be another kind of name in the certificate.
  if (!hostNamePattern.test(name) || !dnsName.test(name) || isIP(name) !== 0) {
    const remedy = 'give --name: letters, digits, dots and dashes, at most 80';
    throw refused('bad-request', `${JSON.stringify(name.slice(0, 80))} is no name for a host`, remedy);
  }
  if (!matchesGlob(token.namePattern, name)) {
    const message = `the token ${id} is for hosts called ${token.namePattern}, not for ${name}`;
    throw refused('refused', message, 'give --name, or ask for another token');
  }
  const listed = inventoryAddress(name);
  if (listed !== undefined && listed.transport !== 'dial-in') {
    const message = `${name} is a host of the inventory, reached by ${listed.transport}`;
    throw refused('conflict', message, 'give this one another --name, or write `address: dial-in` there');
  }
  return { name, labels: token.labels, life: token.certificateLife, token };
}

/** By the present certificate. @throws Refused */
async function renewal(peer: EnrollPeer, options: EnrollHandlerOptions): Promise<Claim> {
  const { certificate } = peer;
  const name = certificate === undefined ? undefined : nameOf(certificate);
  if (certificate === undefined || name === undefined) {
    const message = 'a request without a token shows no certificate that is still good';
    throw refused('untrusted', message, 'enroll the host again: perftrawl agent enroll');
  }
  const host = await options.store.host(name);
  if (host === undefined || !(await isShownBy(peer, name, options))) {
    const message = `the certificate of ${name} is revoked, or not one that an enrolled host was given`;
    throw refused('untrusted', message, 'enroll the host again: perftrawl agent enroll');
  }
  return { name, labels: host.labels, life: host.certificateLife, token: undefined };
}

/** Whether the connection shows a certificate that was given to the host of this name, and holds still. */
async function isShownBy({ certificate }: EnrollPeer, name: string, { store, now }: EnrollHandlerOptions) {
  if (certificate === undefined || roleOf(certificate) !== 'dial-in-agent' || nameOf(certificate) !== name)
    return false;
  const stored = await store.certificate(fingerprintOf(certificate));
  return stored !== undefined && stored.revoked === 0 && stored.notAfter > now();
}

async function certificateFor(
  { key }: RequestedKey,
  name: string,
  life: number,
  { authority, now }: EnrollHandlerOptions,
): Promise<X509Certificate> {
  const certified = { name, addresses: [], role: 'dial-in-agent', life } as const;
  const signed = await signCertificate(await authority(), key, certified, now());
  return new X509Certificate(Buffer.from(signed.rawData));
}

function newHost(
  { name, labels, life, token }: Claim,
  before: StoredHost | undefined,
  certificate: X509Certificate,
  { sha256 }: RequestedKey,
  now: number,
): StoredHost {
  return {
    ...{ name, labels, fingerprint: fingerprintOf(certificate), serial: certificate.serialNumber.toLowerCase() },
    ...{ keySha256: sha256, tokenId: token?.id ?? before?.tokenId ?? '', certificateLife: life },
    ...{
      enrolled: before?.enrolled ?? now,
      renewed: now,
      lastSeen: before?.lastSeen ?? 0,
      address: before?.address ?? '',
    },
  };
}

function understood<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof FailureError ? new Refused(error.failure, { cause: error }) : error;
  }
}

function ended(message: string): Refused {
  return refused('refused', message, 'ask for a new one: perftrawl enroll-token');
}

function usedUp({ id, uses }: StoredEnrollToken): Refused {
  return ended(`the token ${id} was for ${uses} ${uses === 1 ? 'host' : 'hosts'}, and has been used up`);
}

/** As far as TLS has proved it. */
function nameFrom({ certificate }: EnrollPeer): string {
  return certificate === undefined ? '' : (nameOf(certificate) ?? '');
}
