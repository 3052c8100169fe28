import { afterAll, expect, it } from 'vitest'
import { requireProgram, Workbench } from '../../support/workbench.ts'
import type { CertificateSet } from '../../support/issued.ts'
import { judgedBy, type Names } from './judge.ts'

const PYTHON = '/usr/bin/python3'
const bench = new Workbench()
afterAll(() => {
  bench.remove()
})

/**
 * Version 38 has no path verifier, so the links are checked one by one with its API: names, signature, times, and that
 * whoever signed is an authority. Every extension is parsed.
 */
const SCRIPT = `
import datetime, json, sys
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

def load(name):
    parts = open(name, 'rb').read().split(b'-----END CERTIFICATE-----')
    return [x509.load_pem_x509_certificate(part + b'-----END CERTIFICATE-----') for part in parts[:-1]]

def signed(certificate, issuer):
    key = issuer.public_key()
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(certificate.signature, certificate.tbs_certificate_bytes, padding.PKCS1v15(), certificate.signature_hash_algorithm)
        else:
            key.verify(certificate.signature, certificate.tbs_certificate_bytes, ec.ECDSA(certificate.signature_hash_algorithm))
        return True
    except InvalidSignature:
        return False

def links(certificate, issuer):
    usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
    basic = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
    return certificate.issuer == issuer.subject and signed(certificate, issuer) and usage.key_cert_sign and basic.ca

now = datetime.datetime.utcnow()
anchors, sent = load(sys.argv[1]), load(sys.argv[2])
valid = all(one.not_valid_before <= now <= one.not_valid_after for one in anchors + sent)
chained = all(links(one, above) for one, above in zip(sent, sent[1:]))
trusted = any(links(sent[-1], anchor) for anchor in anchors)
parsed = [[extension.oid.dotted_string for extension in one.extensions] for one in sent]
names = sent[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
print(json.dumps({
    'accepted': valid and chained and trusted and all(len(set(oids)) == len(oids) for oids in parsed),
    'uris': names.get_values_for_type(x509.UniformResourceIdentifier),
    'dns': names.get_values_for_type(x509.DNSName),
}))
`

interface Verdict extends Names {
  readonly accepted: boolean
}

const verdicts = new WeakMap<CertificateSet, Verdict>()

function verdictOn(set: CertificateSet): Verdict {
  const verdict = verdicts.get(set) ?? judge(set)
  verdicts.set(set, verdict)
  return verdict
}

function judge({ certificate, chain, anchors }: CertificateSet): Verdict {
  const trusted = bench.writeCertificates('anchors.pem', ...anchors)
  const sent = bench.writeCertificates('sent.pem', certificate, ...chain)
  return JSON.parse(bench.run(PYTHON, '-c', SCRIPT, trusted, sent)) as Verdict
}

judgedBy({
  name: 'python-cryptography',
  present: () => {
    requireProgram('python3-cryptography', PYTHON, '-c', 'import cryptography')
  },
  accepts: (set) => verdictOn(set).accepted,
  names: (set) => {
    const { uris, dns } = verdictOn(set)
    return { uris, dns }
  },
})

it('python-cryptography is the one of Debian, which has no verifier of paths', () => {
  const version = bench.run(PYTHON, '-c', 'import cryptography; print(cryptography.__version__)')
  expect(Number.parseInt(version, 10)).toBeGreaterThanOrEqual(38)
})
