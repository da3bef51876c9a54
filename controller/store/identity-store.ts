// What a controller knows of certificates, enrolment tokens and enrolled hosts, as it is kept. Never secrets: of tokens their hashes only.
import type { Milliseconds } from '../../proto/capture.js';
import type { CertificateRole } from '../../proto/certificate-role.js';

/** One that was signed for a host, or one that was revoked, whoever made it. */
export interface StoredCertificate {
  /** Lower-case hex SHA-256 of the DER certificate. */
  readonly fingerprint: string;
  /** Lower-case hex. */
  readonly serial: string;
  readonly name: string;
  readonly role: CertificateRole;
  /** Times are milliseconds since 1970 UTC; 0: never. */
  readonly issued: number;
  readonly notAfter: number;
  readonly revoked: number;
}

export interface StoredEnrollToken {
  readonly id: string;
  /** SHA-256 of the secret, lower-case hex. */
  readonly secretHash: string;
  /** What its hosts are labelled with. */
  readonly labels: Readonly<Record<string, string>>;
  /** A glob that their names must match. */
  readonly namePattern: string;
  /** How many hosts it is for, and how many have used it. */
  readonly uses: number;
  readonly used: number;
  /** Of the certificates of its hosts. */
  readonly certificateLife: Milliseconds;
  /** Whether its hosts may take names that others have. */
  readonly mayReplace: boolean;
  readonly created: number;
  readonly expires: number;
  readonly revoked: number;
}

export interface StoredHost {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Of its newest certificate. */
  readonly fingerprint: string;
  readonly serial: string;
  /** Lower-case hex SHA-256 of the public key of that certificate. */
  readonly keySha256: string;
  /** By which it was enrolled the last time. */
  readonly tokenId: string;
  readonly certificateLife: Milliseconds;
  /** For the first time. */
  readonly enrolled: number;
  readonly renewed: number;
  readonly lastSeen: number;
  /** From where, without the port; '' as long as it was not seen. */
  readonly address: string;
}

/** One step of a host, with what it depends on: it is taken as a whole, or not at all. */
export interface Enrolment {
  readonly host: StoredHost;
  readonly certificate: StoredCertificate;
  /** Fingerprint of the newest certificate that the host of this name has had; undefined: there is no such host. */
  readonly before: string | undefined;
  /** Fingerprint of the certificate by which the host may have its name; revoked meanwhile, it is `overtaken`. */
  readonly provenBy?: string;
  /** A use of this token is taken. */
  readonly tokenId?: string;
  /** Certificates of that name that were signed before are revoked. */
  readonly revokesOlder: boolean;
  /** Milliseconds since 1970 UTC. */
  readonly now: number;
}

/** `overtaken`: the host is not as it was in `before`. `no-use-left`: the token was used up, revoked or has ended meanwhile. */
export type EnrolmentResult = 'done' | 'overtaken' | 'no-use-left';

/** Methods reject with the failures of a ControlStore. */
export interface IdentityStore {
  addToken(token: StoredEnrollToken): Promise<void>;
  token(id: string): Promise<StoredEnrollToken | undefined>;
  /** The newest first. */
  tokens(): Promise<readonly StoredEnrollToken[]>;
  /** The token as it is then; undefined when there is none. */
  revokeToken(id: string, now: number): Promise<StoredEnrollToken | undefined>;

  /** By name, the newest first. */
  certificates(): Promise<readonly StoredCertificate[]>;
  certificate(fingerprint: string): Promise<StoredCertificate | undefined>;
  /** Write down that these are revoked; those that are already stay as they were. */
  revoke(certificates: readonly StoredCertificate[], now: number): Promise<void>;
  /** Those that are revoked and have not ended at `now`. */
  revoked(now: number): Promise<readonly StoredCertificate[]>;

  enroll(enrolment: Enrolment): Promise<EnrolmentResult>;
  host(name: string): Promise<StoredHost | undefined>;
  /** By name. */
  hosts(): Promise<readonly StoredHost[]>;
  /** A text that is another one when a host was added, forgotten or changed; quickly found out. */
  hostsMark(): Promise<string>;
  /** The host is forgotten, and its certificates are revoked. Undefined when there is none. */
  forgetHost(name: string, now: number): Promise<StoredHost | undefined>;
  seen(hosts: readonly { readonly name: string; readonly address: string; readonly at: number }[]): Promise<void>;
}
