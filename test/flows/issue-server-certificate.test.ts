import { describe, expect, it } from 'vitest'
import { issueServerCertificate } from '#flows/issue-server-certificate.ts'
import { isServerRenewalDue } from '#issuance/index.ts'
import { after, HOUR } from '#kernel/instant.ts'
import { parseCertificate, verifyX509Svid } from '#x509/index.ts'
import { newTrustDomain } from '../support/trust-domain.ts'
import { newKeyPair } from '../support/x509.ts'

const dnsNames = ['id.example.org', 'localhost']
const ipAddresses = [new Uint8Array([127, 0, 0, 1])]

describe('the certificate of the server', () => {
  it.each([
    ['self-rooted', { mode: 'self-rooted' }, 1],
    ['rooted', { mode: 'rooted', root: 'generate' }, 2],
  ] as const)('promise 13 comes with its anchor, for whoever has a pin only (%s)', async (_mode, options, length) => {
    const domain = await newTrustDomain({ options })
    const { publicKey } = newKeyPair()
    const server = await issueServerCertificate(domain.ports, { publicKey, dnsNames, ipAddresses })
    expect(server.chain).toHaveLength(length)
    const anchor = parseCertificate(server.chain.at(-1) ?? new Uint8Array())
    const verified = verifyX509Svid([server.certificate, ...server.chain.slice(0, -1)], () => [anchor], {
      at: domain.clock.now(),
      purpose: 'serverAuth',
    })
    expect(verified.spiffeId.toString()).toBe('spiffe://example.org/writ/server')
    expect(verified.certificate.extension('subjectAltName')?.names).toHaveLength(4)
    const row = await domain.store.find('Certificate', { serial: server.serial })
    expect(row).toMatchObject({ kind: 'server', state: 'issued', agent: null })
  })

  it('is due at half of its life, and as soon as another authority signs', () => {
    const domain = { authority: 'a', issuedAt: after(0 as never, 100 * HOUR), notAfter: after(0 as never, 124 * HOUR) }
    expect(isServerRenewalDue(domain, 'a', after(domain.issuedAt, 12 * HOUR - 1))).toBe(false)
    expect(isServerRenewalDue(domain, 'a', after(domain.issuedAt, 12 * HOUR))).toBe(true)
    expect(isServerRenewalDue(domain, 'b', domain.issuedAt)).toBe(true)
    const cut = { ...domain, notAfter: after(domain.issuedAt, HOUR) }
    expect(isServerRenewalDue(cut, 'a', after(domain.issuedAt, HOUR / 2))).toBe(true)
  })
})
