import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Bytes } from '#kernel/bytes.ts'
import { after, HOUR, MINUTE } from '#kernel/instant.ts'
import {
  createOcspResponse,
  encodeName,
  IssuerNames,
  parseCertificate,
  parseOcspRequest,
  PURPOSE,
  toPem,
  type CertStatus,
} from '#x509/index.ts'
import { requireProgram, Workbench } from '../../support/workbench.ts'
import { extKeyUsage, newKeyPair, TestAuthority, type KeyPair } from '../../support/x509.ts'
import { long, now, validity } from './hierarchy.ts'

const bench = new Workbench()
beforeAll(() => {
  requireProgram('openssl', 'openssl', 'version')
  requireProgram('gnutls-bin', 'ocsptool', '--version')
})
afterAll(() => {
  bench.remove()
})

const root = TestAuthority.root('Writ issuing', { template: long })
const names = new IssuerNames(root.certificate)
const leaf = root.leafDer({ template: validity })
const delegateKey = newKeyPair()
const subject = encodeName({ commonName: 'Writ OCSP' })
const noCheck = { kind: 'ocspNoCheck', critical: false } as const
const delegate = root.leaf(
  {
    template: { ...validity, subject },
    extensions: [extKeyUsage(PURPOSE.ocspSigning), noCheck],
    without: ['subjectAltName'],
  },
  delegateKey.publicKey,
)

const STATUSES: readonly (readonly [string, CertStatus])[] = [
  ['good', { kind: 'good' }],
  ['revoked', { kind: 'revoked', at: after(now, -MINUTE), reason: 'keyCompromise' }],
  ['unknown', { kind: 'unknown' }],
]

async function answer(
  request: Bytes,
  status: CertStatus,
  by: { key: KeyPair; sends: readonly Bytes[] },
): Promise<Bytes> {
  const { certIds, nonce } = parseOcspRequest(request)
  expect(certIds.every((certId) => names.issued(certId))).toBe(true)
  const template = {
    signatureAlgorithm: by.key.algorithm,
    responderKey: by.key.publicKey.keyIdentifier,
    producedAt: now,
    responses: certIds.map((certId) => ({ certId, status, thisUpdate: now, nextUpdate: after(now, HOUR) })),
    nonce,
  }
  return createOcspResponse(template, by.key.signer, by.sends)
}

describe.each(STATUSES)('openssl and GnuTLS read our answer: %s', (said, status) => {
  const RESPONDERS = [
    ['the issuer', { key: root.key, sends: [root.certificate.der] }],
    ['a delegate', { key: delegateKey, sends: [delegate.der] }],
  ] as const

  it.each(RESPONDERS)('O1 O4 O7 O8 openssl, signed by %s, with SHA-1 and SHA-256 names', async (_, by) => {
    const ca = bench.write('ca.pem', toPem('CERTIFICATE', root.certificate.der))
    const cert = bench.write('leaf.pem', toPem('CERTIFICATE', leaf))
    for (const hash of ['-sha1', '-sha256']) {
      for (const nonce of [['-nonce'], ['-no_nonce']]) {
        const out = 'request.der'
        bench.run('openssl', 'ocsp', hash, '-issuer', ca, '-cert', cert, '-reqout', out, ...nonce)
        const response = bench.write('response.der', await answer(bench.bytes(out), status, by))
        // Together with a request of its own it would make another nonce.
        const checked = bench.answer('openssl', 'ocsp', '-reqin', out, '-respin', response, '-CAfile', ca)
        expect(checked).toContain('Response verify OK')
        expect(checked).not.toContain('WARNING: no nonce in response')
        const asked = ['-issuer', ca, '-cert', cert, '-CAfile', ca, '-respin', response, '-no_nonce']
        const ran = bench.answer('openssl', 'ocsp', hash, ...asked)
        expect(ran).toContain('Response verify OK')
        expect(ran).toContain(`leaf.pem: ${said}`)
        if (said === 'revoked') expect(ran).toContain('Reason: keyCompromise')
      }
    }
  })

  it.each(RESPONDERS)('GnuTLS, signed by %s', async (_, by) => {
    const ca = bench.write('ca.pem', toPem('CERTIFICATE', root.certificate.der))
    const cert = bench.write('leaf.pem', toPem('CERTIFICATE', leaf))
    const out = 'request.der'
    bench.answer(
      'ocsptool',
      '--generate-request',
      '--load-cert',
      cert,
      '--load-issuer',
      ca,
      '--outfile',
      out,
      '--nonce',
    )
    const response = bench.write('response.der', await answer(bench.bytes(out), status, by))
    const shown = bench.answer('ocsptool', '--response-info', '--infile', response)
    expect(shown).toContain(`Certificate Status: ${said}`)
    const verified = bench.answer('ocsptool', '--verify-response', '--infile', response, '--load-trust', ca)
    expect(verified).toMatch(/Verifying OCSP Response: Success/)
  })
})

it('the certificate of the delegate is one that we read', () => {
  expect(parseCertificate(delegate.der).extension('ocspNoCheck')).toBeDefined()
})
