import { createHash, randomBytes } from 'node:crypto'
import type { Bytes } from '#kernel/bytes.ts'
import { HOUR, instant, wholeSecond, type Instant } from '#kernel/instant.ts'
import {
  assembleCertificate,
  encodeName,
  encodeTbs,
  parseCertificate,
  parsePublicKey,
  PURPOSE,
  toPem,
  type Certificate,
  type Extension,
} from '#x509/index.ts'
import { newTestKey, type TestKey } from './keys.ts'

export interface TestLeaf {
  readonly key: TestKey
  readonly certificate: Certificate
  readonly pem: string
  readonly keyPem: string
}

export interface LeafWishes {
  readonly uri?: string
  readonly dns?: readonly string[]
  readonly notBefore?: Instant
  readonly notAfter?: Instant
  readonly key?: TestKey
}

const serial = (): Bytes => new Uint8Array([0x11, ...randomBytes(16)])

/** A self-signed authority that signs what a test asks for: real keys, real signatures. */
export class TestAuthority {
  readonly key: TestKey
  readonly certificate: Certificate
  readonly #now: Instant

  private constructor(key: TestKey, certificate: Certificate, now: Instant) {
    this.key = key
    this.certificate = certificate
    this.#now = now
  }

  static async create(
    trustDomain = 'example.org',
    now: Instant = wholeSecond(instant(Date.now())),
  ): Promise<TestAuthority> {
    const key = newTestKey()
    const name = encodeName({ commonName: `Test authority ${randomBytes(4).toString('hex')}` })
    const extensions: Extension[] = [
      { kind: 'basicConstraints', critical: true, ca: true, pathLength: undefined },
      { kind: 'keyUsage', critical: true, usages: ['keyCertSign', 'cRLSign'] },
      { kind: 'subjectKeyIdentifier', critical: false, keyIdentifier: keyId(key) },
      { kind: 'subjectAltName', critical: false, names: [{ type: 'uri', value: `spiffe://${trustDomain}` }] },
    ]
    const der = await signed(key, name, {
      subject: name,
      key,
      extensions,
      notBefore: instant(now - HOUR),
      notAfter: instant(now + 24 * HOUR),
    })
    return new TestAuthority(key, parseCertificate(der), now)
  }

  get pin(): Bytes {
    return new Uint8Array(createHash('sha256').update(this.certificate.publicKey.spki).digest())
  }

  get pem(): string {
    return toPem('CERTIFICATE', this.certificate.der)
  }

  async leaf(wishes: LeafWishes = {}): Promise<TestLeaf> {
    const key = wishes.key ?? newTestKey()
    const extensions: Extension[] = [
      { kind: 'keyUsage', critical: true, usages: ['digitalSignature'] },
      { kind: 'extKeyUsage', critical: false, purposes: [PURPOSE.serverAuth, PURPOSE.clientAuth] },
      { kind: 'authorityKeyIdentifier', critical: false, keyIdentifier: keyId(this.key), issuerAndSerial: undefined },
      { kind: 'subjectKeyIdentifier', critical: false, keyIdentifier: keyId(key) },
      {
        kind: 'subjectAltName',
        critical: true,
        names: [
          ...(wishes.uri === undefined ? [] : [{ type: 'uri' as const, value: wishes.uri }]),
          ...(wishes.dns ?? []).map((value) => ({ type: 'dns' as const, value })),
        ],
      },
    ]
    const der = await signed(this.key, this.certificate.subject, {
      subject: encodeName({}),
      key,
      extensions,
      notBefore: wishes.notBefore ?? instant(this.#now - 60_000),
      notAfter: wishes.notAfter ?? instant(this.#now + HOUR),
    })
    return {
      key,
      certificate: parseCertificate(der),
      pem: toPem('CERTIFICATE', der),
      keyPem: key.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    }
  }
}

function keyId(key: TestKey): Bytes {
  return parsePublicKey(key.signer.publicKey).keyIdentifier
}

interface Content {
  readonly subject: Bytes
  readonly key: TestKey
  readonly extensions: readonly Extension[]
  readonly notBefore: Instant
  readonly notAfter: Instant
}

async function signed(issuerKey: TestKey, issuer: Bytes, content: Content): Promise<Bytes> {
  const tbs = encodeTbs({
    serial: serial(),
    signatureAlgorithm: 'ES256',
    issuer,
    notBefore: content.notBefore,
    notAfter: content.notAfter,
    subject: content.subject,
    subjectPublicKey: content.key.signer.publicKey,
    extensions: content.extensions,
  })
  return assembleCertificate(tbs, 'ES256', await issuerKey.signer.sign(tbs))
}
