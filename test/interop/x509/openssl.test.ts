import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { after, MINUTE } from '#kernel/instant.ts'
import { SpiffeId } from '#spiffe/index.ts'
import { ATTESTATION_OID, createCsr, fromPem, parseCertificate, parseCsr, verifyX509Svid } from '#x509/index.ts'
import { requireProgram, succeeds, Workbench } from '../../support/workbench.ts'
import { altName, LEAF_ID, nameConstraints, newKeyPair, TestAuthority, uri } from '../../support/x509.ts'
import { HIERARCHIES, long, now, validity } from './hierarchy.ts'

const bench = new Workbench()
beforeAll(() => {
  requireProgram('openssl', 'openssl', 'version')
})
afterAll(() => {
  bench.remove()
})

describe('openssl accepts what we write', () => {
  it.each(HIERARCHIES)('with %s, as strictly as it can', (algorithm, { root, issuing, leaf }) => {
    const anchors = bench.writeCertificates(`${algorithm}-root.pem`, root.certificate.der)
    const chain = bench.writeCertificates(`${algorithm}-issuing.pem`, issuing.certificate.der)
    const end = bench.writeCertificates(`${algorithm}-leaf.pem`, leaf)
    for (const purpose of ['sslclient', 'sslserver']) {
      const answer = bench.run(
        'openssl',
        'verify',
        '-x509_strict',
        '-check_ss_sig',
        '-purpose',
        purpose,
        '-CAfile',
        anchors,
        '-untrusted',
        chain,
        end,
      )
      expect(answer).toContain(': OK')
    }
  })

  it('and prints the extensions that we meant', () => {
    const text = bench.run(
      'openssl',
      'x509',
      '-noout',
      '-text',
      '-in',
      bench.writeCertificates('print.pem', HIERARCHIES[0]![1].leaf),
    )
    for (const part of [
      `URI:${LEAF_ID}, DNS:agent.example.org, IP Address:127.0.0.1`,
      'TLS Web Server Authentication, TLS Web Client Authentication',
      'OCSP - URI:http://status.example.org/ocsp',
      'URI:http://status.example.org/crl/a/0.crl',
      'CA:FALSE',
      ATTESTATION_OID,
    ]) {
      expect(text).toContain(part)
    }
  })

  it('and the constraints of a trust domain', () => {
    const root = TestAuthority.root('Root', { template: long, extensions: [nameConstraints([uri('example.org')])] })
    const anchors = bench.writeCertificates('constrained.pem', root.certificate.der)
    const inside = bench.writeCertificates('inside.pem', root.leafDer({ template: validity }))
    const outside = bench.writeCertificates(
      'outside.pem',
      root.leafDer({ template: validity, extensions: [altName(uri('spiffe://example.com/a'))] }),
    )
    expect(bench.run('openssl', 'verify', '-x509_strict', '-CAfile', anchors, inside)).toContain(': OK')
    expect(succeeds('openssl', 'verify', '-x509_strict', '-CAfile', anchors, outside)).toBe(false)
  })

  it.each(['ES256', 'ES384', 'RS256'] as const)('and requests signed with %s', async (algorithm) => {
    bench.write('ours.csr', await createCsr(newKeyPair(algorithm).signer, SpiffeId.parse(LEAF_ID)))
    const text = bench.run('openssl', 'req', '-inform', 'DER', '-in', 'ours.csr', '-verify', '-noout', '-text')
    expect(text).toContain(`URI:${LEAF_ID}`)
  })
})

describe('we accept what openssl writes', () => {
  it.each([
    ['P-256', ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-sha256']],
    ['P-384', ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384', '-sha384']],
    ['P-256 with SHA-512', ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-sha512']],
    ['RSA-2048', ['-newkey', 'rsa:2048', '-sha256']],
    ['RSA-3072 with SHA-384', ['-newkey', 'rsa:3072', '-sha384']],
  ])('requests for %s', (_, options) => {
    const names = ['-subj', '/C=DE/O=Example/CN=agent', '-addext', `subjectAltName=URI:${LEAF_ID},DNS:a.example.org`]
    bench.run('openssl', 'req', '-new', '-nodes', '-keyout', 'theirs.key', '-out', 'theirs.csr', ...options, ...names)
    const request = parseCsr(bench.read('theirs.csr'))
    expect(request.requestedSpiffeId?.toString()).toBe(LEAF_ID)
  })

  it('and not its requests with RSA-1024, P-521, Ed25519, SHA-1 or RSA-PSS', () => {
    const codeFor = (...options: string[]) => {
      bench.run(
        'openssl',
        'req',
        '-new',
        '-nodes',
        '-keyout',
        'bad.key',
        '-out',
        'bad.csr',
        '-subj',
        '/CN=a',
        ...options,
      )
      try {
        parseCsr(bench.read('bad.csr'))
      } catch (error) {
        return (error as { code: string }).code
      }
      return 'ACCEPTED'
    }
    expect(codeFor('-newkey', 'rsa:1024', '-sha256')).toBe('KEY_RSA_TOO_SMALL')
    expect(codeFor('-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-521', '-sha256')).toBe('KEY_CURVE_UNSUPPORTED')
    expect(codeFor('-newkey', 'ed25519')).toBe('CSR_ALGORITHM_UNSUPPORTED')
    expect(codeFor('-newkey', 'rsa:2048', '-sha1')).toBe('CSR_ALGORITHM_UNSUPPORTED')
    expect(codeFor('-newkey', 'rsa:2048', '-sha256', '-sigopt', 'rsa_padding_mode:pss')).toBe(
      'CSR_ALGORITHM_UNSUPPORTED',
    )
    expect(codeFor('-newkey', 'rsa:2048', '-sha256', '-addext', 'tlsfeature=status_request')).toBe('CSR_MUST_STAPLE')
  })

  it('chains of three, which both verify', () => {
    const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
    bench.run(
      'openssl',
      'req',
      '-x509',
      ...ec,
      '-keyout',
      'r.key',
      '-out',
      'r.pem',
      '-subj',
      '/CN=Their root',
      '-days',
      '10',
      '-addext',
      'keyUsage=critical,keyCertSign,cRLSign',
    )
    bench.run('openssl', 'req', '-new', ...ec, '-keyout', 'i.key', '-out', 'i.csr', '-subj', '/CN=Their issuing')
    bench.write(
      'i.ext',
      'basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid,issuer:always\nnameConstraints=critical,permitted;URI:example.org,permitted;IP:10.0.0.0/255.0.0.0,excluded;email:example.com\ncertificatePolicies=1.2.3.4\n',
    )
    bench.run(
      'openssl',
      'x509',
      '-req',
      '-in',
      'i.csr',
      '-CA',
      'r.pem',
      '-CAkey',
      'r.key',
      '-CAcreateserial',
      '-out',
      'i.pem',
      '-days',
      '5',
      '-extfile',
      'i.ext',
    )
    bench.run('openssl', 'req', '-new', ...ec, '-keyout', 'l.key', '-out', 'l.csr', '-subj', '/')
    bench.write(
      'l.ext',
      `subjectAltName=critical,URI:${LEAF_ID},IP:10.1.2.3\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\nbasicConstraints=critical,CA:FALSE\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\ncrlDistributionPoints=URI:http://a/b.crl\nauthorityInfoAccess=OCSP;URI:http://a/ocsp\n`,
    )
    bench.run(
      'openssl',
      'x509',
      '-req',
      '-in',
      'l.csr',
      '-CA',
      'i.pem',
      '-CAkey',
      'i.key',
      '-CAcreateserial',
      '-out',
      'l.pem',
      '-days',
      '1',
      '-extfile',
      'l.ext',
    )
    const [root, issuing, leaf] = ['r.pem', 'i.pem', 'l.pem'].map((name) => fromPem('CERTIFICATE', bench.read(name)))
    const anchors = [parseCertificate(root!)]
    const options = { at: after(now, 2 * MINUTE), purpose: 'clientAuth' } as const
    const svid = verifyX509Svid([leaf!, issuing!], () => anchors, options)
    expect(svid.spiffeId.toString()).toBe(LEAF_ID)
    expect(svid.certificate.extension('crlDistributionPoints')?.uris).toEqual(['http://a/b.crl'])
    expect(svid.path.issuer.extension('nameConstraints')?.permitted.length).toBe(2)
    expect(svid.path.issuer.extension('authorityKeyIdentifier')?.issuerAndSerial).toBeDefined()
  })
})
