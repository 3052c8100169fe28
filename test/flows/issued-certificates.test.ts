import { createHash, X509Certificate } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { equal, toHex, utf8, type Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import { after, HOUR, MINUTE, type Instant } from '#kernel/instant.ts'
import {
  EMPTY_NAME,
  parseCertificate,
  PURPOSE,
  verifyX509Svid,
  type Certificate,
  type KnownExtensionKind,
  type TbsTemplate,
} from '#x509/index.ts'
import { codeOf } from '../support/code-of.ts'
import { elementAt } from '../support/der.ts'
import { issueAll, MODES, newDomain, type CertificateSet } from '../support/issued.ts'
import {
  altName,
  authorityKey,
  basicConstraints,
  certify,
  extKeyUsage,
  keyUsage,
  LEAF_KEY,
  subjectKey,
  uri,
} from '../support/x509.ts'
import type { TestTrustDomain } from '../support/trust-domain.ts'

/** What is asserted here is read from certificates that the stories have issued, octet by octet where that matters. */
interface Case {
  readonly set: CertificateSet
  readonly certificate: Certificate
}

const domains = new Map<string, { domain: TestTrustDomain; cases: readonly Case[] }>()
beforeAll(async () => {
  for (const mode of MODES) {
    const domain = await newDomain(mode)
    const sets = await issueAll(domain)
    const cases = sets.map((set) => ({ set, certificate: parseCertificate(set.certificate) }))
    domains.set(mode, { domain, cases })
  }
})

function found(mode: string): { domain: TestTrustDomain; cases: readonly Case[] } {
  const made = domains.get(mode)
  if (made === undefined) throw new TypeError(mode)
  return made
}

const extensionOf = ({ certificate }: Case, kind: KnownExtensionKind) => certificate.extension(kind)

describe.each(MODES)('what is issued %s', (mode) => {
  const every = () => found(mode).cases
  const leaves = () => every().filter(({ set }) => set.kind === 'leaf')
  const authorities = () => every().filter(({ set }) => set.kind === 'authority')
  const each = (cases: readonly Case[], check: (one: Case) => void) => {
    expect(cases.length).toBeGreaterThan(0)
    cases.forEach(check)
  }

  const accepts = ({ certificate, chain, anchors }: CertificateSet): boolean => {
    try {
      const trusted = anchors.map((der) => parseCertificate(der))
      const at = found(mode).domain.clock.now()
      verifyX509Svid([certificate, ...chain], () => trusted, { at, purpose: 'clientAuth' })
      return true
    } catch (error) {
      if (!isWritError(error)) throw error
      return false
    }
  }

  it('ID-8 comes from authorities that carry the SPIFFE ID of the trust domain, without a path', () => {
    each(authorities(), ({ certificate }) => {
      const names = certificate.extension('subjectAltName')?.names
      expect(names).toEqual([{ type: 'uri', value: 'spiffe://example.org' }])
    })
  })

  it('ID-9 has SPIFFE ID and public key within the signed octets: change either and the signature fails', () => {
    each(leaves(), ({ set, certificate }) => {
      const der = set.certificate
      const issuer = new X509Certificate(set.chain[0] ?? set.anchors[0] ?? new Uint8Array())
      expect(new X509Certificate(der).verify(issuer.publicKey)).toBe(true)
      for (const signed of [utf8(set.spiffeId), certificate.publicKey.spki.subarray(-16)]) {
        const at = Buffer.from(der).indexOf(signed)
        expect(at).toBeGreaterThan(0)
        expect(at).toBeLessThan(elementAt(der, [0, 0]).length)
        const changed = new Uint8Array(der)
        changed[at + signed.length - 1] = (changed[at + signed.length - 1] ?? 0) ^ 1
        expect(accepts({ ...set, certificate: changed })).toBe(false)
      }
      expect(accepts(set)).toBe(true)
    })
  })

  it('X-3 has an empty subject and a critical subjectAltName, in every leaf', () => {
    each(leaves(), ({ set, certificate }) => {
      expect(toHex(certificate.subject)).toBe('3000')
      expect(certificate.extension('subjectAltName')?.critical, set.what).toBe(true)
    })
  })

  it('X-4 C8 C12 says of every certificate whether it is an authority; of a leaf by an empty sequence', () => {
    each(leaves(), ({ set, certificate }) => {
      expect(certificate.isAuthority).toBe(false)
      expect(Buffer.from(set.certificate).includes(Buffer.from('0603551d130101ff04023000', 'hex'))).toBe(true)
    })
    each(authorities(), (one) => {
      expect(extensionOf(one, 'basicConstraints')).toMatchObject({ critical: true, ca: true })
    })
    const [issuing] = authorities()
    const pathLength = issuing?.certificate.extension('basicConstraints')?.pathLength
    expect(pathLength).toBe(0)
  })

  it('X-5 X-6 X-7 C11 has a critical key usage: signatures for leaves, certificates and CRLs for authorities', () => {
    each(leaves(), (one) => {
      expect(extensionOf(one, 'keyUsage')).toMatchObject({ critical: true, usages: ['digitalSignature'] })
    })
    each(authorities(), (one) => {
      expect(extensionOf(one, 'keyUsage')).toMatchObject({ critical: true, usages: ['keyCertSign', 'cRLSign'] })
    })
  })

  it('X-8 C15 lets leaves be server and client and nothing else, and says nothing of it for authorities', () => {
    each(leaves(), (one) => {
      const purposes = [PURPOSE.serverAuth, PURPOSE.clientAuth]
      expect(extensionOf(one, 'extKeyUsage')).toMatchObject({ critical: false, purposes })
    })
    each(authorities(), (one) => {
      expect(extensionOf(one, 'extKeyUsage')).toBeUndefined()
    })
  })

  it('X-1 X-2 X-9 names exactly one SPIFFE ID: of a leaf with a path, of an authority without', () => {
    each(every(), ({ set, certificate }) => {
      const uris = (certificate.extension('subjectAltName')?.names ?? []).filter(({ type }) => type === 'uri')
      expect(uris).toEqual([{ type: 'uri', value: set.spiffeId }])
      const path = set.spiffeId.slice('spiffe://example.org'.length)
      expect(path === '', set.what).toBe(set.kind === 'authority')
    })
  })

  it('C1 is version 3, as the octets say', () => {
    each(every(), ({ set }) => {
      expect(toHex(elementAt(set.certificate, [0, 0, 0]))).toBe('a003020102')
    })
  })

  it('C2 has serials that are positive, of one octet of the replica and 136 random bits, and never the same', () => {
    const serials = every().map(({ certificate }) => certificate.serial)
    each(every(), ({ certificate: { serial } }) => {
      expect(serial.length).toBe(18)
      expect(serial[0]).toBe(1)
    })
    expect(new Set(serials.map(toHex)).size).toBe(serials.length)
  })

  it('C3 C7 names one algorithm twice in the same octets, and has no unique identifiers', () => {
    each(every(), ({ set: { certificate } }) => {
      expect(elementAt(certificate, [0, 1])).toEqual(elementAt(certificate, [0, 0, 2]))
      // Behind the key comes [3], the extensions; [1] and [2] would be the identifiers.
      expect(elementAt(certificate, [0, 0, 7])[0]).toBe(0xa3)
    })
  })

  it('C4 C9 C10 names its issuer as the issuer names itself, and the keys by the SHA-1 of their bits', () => {
    each(every(), ({ set, certificate }) => {
      expect(toHex(certificate.extension('subjectKeyIdentifier')?.keyIdentifier ?? new Uint8Array())).toBe(
        keyIdentifier(certificate),
      )
      const [issuerDer] = [...set.chain, ...set.anchors]
      const issuer = parseCertificate(issuerDer ?? new Uint8Array())
      if (equal(certificate.der, issuer.der)) return
      expect(certificate.issuer).toEqual(issuer.subject)
      const known = certificate.extension('authorityKeyIdentifier')
      expect(known).toMatchObject({ critical: false, issuerAndSerial: undefined })
      expect(toHex(known?.keyIdentifier ?? new Uint8Array())).toBe(keyIdentifier(issuer))
    })
  })

  it('C5 C18 begins a minute before it was issued, ends on a whole second, and within the life of its issuer', () => {
    const now = found(mode).domain.clock.now()
    each(leaves(), ({ set, certificate: { notBefore, notAfter } }) => {
      expect(now - notBefore).toBe(MINUTE)
      expect(notAfter - now, set.what).toBeLessThanOrEqual(24 * HOUR)
      for (const above of [...set.chain, ...set.anchors]) {
        const issuer = parseCertificate(above)
        expect(notAfter).toBeLessThanOrEqual(issuer.notAfter)
      }
    })
  })

  it('C16 C17 points to nothing while there are no status endpoints', () => {
    each(every(), (one) => {
      expect(extensionOf(one, 'crlDistributionPoints')).toBeUndefined()
      expect(extensionOf(one, 'authorityInfoAccess')).toBeUndefined()
    })
  })
})

/** RFC 5280 section 4.2.1.2 method 1, by another library. */
function keyIdentifier({ publicKey }: Certificate): string {
  const bits: Bytes = elementAt(publicKey.spki, [0, 1])
  const header = bits[1]! < 0x80 ? 2 : 2 + (bits[1]! & 0x7f)
  return createHash('sha1')
    .update(bits.subarray(header + 1))
    .digest('hex')
}

describe('what is issued with status endpoints', () => {
  it('C16 C17 points to one CRL by plain http and to the OCSP responder, neither of them critical', async () => {
    const domain = await newDomain('self-rooted', { statusUrl: 'http://status.example.org' })
    const [first] = await issueAll(domain)
    const certificate = parseCertificate(first?.certificate ?? new Uint8Array())
    const points = certificate.extension('crlDistributionPoints')
    expect(points?.critical).toBe(false)
    expect(points?.uris).toEqual([expect.stringMatching(/^http:\/\/status\.example\.org\/crl\/[^/]+\/\d+\.crl$/)])
    const access = certificate.extension('authorityInfoAccess')
    expect(access?.critical).toBe(false)
    expect(access?.accesses.map(({ method }) => method).sort()).toEqual(['caIssuers', 'ocsp'])
  })
})

describe('name constraints, for who asks for them', () => {
  it('X-11 C14 bind each authority to its trust domain, so that what it signs for another is refused', async () => {
    const domain = await newDomain('self-rooted', { nameConstraints: true })
    const [svid] = await issueAll(domain)
    const [anchor] = domain.authorities.current().anchors()
    expect(anchor?.extension('nameConstraints')).toMatchObject({
      critical: true,
      permitted: [{ type: 'uri', value: 'example.org' }],
      excluded: [],
    })
    const now = domain.clock.now()
    const verify = (leaf: Bytes) =>
      verifyX509Svid([leaf], () => domain.authorities.current().anchors(), { at: now, purpose: 'clientAuth' })
    expect(verify(svid?.certificate ?? new Uint8Array()).spiffeId.toString()).toBe(svid?.spiffeId)
    const { keyReference } = domain.authorities.current().find(domain.authorities.current().active('x509').authorityId)!
    const planted = (uriName: string) => certify(leafOf(anchor!, uriName, now), domain.keys.pair(keyReference))
    expect(codeOf(() => verify(planted('spiffe://example.org/agent/a')))).toBe('ACCEPTED')
    expect(codeOf(() => verify(planted('spiffe://example.com/agent/a')))).toMatch(/^PATH_/)
  })
})

/** A leaf as our authority would never sign it. */
function leafOf(issuer: Certificate, spiffeId: string, now: Instant): TbsTemplate {
  return {
    serial: new Uint8Array([1, 2, 3]),
    signatureAlgorithm: 'ES256',
    issuer: issuer.subject,
    notBefore: now,
    notAfter: after(now, HOUR),
    subject: EMPTY_NAME,
    subjectPublicKey: LEAF_KEY.publicKey.spki,
    extensions: [
      basicConstraints(false),
      keyUsage('digitalSignature'),
      extKeyUsage(PURPOSE.serverAuth, PURPOSE.clientAuth),
      authorityKey(issuer.publicKey),
      subjectKey(LEAF_KEY.publicKey),
      altName(uri(spiffeId)),
    ],
  }
}
