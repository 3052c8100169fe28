import 'reflect-metadata'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as peculiar from '@peculiar/x509'
import { afterAll, describe, expect, it } from 'vitest'
import type { Bytes } from '#kernel/bytes.ts'
import { after, DAY, HOUR, instant, MINUTE, SECOND, wholeSecond } from '#kernel/instant.ts'
import { SpiffeId } from '#spiffe/index.ts'
import {
  ATTESTATION_OID,
  buildPath,
  createCsr,
  encodeName,
  fromPem,
  parseCertificate,
  parseCsr,
  toPem,
  verifyX509Svid,
  type Extension,
} from '#x509/index.ts'
import {
  altName,
  basicConstraints,
  dns,
  ip,
  LEAF_ID,
  nameConstraints,
  newKeyPair,
  TestAuthority,
  uri,
} from '../support/x509.ts'

const folder = mkdtempSync(join(tmpdir(), 'writ-x509-'))
afterAll(() => {
  rmSync(folder, { recursive: true })
})

const path = (name: string) => join(folder, name)
const run = (command: string, ...args: string[]) =>
  execFileSync(command, args, { cwd: folder, stdio: 'pipe' }).toString()
const has = (command: string, ...args: string[]) => spawnSync(command, args).status === 0

const PYTHON = '/usr/bin/python3'
const hasOpenssl = has('openssl', 'version')
const hasCerttool = has('certtool', '--version')
const hasPython = has(PYTHON, '-c', 'import cryptography')

// Other programs judge by the machine's clock.
const now = wholeSecond(instant(Date.now()))
const validity = { notBefore: instant(now - MINUTE), notAfter: after(now, HOUR) }
const long = { notBefore: instant(now - DAY), notAfter: after(now, 30 * DAY) }

/** Everything that a leaf of ours may carry. */
const attestation: Extension = {
  kind: 'writAttestation',
  critical: false,
  oid: ATTESTATION_OID,
  issuedAt: instant(now),
  keyClass: 'tpm',
  keyClassSource: 'attested',
  attestor: 'tpm',
  evidenceDigest: new Uint8Array(32).fill(7),
}
const LEAF_EXTENSIONS: readonly Extension[] = [
  altName(uri(LEAF_ID), dns('agent.example.org'), ip(127, 0, 0, 1)),
  { kind: 'crlDistributionPoints', critical: false, uris: ['http://status.example.org/crl/a/0.crl'] },
  {
    kind: 'authorityInfoAccess',
    critical: false,
    accesses: [
      { method: 'ocsp', uri: 'http://status.example.org/ocsp' },
      { method: 'caIssuers', uri: 'http://status.example.org/ca/a.cer' },
    ],
  },
  attestation,
]

interface Hierarchy {
  readonly root: TestAuthority
  readonly issuing: TestAuthority
  readonly leaf: Bytes
}

function hierarchyOf(algorithm: 'ES256' | 'ES384' | 'RS256'): Hierarchy {
  const name = altName(uri('spiffe://example.org'))
  const uncritical: Extension = { ...name, critical: false }
  const root = TestAuthority.root('Writ root', { template: long, extensions: [uncritical] }, newKeyPair(algorithm))
  const subject = encodeName({ organization: 'Écrit', commonName: 'Writ issuing', serialNumber: '1' })
  const issuing = root.authority('Writ issuing', {
    template: { ...long, subject },
    extensions: [basicConstraints(true, 0), uncritical],
  })
  const leaf = issuing.leafDer({ template: validity, extensions: LEAF_EXTENSIONS }, newKeyPair(algorithm).publicKey)
  return { root, issuing, leaf }
}

const HIERARCHIES = (['ES256', 'ES384', 'RS256'] as const).map(
  (algorithm) => [algorithm, hierarchyOf(algorithm)] as const,
)

function save(name: string, ...certificates: Bytes[]): string {
  writeFileSync(path(name), certificates.map((der) => toPem('CERTIFICATE', der)).join(''))
  return path(name)
}

describe.skipIf(!hasOpenssl)('openssl accepts what we write', () => {
  it.each(HIERARCHIES)('with %s, as strictly as it can', (algorithm, { root, issuing, leaf }) => {
    const anchors = save(`${algorithm}-root.pem`, root.certificate.der)
    const chain = save(`${algorithm}-issuing.pem`, issuing.certificate.der)
    const end = save(`${algorithm}-leaf.pem`, leaf)
    for (const purpose of ['sslclient', 'sslserver']) {
      const answer = run(
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
    const text = run('openssl', 'x509', '-noout', '-text', '-in', save('print.pem', HIERARCHIES[0]![1].leaf))
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
    const anchors = save('constrained.pem', root.certificate.der)
    const inside = save('inside.pem', root.leafDer({ template: validity }))
    const outside = save(
      'outside.pem',
      root.leafDer({ template: validity, extensions: [altName(uri('spiffe://example.com/a'))] }),
    )
    expect(run('openssl', 'verify', '-x509_strict', '-CAfile', anchors, inside)).toContain(': OK')
    expect(has('openssl', 'verify', '-x509_strict', '-CAfile', anchors, outside)).toBe(false)
  })

  it.each(['ES256', 'ES384', 'RS256'] as const)('and requests signed with %s', async (algorithm) => {
    writeFileSync(path('ours.csr'), await createCsr(newKeyPair(algorithm).signer, SpiffeId.parse(LEAF_ID)))
    const text = run('openssl', 'req', '-inform', 'DER', '-in', 'ours.csr', '-verify', '-noout', '-text')
    expect(text).toContain(`URI:${LEAF_ID}`)
  })
})

describe.skipIf(!hasOpenssl)('we accept what openssl writes', () => {
  it.each([
    ['P-256', ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-sha256']],
    ['P-384', ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384', '-sha384']],
    ['P-256 with SHA-512', ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-sha512']],
    ['RSA-2048', ['-newkey', 'rsa:2048', '-sha256']],
    ['RSA-3072 with SHA-384', ['-newkey', 'rsa:3072', '-sha384']],
  ])('requests for %s', (_, options) => {
    const names = ['-subj', '/C=DE/O=Example/CN=agent', '-addext', `subjectAltName=URI:${LEAF_ID},DNS:a.example.org`]
    run('openssl', 'req', '-new', '-nodes', '-keyout', 'theirs.key', '-out', 'theirs.csr', ...options, ...names)
    const request = parseCsr(readFileSync(path('theirs.csr'), 'utf8'))
    expect(request.requestedSpiffeId?.toString()).toBe(LEAF_ID)
  })

  it('and not its requests with RSA-1024, P-521, Ed25519, SHA-1 or RSA-PSS', () => {
    const codeFor = (...options: string[]) => {
      run('openssl', 'req', '-new', '-nodes', '-keyout', 'bad.key', '-out', 'bad.csr', '-subj', '/CN=a', ...options)
      try {
        parseCsr(readFileSync(path('bad.csr'), 'utf8'))
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
    run(
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
    run('openssl', 'req', '-new', ...ec, '-keyout', 'i.key', '-out', 'i.csr', '-subj', '/CN=Their issuing')
    writeFileSync(
      path('i.ext'),
      'basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid,issuer:always\nnameConstraints=critical,permitted;URI:example.org,permitted;IP:10.0.0.0/255.0.0.0,excluded;email:example.com\ncertificatePolicies=1.2.3.4\n',
    )
    run(
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
    run('openssl', 'req', '-new', ...ec, '-keyout', 'l.key', '-out', 'l.csr', '-subj', '/')
    writeFileSync(
      path('l.ext'),
      `subjectAltName=critical,URI:${LEAF_ID},IP:10.1.2.3\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\nbasicConstraints=critical,CA:FALSE\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\ncrlDistributionPoints=URI:http://a/b.crl\nauthorityInfoAccess=OCSP;URI:http://a/ocsp\n`,
    )
    run(
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
    const [root, issuing, leaf] = ['r.pem', 'i.pem', 'l.pem'].map((name) =>
      fromPem('CERTIFICATE', readFileSync(path(name), 'utf8')),
    )
    const anchors = [parseCertificate(root!)]
    const options = { at: instant(now + 5 * SECOND), purpose: 'clientAuth' } as const
    const svid = verifyX509Svid([leaf!, issuing!], () => anchors, options)
    expect(svid.spiffeId.toString()).toBe(LEAF_ID)
    expect(svid.certificate.extension('crlDistributionPoints')?.uris).toEqual(['http://a/b.crl'])
    expect(svid.path.issuer.extension('nameConstraints')?.permitted.length).toBe(2)
    expect(svid.path.issuer.extension('authorityKeyIdentifier')?.issuerAndSerial).toBeDefined()
  })
})

describe.skipIf(!hasCerttool)('GnuTLS accepts what we write', () => {
  it.each(HIERARCHIES)('with %s', (algorithm, { root, issuing, leaf }) => {
    const chain = save(`${algorithm}-chain.pem`, leaf, issuing.certificate.der, root.certificate.der)
    const anchors = save(`${algorithm}-anchor.pem`, root.certificate.der)
    const answer = run(
      'certtool',
      '--verify',
      '--verify-profile=medium',
      '--infile',
      chain,
      '--load-ca-certificate',
      anchors,
    )
    expect(answer).toContain('Chain verification output: Verified. The certificate is trusted.')
    expect(run('certtool', '--verify-chain', '--infile', chain)).toContain('Verified. The certificate is trusted.')
  })

  it('and our requests', async () => {
    const der = await createCsr(newKeyPair('ES256').signer, SpiffeId.parse(LEAF_ID))
    writeFileSync(path('gnutls.csr'), toPem('CERTIFICATE REQUEST', der))
    const text = run('certtool', '--crq-info', '--infile', 'gnutls.csr')
    expect(text).toContain(`URI: ${LEAF_ID}`)
    expect(text).toContain('Self signature: verified')
  })
})

describe.skipIf(!hasCerttool)('we accept what GnuTLS writes', () => {
  it('as a request', () => {
    writeFileSync(path('gnutls.template'), `cn = "agent"\nuri = "${LEAF_ID}"\nsigning_key\ntls_www_client\n`)
    run('certtool', '--generate-privkey', '--key-type', 'ecdsa', '--curve', 'secp256r1', '--outfile', 'gnutls.key')
    const text = run('certtool', '--generate-request', '--load-privkey', 'gnutls.key', '--template', 'gnutls.template')
    const pem = text.slice(text.indexOf('-----BEGIN'))
    expect(parseCsr(pem).requestedSpiffeId?.toString()).toBe(LEAF_ID)
  })
})

/** Reads a leaf and its issuer with python-cryptography and checks the signature by hand, which version 38 leaves to us. */
const PYTHON_READ = `
import sys
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
leaf, issuer = (x509.load_pem_x509_certificate(open(name, 'rb').read()) for name in sys.argv[1:3])
key = issuer.public_key()
if isinstance(key, rsa.RSAPublicKey):
    key.verify(leaf.signature, leaf.tbs_certificate_bytes, padding.PKCS1v15(), leaf.signature_hash_algorithm)
else:
    key.verify(leaf.signature, leaf.tbs_certificate_bytes, ec.ECDSA(leaf.signature_hash_algorithm))
san = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
print(san.critical, san.value.get_values_for_type(x509.UniformResourceIdentifier)[0])
print(sorted(extension.oid.dotted_string for extension in leaf.extensions))
print(leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
print(leaf.extensions.get_extension_for_class(x509.CRLDistributionPoints).value[0].full_name[0].value)
print(issuer.subject.rfc4514_string())
`

describe.skipIf(!hasPython)('python-cryptography', () => {
  it.each(HIERARCHIES)('reads what we write with %s', (algorithm, { issuing, leaf }) => {
    const files = [save(`${algorithm}-py-leaf.pem`, leaf), save(`${algorithm}-py-issuing.pem`, issuing.certificate.der)]
    const lines = run(PYTHON, '-c', PYTHON_READ, ...files)
      .trim()
      .split('\n')
    expect(lines[0]).toBe(`True ${LEAF_ID}`)
    expect(lines[1]).toContain(ATTESTATION_OID)
    expect(lines[2]).toBe('False')
    expect(lines[3]).toBe('http://status.example.org/crl/a/0.crl')
  })

  it('writes what we read', () => {
    const script = `
import sys, datetime
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
key = ec.generate_private_key(ec.SECP256R1())
name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, 'Python ünïcode')])
now = datetime.datetime.utcnow()
builder = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
  .serial_number(x509.random_serial_number()).not_valid_before(now).not_valid_after(datetime.datetime(2055, 1, 1))
  .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
  .add_extension(x509.NameConstraints([x509.DNSName('example.org')], None), True))
sys.stdout.buffer.write(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER))
`
    const certificate = parseCertificate(new Uint8Array(execFileSync(PYTHON, ['-c', script])))
    expect(certificate.isAuthority).toBe(true)
    expect(new Date(certificate.notAfter).getUTCFullYear()).toBe(2055)
    expect(certificate.extension('nameConstraints')?.permitted).toEqual([dns('example.org')])
  })
})

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
