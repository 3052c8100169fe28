import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Bytes } from '#kernel/bytes.ts'
import { after, DAY } from '#kernel/instant.ts'
import {
  createCrl,
  CrlEntry,
  fromPem,
  parseCertificate,
  parseCrl,
  toPem,
  verifyCrl,
  type CrlScope,
  type Extension,
} from '#x509/index.ts'
import { requireProgram, Workbench } from '../../support/workbench.ts'
import { altName, newKeyPair, TestAuthority, uri } from '../../support/x509.ts'
import { long, now, validity } from './hierarchy.ts'

const bench = new Workbench()
beforeAll(() => {
  requireProgram('openssl', 'openssl', 'version')
  requireProgram('gnutls-bin', 'certtool', '--version')
})
afterAll(() => {
  bench.remove()
})

const AUTHORITIES = 'http://status.example.org/crl/root.crl'
const SHARD = 'http://status.example.org/crl/issuing/0.crl'

const points = (at: string): Extension => ({ kind: 'crlDistributionPoints', critical: false, uris: [at] })

function crlOf(issuer: TestAuthority, entries: readonly CrlEntry[], scope?: CrlScope): Promise<Bytes> {
  const template = {
    signatureAlgorithm: issuer.key.algorithm,
    issuer: issuer.certificate.subject,
    thisUpdate: now,
    nextUpdate: after(now, 7 * DAY),
    entries,
    authorityKeyIdentifier: issuer.certificate.publicKey.keyIdentifier,
    number: 256n,
    scope,
  }
  return createCrl(template, issuer.key.signer)
}

describe.each(['ES256', 'ES384', 'RS256'] as const)('a CRL of ours, signed with %s,', (algorithm) => {
  const root = TestAuthority.root('Writ root', { template: long }, newKeyPair(algorithm))
  const issuing = root.authority(
    'Writ issuing',
    { template: long, extensions: [points(AUTHORITIES)] },
    newKeyPair(algorithm),
  )
  const leafOf = (name: string) =>
    issuing.leafDer({
      template: validity,
      extensions: [altName(uri(`spiffe://example.org/agent/${name}/i-1`)), points(SHARD)],
    })
  const good = leafOf('good')
  const bad = leafOf('bad')

  async function written(name: string, der: Promise<Bytes>): Promise<string> {
    bench.write(name, toPem('X509 CRL', await der))
    return name
  }

  // The root's CRL is of everything: openssl looks for the root itself, which has no distribution point, on it, too.
  async function verify(leaf: Bytes): Promise<string> {
    const revoked = CrlEntry.of({ serial: parseCertificate(bad).serial, revokedAt: now, reason: 'keyCompromise' })
    const ofRoot = await written('root.crl', crlOf(root, []))
    const ofIssuing = await written('0.crl', crlOf(issuing, [revoked], { distributionPoint: SHARD, only: undefined }))
    const anchors = bench.writeCertificates('root.pem', root.certificate.der)
    const chain = bench.writeCertificates('issuing.pem', issuing.certificate.der)
    const end = bench.writeCertificates('leaf.pem', leaf)
    const flags = ['-x509_strict', '-crl_check_all', '-extended_crl', '-CRLfile', ofRoot, '-CRLfile', ofIssuing]
    return bench.answer('openssl', 'verify', ...flags, '-CAfile', anchors, '-untrusted', chain, end)
  }

  it('lets openssl tell a good certificate from a revoked one', async () => {
    expect(await verify(good)).toContain('leaf.pem: OK')
    expect(await verify(bad)).toContain('certificate revoked')
  })

  it('is signed by its issuer to openssl and to GnuTLS', async () => {
    const revoked = CrlEntry.of({ serial: new Uint8Array([0, 0xff]), revokedAt: now, reason: 'superseded' })
    await written('whole.crl', crlOf(root, [revoked]))
    bench.writeCertificates('root.pem', root.certificate.der)
    expect(bench.answer('openssl', 'crl', '-in', 'whole.crl', '-CAfile', 'root.pem', '-noout')).toContain('verify OK')
    const text = bench.run('openssl', 'crl', '-in', 'whole.crl', '-noout', '-text')
    for (const part of [
      'Version 2 (0x1)',
      'Serial Number: FF',
      'Superseded',
      'X509v3 CRL Number: \n                256',
    ]) {
      expect(text).toContain(part)
    }
    const gnutls = bench.answer(
      'certtool',
      '--verify-crl',
      '--load-ca-certificate',
      'root.pem',
      '--infile',
      'whole.crl',
    )
    expect(gnutls).toContain('Verified.')
  })

  it('with nothing in it is as good', async () => {
    await written('empty.crl', crlOf(root, []))
    bench.writeCertificates('root.pem', root.certificate.der)
    expect(bench.run('openssl', 'crl', '-in', 'empty.crl', '-noout', '-text')).toContain('No Revoked Certificates.')
    const gnutls = bench.answer(
      'certtool',
      '--verify-crl',
      '--load-ca-certificate',
      'root.pem',
      '--infile',
      'empty.crl',
    )
    expect(gnutls).toContain('Verified.')
  })
})

describe('a CRL that openssl writes', () => {
  it('is read, and belongs to its issuer', () => {
    bench.write('ca.cnf', CONFIGURATION)
    bench.write('index.txt', '')
    bench.write('number', '01')
    bench.run(
      'openssl',
      'req',
      '-x509',
      '-config',
      'ca.cnf',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      'ca.key',
      '-out',
      'ca.pem',
      '-days',
      '30',
    )
    bench.run(
      'openssl',
      'req',
      '-config',
      'ca.cnf',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      'leaf.key',
      '-out',
      'leaf.csr',
      '-subj',
      '/CN=leaf',
    )
    bench.run('openssl', 'ca', '-config', 'ca.cnf', '-batch', '-in', 'leaf.csr', '-out', 'leaf.pem', '-notext')
    bench.run('openssl', 'ca', '-config', 'ca.cnf', '-revoke', 'leaf.pem', '-crl_reason', 'cessationOfOperation')
    bench.run('openssl', 'ca', '-config', 'ca.cnf', '-gencrl', '-out', 'theirs.crl')
    const crl = parseCrl(fromPem('X509 CRL', bench.read('theirs.crl')))
    verifyCrl(crl, parseCertificate(fromPem('CERTIFICATE', bench.read('ca.pem'))))
    const { serial } = parseCertificate(fromPem('CERTIFICATE', bench.read('leaf.pem')))
    expect(crl.find(serial)?.reason).toBe('cessationOfOperation')
    expect(crl.number).toBe(1n)
  })
})

const CONFIGURATION = `
[req]
distinguished_name = name
x509_extensions = authority
prompt = no
[name]
CN = Their CA
[ca]
default_ca = this
[authority]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[this]
database = index.txt
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
rand_serial = yes
default_md = sha256
default_days = 1
x509_extensions = leaf
default_crl_days = 7
crlnumber = number
policy = any
crl_extensions = crl
[leaf]
basicConstraints = CA:false
[any]
commonName = supplied
[crl]
authorityKeyIdentifier = keyid
`
