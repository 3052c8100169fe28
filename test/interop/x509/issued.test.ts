import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { issueX509Svid } from '#flows/issue-x509-svid.ts'
import { instant } from '#kernel/instant.ts'
import { newTrustDomain, svidOrder } from '../../support/trust-domain.ts'
import { requireProgram, Workbench } from '../../support/workbench.ts'
import { newKeyPair } from '../../support/x509.ts'

const bench = new Workbench()
beforeAll(() => {
  requireProgram('openssl', 'openssl', 'version')
  requireProgram('gnutls-bin', 'certtool', '--version')
})
afterAll(() => {
  bench.remove()
})

const MODES = [
  ['self-rooted', { mode: 'self-rooted' }, false],
  ['self-rooted and constrained', { mode: 'self-rooted' }, true],
  ['rooted', { mode: 'rooted', root: 'generate' }, false],
  ['rooted and constrained', { mode: 'rooted', root: 'generate' }, true],
] as const

const KEYS = ['ES256', 'ES384', 'RS256'] as const

/** An SVID as the server issues it, at the machine's time, which other programs judge by. */
async function issued(mode: (typeof MODES)[number], algorithm: (typeof KEYS)[number]) {
  const [name, options, nameConstraints] = mode
  const status = name === 'rooted' ? { statusUrl: 'http://status.example.org' } : {}
  const domain = await newTrustDomain({ options, profile: { nameConstraints, ...status }, now: instant(Date.now()) })
  const svid = await issueX509Svid(domain.ports, await svidOrder(domain, { key: newKeyPair(algorithm) }))
  const anchors = domain.authorities.current().anchors()
  const prefix = `${name.replaceAll(' ', '-')}-${algorithm}`
  return {
    leaf: bench.writeCertificates(`${prefix}-leaf.pem`, svid.certificate),
    chain: svid.chain.length === 0 ? null : bench.writeCertificates(`${prefix}-chain.pem`, ...svid.chain),
    whole: bench.writeCertificates(`${prefix}-whole.pem`, svid.certificate, ...svid.chain),
    anchors: bench.writeCertificates(`${prefix}-anchors.pem`, ...anchors.map(({ der }) => der)),
  }
}

const CASES = MODES.flatMap((mode) => KEYS.map((key) => [mode[0], key, mode] as const))

describe('openssl verifies what is issued', () => {
  it.each(CASES)('%s, to a key for %s, for both purposes and strictly', async (_name, key, mode) => {
    const { leaf, chain, anchors } = await issued(mode, key)
    for (const purpose of ['sslserver', 'sslclient']) {
      const untrusted = chain === null ? [] : ['-untrusted', chain]
      const args = ['-x509_strict', '-check_ss_sig', '-purpose', purpose, '-CAfile', anchors, ...untrusted, leaf]
      expect(bench.run('openssl', 'verify', ...args)).toContain(': OK')
    }
  })

  it('and reads it as it was meant', async () => {
    const { leaf } = await issued(MODES[2], 'ES256')
    const text = bench.run('openssl', 'x509', '-in', leaf, '-noout', '-text')
    expect(text).toContain('Subject: \n')
    expect(text).toContain('X509v3 Subject Alternative Name: critical')
    expect(text).toContain('URI:spiffe://example.org/agent/invoice-bot/i-0000000000000000, DNS:invoice-bot.internal')
    expect(text).toMatch(/URI:http:\/\/status\.example\.org\/crl\/aut_[0-9a-z]{26}\/\d+\.crl/)
  })
})

describe('GnuTLS verifies what is issued', () => {
  // GnuTLS knows no URI constraints, and refuses what it does not know as critical.
  it.each(CASES.filter(([name]) => !name.endsWith('constrained')))('%s, to a key for %s', async (_name, key, mode) => {
    const { whole, anchors } = await issued(mode, key)
    const args = ['--verify', '--verify-profile=medium', '--infile', whole, '--load-ca-certificate', anchors]
    expect(bench.run('certtool', ...args)).toContain('Chain verification output: Verified.')
  })
})
