import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SpiffeId } from '#spiffe/index.ts'
import { createCsr, parseCsr, toPem } from '#x509/index.ts'
import { requireProgram, Workbench } from '../../support/workbench.ts'
import { LEAF_ID, newKeyPair } from '../../support/x509.ts'
import { HIERARCHIES } from './hierarchy.ts'

const bench = new Workbench()
beforeAll(() => {
  requireProgram('gnutls-bin', 'certtool', '--version')
})
afterAll(() => {
  bench.remove()
})

describe('GnuTLS accepts what we write', () => {
  it.each(HIERARCHIES)('with %s', (algorithm, { root, issuing, leaf }) => {
    const chain = bench.writeCertificates(`${algorithm}-chain.pem`, leaf, issuing.certificate.der, root.certificate.der)
    const anchors = bench.writeCertificates(`${algorithm}-anchor.pem`, root.certificate.der)
    const answer = bench.run(
      'certtool',
      '--verify',
      '--verify-profile=medium',
      '--infile',
      chain,
      '--load-ca-certificate',
      anchors,
    )
    expect(answer).toContain('Chain verification output: Verified. The certificate is trusted.')
    expect(bench.run('certtool', '--verify-chain', '--infile', chain)).toContain(
      'Verified. The certificate is trusted.',
    )
  })

  it('and our requests', async () => {
    const der = await createCsr(newKeyPair('ES256').signer, SpiffeId.parse(LEAF_ID))
    bench.write('gnutls.csr', toPem('CERTIFICATE REQUEST', der))
    const text = bench.run('certtool', '--crq-info', '--infile', 'gnutls.csr')
    expect(text).toContain(`URI: ${LEAF_ID}`)
    expect(text).toContain('Self signature: verified')
  })
})

describe('we accept what GnuTLS writes', () => {
  it('as a request', () => {
    bench.write('gnutls.template', `cn = "agent"\nuri = "${LEAF_ID}"\nsigning_key\ntls_www_client\n`)
    bench.run(
      'certtool',
      '--generate-privkey',
      '--key-type',
      'ecdsa',
      '--curve',
      'secp256r1',
      '--outfile',
      'gnutls.key',
    )
    const text = bench.run(
      'certtool',
      '--generate-request',
      '--load-privkey',
      'gnutls.key',
      '--template',
      'gnutls.template',
    )
    const pem = text.slice(text.indexOf('-----BEGIN'))
    expect(parseCsr(pem).requestedSpiffeId?.toString()).toBe(LEAF_ID)
  })
})
