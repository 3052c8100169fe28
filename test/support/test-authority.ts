import { after, DAY, HOUR, MINUTE, type Instant } from '#kernel/instant.ts'
import type { Bytes } from '#kernel/bytes.ts'
import type { SpiffeId, TrustDomain } from '#spiffe/index.ts'
import {
  assembleCertificate,
  EMPTY_NAME,
  encodeName,
  encodeTbs,
  parsePublicKey,
  PURPOSE,
  type Extension,
} from '#x509/index.ts'
import { newTestKey, type TestKey } from './keys.ts'

export interface LeafOptions {
  readonly key?: TestKey
  readonly notBefore?: Instant
  readonly notAfter?: Instant
  /** Said in our extension; without it there is none. */
  readonly issuedAt?: Instant
}

/** A real certificate and its key. */
export interface TestLeaf {
  readonly certificate: Bytes
  readonly key: TestKey
}

/** A self-signed authority of a trust domain, as the self-rooted mode has it, that issues real X.509-SVIDs. */
export class TestAuthority {
  readonly key = newTestKey()
  readonly certificate: Bytes
  readonly #now: Instant
  readonly #name: Bytes
  #serial = 1

  private constructor(now: Instant, name: string) {
    this.#now = now
    this.#name = encodeName({ organization: 'Test', commonName: name })
    this.certificate = new Uint8Array()
  }

  static async create(trustDomain: TrustDomain, now: Instant, name = 'authority'): Promise<TestAuthority> {
    const authority = new TestAuthority(now, name)
    const keyIdentifier = parsePublicKey(authority.key.signer.publicKey).keyIdentifier
    const certificate = await authority.#sign({
      subject: authority.#name,
      publicKey: authority.key.signer.publicKey,
      notBefore: after(now, -HOUR),
      notAfter: after(now, 30 * DAY),
      extensions: [
        { kind: 'basicConstraints', critical: true, ca: true, pathLength: undefined },
        { kind: 'keyUsage', critical: true, usages: ['keyCertSign', 'cRLSign'] },
        { kind: 'subjectKeyIdentifier', critical: false, keyIdentifier },
        { kind: 'subjectAltName', critical: false, names: [{ type: 'uri', value: trustDomain.id().toString() }] },
      ],
    })
    return Object.assign(authority, { certificate })
  }

  /** An X.509-SVID with the defaults of DESIGN.md section 4. */
  async issue(spiffeId: SpiffeId, options: LeafOptions = {}): Promise<TestLeaf> {
    const key = options.key ?? newTestKey()
    const authorityKey = parsePublicKey(this.key.signer.publicKey).keyIdentifier
    const certificate = await this.#sign({
      subject: EMPTY_NAME,
      publicKey: key.signer.publicKey,
      notBefore: options.notBefore ?? after(this.#now, -MINUTE),
      notAfter: options.notAfter ?? after(this.#now, HOUR),
      extensions: [
        { kind: 'keyUsage', critical: true, usages: ['digitalSignature'] },
        { kind: 'extKeyUsage', critical: false, purposes: [PURPOSE.serverAuth, PURPOSE.clientAuth] },
        { kind: 'basicConstraints', critical: true, ca: false, pathLength: undefined },
        { kind: 'authorityKeyIdentifier', critical: false, keyIdentifier: authorityKey, issuerAndSerial: undefined },
        { kind: 'subjectAltName', critical: true, names: [{ type: 'uri', value: spiffeId.toString() }] },
        ...(options.issuedAt === undefined ? [] : [attestationAt(options.issuedAt)]),
      ],
    })
    return { certificate, key }
  }

  async #sign(part: {
    readonly subject: Bytes
    readonly publicKey: Bytes
    readonly notBefore: Instant
    readonly notAfter: Instant
    readonly extensions: readonly Extension[]
  }): Promise<Bytes> {
    const tbs = encodeTbs({
      serial: new Uint8Array([1, this.#serial++]),
      signatureAlgorithm: 'ES256',
      issuer: this.#name,
      notBefore: part.notBefore,
      notAfter: part.notAfter,
      subject: part.subject,
      subjectPublicKey: part.publicKey,
      extensions: part.extensions,
    })
    return assembleCertificate(tbs, 'ES256', await this.key.signer.sign(tbs))
  }
}

function attestationAt(issuedAt: Instant): Extension {
  const key = { keyClass: 'software', keyClassSource: 'declared' } as const
  return {
    kind: 'writAttestation',
    critical: false,
    issuedAt,
    ...key,
    attestor: 'join_token',
    evidenceDigest: new Uint8Array(32),
  }
}
