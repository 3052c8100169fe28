import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex, type Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import { after, HOUR, instant, MINUTE } from '#kernel/instant.ts'
import {
  createOcspResponse,
  encodeOcspRequest,
  IssuerNames,
  ocspFailure,
  parseOcspRequest,
  parseOcspResponse,
  PURPOSE,
  verifyOcspResponse,
  type CertStatus,
  type OcspAnswer,
  type OcspTemplate,
} from '#x509/index.ts'
import { codeOf, codeOfAsync } from '../../support/code-of.ts'
import { extKeyUsage, newKeyPair, TestAuthority, X509_NOW } from '../../support/x509.ts'

const root = TestAuthority.root()
const names = new IssuerNames(root.certificate)
const serial = fromHex('01a2b3')

function template(wishes: Partial<OcspTemplate> = {}, status: CertStatus = { kind: 'good' }): OcspTemplate {
  return {
    signatureAlgorithm: 'ES256',
    responderKey: root.certificate.publicKey.keyIdentifier,
    producedAt: X509_NOW,
    responses: [
      { certId: names.certId('sha256', serial), status, thisUpdate: X509_NOW, nextUpdate: after(X509_NOW, HOUR) },
    ],
    ...wishes,
  }
}

async function answerOf(wishes: Partial<OcspTemplate> = {}, status?: CertStatus): Promise<OcspAnswer> {
  const answer = parseOcspResponse(await createOcspResponse(template(wishes, status), root.key.signer, []))
  if (typeof answer === 'string') throw new TypeError(answer)
  return answer
}

describe('a request', () => {
  it.each(['sha1', 'sha256'] as const)('O7 names a certificate by %s, and is read back', (hash) => {
    const certId = names.certId(hash, serial)
    for (const nonce of [undefined, new Uint8Array(32).fill(7)]) {
      expect(parseOcspRequest(encodeOcspRequest({ certIds: [certId], nonce }))).toEqual({ certIds: [certId], nonce })
    }
    expect(names.issued(certId)).toBe(true)
    expect(new IssuerNames(TestAuthority.root().certificate).issued(certId)).toBe(false)
  })

  it.each([
    [0, 'OCSP_NONCE'],
    [1, 'ACCEPTED'],
    [128, 'ACCEPTED'],
    [129, 'OCSP_NONCE'],
  ])('O8 has a nonce of 1 to 128 octets: of %i it is %s', (length, code) => {
    const request = encodeOcspRequest({ certIds: [names.certId('sha256', serial)], nonce: new Uint8Array(length) })
    expect(codeOf(() => parseOcspRequest(request))).toBe(code)
  })

  it('O10 O14 is refused when it is too large, asks for too much, or wants what is not understood', () => {
    const certId = names.certId('sha256', serial)
    const many = encodeOcspRequest({ certIds: Array.from({ length: 9 }, () => certId), nonce: undefined })
    expect(codeOf(() => parseOcspRequest(many))).toBe('OCSP_TOO_LARGE')
    expect(codeOf(() => parseOcspRequest(new Uint8Array(4097)))).toBe('OCSP_TOO_LARGE')
    const request = toHex(encodeOcspRequest({ certIds: [certId], nonce: new Uint8Array(16) }))
    // The nonce's identifier becomes another one, and critical: 06 09 … 04 -> 06 06 … 01 01 ff 04.
    const other = request.replace('06092b0601050507300102', '06062b06010505070101ff')
    expect(other).not.toBe(request)
    expect(codeOf(() => parseOcspRequest(fromHex(other)))).toBe('OCSP_CRITICAL_EXTENSION')
  })

  it('O3 is refused when it is no request, with typed errors only, for 20000 mutations', () => {
    const request = encodeOcspRequest({ certIds: [names.certId('sha1', serial)], nonce: new Uint8Array(16) })
    const mutation = fc.tuple(fc.nat(request.length - 1), fc.nat(255), fc.boolean())
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 4 }), (changes) => {
        const bytes = Uint8Array.from(request)
        for (const [at, value] of changes) bytes[at] = value
        const end = changes[0]?.[2] === true ? changes[0][0] : bytes.length
        try {
          parseOcspRequest(bytes.subarray(0, end))
        } catch (error) {
          expect(isWritError(error)).toBe(true)
        }
      }),
      { numRuns: 20_000 },
    )
  })

  it('is refused with anything behind it, and cut anywhere', () => {
    const request = encodeOcspRequest({ certIds: [names.certId('sha256', serial)], nonce: undefined })
    expect(codeOf(() => parseOcspRequest(Uint8Array.from([...request, 0])))).toBe('OCSP_MALFORMED')
    for (let end = 0; end < request.length; end++) {
      expect(codeOf(() => parseOcspRequest(request.subarray(0, end)))).toBe('OCSP_MALFORMED')
    }
  })
})

describe('an answer', () => {
  it.each<[string, CertStatus]>([
    ['good', { kind: 'good' }],
    ['unknown', { kind: 'unknown' }],
    ['revoked', { kind: 'revoked', at: after(X509_NOW, -MINUTE), reason: 'unspecified' }],
    ['revoked with a reason', { kind: 'revoked', at: after(X509_NOW, -MINUTE), reason: 'keyCompromise' }],
  ])('O2 says %s, and is read back and verified', async (_, status) => {
    const nonce = new Uint8Array(32).fill(1)
    const answer = await answerOf({ nonce }, status)
    expect(answer).toMatchObject({ producedAt: X509_NOW, nonce, responses: template({}, status).responses })
    verifyOcspResponse(answer, root.certificate, null)
  })

  it('O6 is known by the key of the responder, and refused when another has signed', async () => {
    const answer = await answerOf()
    const stranger = TestAuthority.root()
    expect(
      codeOf(() => {
        verifyOcspResponse(answer, stranger.certificate, null)
      }),
    ).toBe('OCSP_RESPONDER')
    const signature = Uint8Array.from(answer.signature)
    signature[signature.length - 1] = (signature.at(-1) ?? 0) ^ 1
    const forged = { ...answer, signature }
    expect(
      codeOf(() => {
        verifyOcspResponse(forged, root.certificate, null)
      }),
    ).toBe('OCSP_SIGNATURE_INVALID')
  })

  it('O4 is accepted from a delegate of the issuer that is made for OCSP and nothing else', async () => {
    const key = newKeyPair()
    const made = (authority: TestAuthority, ...purposes: string[]) =>
      authority.leaf({ extensions: [extKeyUsage(...purposes)] }, key.publicKey)
    const response = createOcspResponse(template({ responderKey: key.publicKey.keyIdentifier }), key.signer, [])
    const answer = parseOcspResponse(await response) as OcspAnswer
    verifyOcspResponse(answer, root.certificate, made(root, PURPOSE.ocspSigning))
    for (const delegate of [
      made(root, PURPOSE.ocspSigning, PURPOSE.clientAuth),
      made(root, PURPOSE.clientAuth),
      made(TestAuthority.root('Root'), PURPOSE.ocspSigning),
    ]) {
      expect(
        codeOf(() => {
          verifyOcspResponse(answer, root.certificate, delegate)
        }),
      ).toBe('OCSP_RESPONDER')
    }
  })

  it.each(['malformedRequest', 'internalError', 'tryLater', 'sigRequired', 'unauthorized'] as const)(
    'O1 that there is none (%s) carries nothing',
    (failure) => {
      expect(parseOcspResponse(ocspFailure(failure))).toBe(failure)
      expect(ocspFailure(failure)).toHaveLength(5)
    },
  )

  it('O9 is not made with fractions of a second, without an end, or without an answer', async () => {
    const make = (wishes: Partial<OcspTemplate>) => () => createOcspResponse(template(wishes), root.key.signer, [])
    const [single] = template().responses
    if (single === undefined) throw new TypeError('no response')
    const bad: Partial<OcspTemplate>[] = [
      { producedAt: instant(X509_NOW + 1) },
      { responses: [] },
      { responses: [{ ...single, nextUpdate: single.thisUpdate }] },
      { signatureAlgorithm: 'RS256' },
    ]
    for (const wishes of bad) expect(await codeOfAsync(make(wishes))).toBe('TEMPLATE_INVALID')
  })

  it('with any octet changed is refused or read, and never verified', async () => {
    const der = await createOcspResponse(template(), root.key.signer, [])
    const verify = (bytes: Bytes): void => {
      const answer = parseOcspResponse(bytes)
      if (typeof answer !== 'string') verifyOcspResponse(answer, root.certificate, null)
      else throw new TypeError('a failure')
    }
    expect(
      codeOf(() => {
        verify(der)
      }),
    ).toBe('ACCEPTED')
    for (let at = 0; at < der.length; at++) {
      const bytes = Uint8Array.from(der)
      bytes[at] = (bytes[at] ?? 0) ^ 0x01
      const code = codeOf(() => {
        verify(bytes)
      })
      expect(code, String(at)).not.toBe('ACCEPTED')
    }
  })
})
