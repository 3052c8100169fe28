import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fromHex } from '#kernel/bytes.ts'
import { ATTESTATION_OID, parseCertificate } from '#x509/index.ts'
import { requireProgram, Workbench } from '../../support/workbench.ts'
import { dns, LEAF_ID } from '../../support/x509.ts'
import { HIERARCHIES } from './hierarchy.ts'

const PYTHON = '/usr/bin/python3'
const bench = new Workbench()
beforeAll(() => {
  requireProgram('python3-cryptography', PYTHON, '-c', 'import cryptography')
})
afterAll(() => {
  bench.remove()
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

describe('python-cryptography', () => {
  it.each(HIERARCHIES)('reads what we write with %s', (algorithm, { issuing, leaf }) => {
    const files = [
      bench.writeCertificates(`${algorithm}-py-leaf.pem`, leaf),
      bench.writeCertificates(`${algorithm}-py-issuing.pem`, issuing.certificate.der),
    ]
    const lines = bench
      .run(PYTHON, '-c', PYTHON_READ, ...files)
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
print(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER).hex())
`
    const certificate = parseCertificate(fromHex(bench.run(PYTHON, '-c', script).trim()))
    expect(certificate.isAuthority).toBe(true)
    expect(new Date(certificate.notAfter).getUTCFullYear()).toBe(2055)
    expect(certificate.extension('nameConstraints')?.permitted).toEqual([dns('example.org')])
  })
})
