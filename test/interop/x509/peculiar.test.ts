import 'reflect-metadata'
import * as peculiar from '@peculiar/x509'
import { describe, expect, it } from 'vitest'
import { SpiffeId } from '#spiffe/index.ts'
import { buildPath, createCsr, parseCertificate, parseCsr } from '#x509/index.ts'
import { LEAF_ID, newKeyPair } from '../../support/x509.ts'
import { HIERARCHIES, now } from './hierarchy.ts'

describe('@peculiar/x509', () => {
  it.each(HIERARCHIES)('verifies what we write with %s', async (_, { root, issuing, leaf }) => {
    const [end, middle, top] = [leaf, issuing.certificate.der, root.certificate.der].map(
      (der) => new peculiar.X509Certificate(Buffer.from(der)),
    )
    const builder = new peculiar.X509ChainBuilder({ certificates: [middle!, top!] })
    const chain = await builder.build(end!)
    expect(chain.length).toBe(3)
    expect(await end!.verify({ publicKey: middle!.publicKey, date: new Date(now) })).toBe(true)
    expect(Buffer.from(end!.rawData)).toEqual(Buffer.from(leaf))
    const names = end!.getExtension(peculiar.SubjectAlternativeNameExtension)?.names.items ?? []
    expect(names.map(({ value }) => value)).toContain(LEAF_ID)
  })

  it('verifies our requests, and we its own', async () => {
    const request = new peculiar.Pkcs10CertificateRequest(
      Buffer.from(await createCsr(newKeyPair('ES256').signer, SpiffeId.parse(LEAF_ID))),
    )
    expect(await request.verify()).toBe(true)
    const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
    const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
    const extensions = [new peculiar.SubjectAlternativeNameExtension([{ type: 'url', value: LEAF_ID }])]
    const theirs = await peculiar.Pkcs10CertificateRequestGenerator.create({
      name: 'CN=a',
      keys,
      signingAlgorithm: algorithm,
      extensions,
    })
    expect(parseCsr(new Uint8Array(theirs.rawData)).requestedSpiffeId?.toString()).toBe(LEAF_ID)
  })
})

describe('our own reader', () => {
  it.each(HIERARCHIES)('accepts what our writer makes with %s', (_, { root, issuing, leaf }) => {
    const options = { at: now, purpose: 'serverAuth' } as const
    expect(
      buildPath(parseCertificate(leaf), [issuing.certificate], [root.certificate], options).certificates.length,
    ).toBe(3)
  })
})
