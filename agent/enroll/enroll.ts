// A host becomes one of the fleet, and stays it: its first certificate by a token, each later one by the one before.
import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { nameOf, roleOf } from '../../proto/certificate-role.js';
import type { EnrollAnswer, EnrolledIdentity } from '../../proto/enroll-codec.js';
import type { EnrollTokenText } from '../../proto/enroll-token.js';
import { FailureError, fail } from '../../proto/failure.js';
import { AGENT_VERSION } from '../version.js';
import { certificateRequest, newKey } from './certificate-request.js';
import { askForCertificate, type ServerPlace, serverCa } from './enroll-client.js';
import {
  type AgentIdentity,
  keyText,
  pendingKey,
  readAgentIdentity,
  writeAgentIdentity,
} from './identity-directory.js';

export interface EnrolledHost {
  readonly name: string;
  /** As the controller has them; they come from the token. */
  readonly labels: Readonly<Record<string, string>>;
  /** Milliseconds since 1970 UTC. */
  readonly notAfter: number;
}

/**
 * Make a key, get a certificate for it by the token, write both into the state directory. A host that is enrolled already shows its
 * present certificate, by which it may keep its name.
 * @throws FailureError why not: of this host, of the network, or as the controller says
 */
export async function enrollHost(
  place: ServerPlace,
  { id, secret, caSha256 }: EnrollTokenText,
  name: string,
  { state, now }: { readonly state: string; readonly now: () => number },
  signal: AbortSignal,
): Promise<EnrolledHost> {
  const ca = await serverCa(place, caSha256, signal);
  const key = await pendingKey(state);
  const present = await readAgentIdentity(state);
  const isUsable =
    present !== undefined && new X509Certificate(present.ca).toString() === ca && isGoodAt(present, now());
  const answer = await askForCertificate(
    place,
    { ca, ...(isUsable ? { own: present } : {}) },
    { token: { id, secret }, name, request: certificateRequest(name, key), agentVersion: AGENT_VERSION },
    signal,
  );
  return take(answer, { name, ca, key, state });
}

/**
 * A new certificate for a new key, by the present certificate.
 * @throws FailureError as `enrollHost`
 */
export async function renewHost(
  place: ServerPlace,
  present: AgentIdentity,
  state: string,
  signal: AbortSignal,
): Promise<EnrolledHost> {
  const name = nameOf(new X509Certificate(present.cert)) ?? '';
  const key = newKey();
  const answer = await askForCertificate(
    place,
    { ca: present.ca, own: present },
    { name, request: certificateRequest(name, key), agentVersion: AGENT_VERSION },
    signal,
  );
  return take(answer, { name, ca: present.ca, key, state });
}

interface Asked {
  readonly name: string;
  readonly ca: string;
  readonly key: KeyObject;
  readonly state: string;
}

async function take(answer: EnrollAnswer, { name, ca, key, state }: Asked): Promise<EnrolledHost> {
  if (!answer.isEnrolled) throw new FailureError(answer.refusal);
  const certificate = checkAnswer(answer.identity, name, ca, key);
  await writeAgentIdentity(state, { cert: certificate.toString(), key: keyText(key), ca });
  return { name, labels: answer.identity.labels, notAfter: Date.parse(certificate.validTo) };
}

/** What a server of our CA sends is believed no more than needed: a certificate that does not fit would only fail later. */
function checkAnswer(identity: EnrolledIdentity, name: string, ca: string, key: KeyObject): X509Certificate {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(identity.certificate);
  } catch (cause) {
    throw fail('bad-data', 'the controller has sent a certificate that is none', '', cause);
  }
  const isOurs = certificate.publicKey.equals(createPublicKey(key)) && nameOf(certificate) === name;
  if (!isOurs || roleOf(certificate) !== 'dial-in-agent' || !certificate.verify(new X509Certificate(ca).publicKey)) {
    throw fail('bad-data', `the controller has sent a certificate that is not the one ${name} has asked for`);
  }
  return certificate;
}

function isGoodAt({ cert }: AgentIdentity, now: number): boolean {
  const { validFrom, validTo } = new X509Certificate(cert);
  return Date.parse(validFrom) <= now && now < Date.parse(validTo);
}
