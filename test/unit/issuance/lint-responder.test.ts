import { describe, expect, it } from 'vitest'
import { PROFILES } from '#issuance/index.ts'
import type { Expected } from '#issuance/lint/rule.ts'
import { after, DAY, HOUR, SECOND } from '#kernel/instant.ts'
import { encodeName, PURPOSE, type Extension, type TbsTemplate } from '#x509/index.ts'
import { toHex } from '#kernel/bytes.ts'
import { broken, ISSUER, keyIdentifierOf, leaf, LEAF, SERIAL, STATUS, SUBJECT, URI } from '../../support/lint.ts'
import { X509_NOW as NOW } from '../../support/x509.ts'

const EXPECTED: Expected = {
  ...LEAF,
  profile: PROFILES.ocsp,
  spiffeId: null,
  dnsNames: [],
  attestation: null,
  status: null,
}

const EXTENSIONS: readonly Extension[] = [
  { kind: 'basicConstraints', critical: true, ca: false, pathLength: undefined },
  { kind: 'keyUsage', critical: true, usages: ['digitalSignature'] },
  { kind: 'extKeyUsage', critical: false, purposes: [PURPOSE.ocspSigning] },
  keyIdentifierOf(ISSUER.publicKey.keyIdentifier),
  { kind: 'subjectKeyIdentifier', critical: false, keyIdentifier: SUBJECT.publicKey.keyIdentifier },
  { kind: 'ocspNoCheck', critical: false },
]

function responder(extensions: readonly Extension[] = EXTENSIONS, changes: Partial<TbsTemplate> = {}): TbsTemplate {
  const subject = encodeName({ commonName: 'OCSP example.org', serialNumber: toHex(SERIAL) })
  return leaf({ subject, extensions, ...changes })
}

const changed = (kind: Extension['kind'], replacement: Partial<Extension> | null): TbsTemplate =>
  responder(
    EXTENSIONS.flatMap((extension) => {
      if (extension.kind !== kind) return [extension]
      return replacement === null ? [] : [{ ...extension, ...replacement } as Extension]
    }),
  )
const added = (extension: Extension): TbsTemplate => responder([...EXTENSIONS, extension])

const FAULTS: readonly (readonly [rule: string, fault: string, template: TbsTemplate])[] = [
  [
    'extended-key-usage',
    'O4 may be a server as well',
    changed('extKeyUsage', { purposes: [PURPOSE.serverAuth, PURPOSE.ocspSigning] }),
  ],
  ['extended-key-usage', 'O4 is for nothing in particular', changed('extKeyUsage', null)],
  ['extended-key-usage', 'O4 is for anything', changed('extKeyUsage', { purposes: [PURPOSE.any] })],
  ['key-usage', 'O4 may sign certificates', changed('keyUsage', { usages: ['digitalSignature', 'keyCertSign'] })],
  ['authority-key-identifier', 'O4 names no key of its issuer', changed('authorityKeyIdentifier', null)],
  [
    'alternative-names',
    'O4 has an alternative name',
    added({ kind: 'subjectAltName', critical: false, names: [{ type: 'uri', value: URI }] }),
  ],
  ['status', 'O4 points to a CRL', added({ kind: 'crlDistributionPoints', critical: false, uris: [STATUS.crl] })],
  [
    'name-constraints',
    'O4 constrains names',
    added({
      kind: 'nameConstraints',
      critical: true,
      permitted: [{ type: 'uri', value: 'example.org' }],
      excluded: [],
    }),
  ],
  ['ocsp-no-check', 'O5 does not say that nobody need ask for its status', changed('ocspNoCheck', null)],
  ['ocsp-no-check', 'O5 says so as something critical', changed('ocspNoCheck', { critical: true })],
  ['validity', 'O5 lives longer than a week', responder(EXTENSIONS, { notAfter: after(NOW, 7 * DAY + SECOND) })],
  ['subject', 'has no name of its own', responder(EXTENSIONS, { subject: encodeName({ commonName: 'OCSP' }) })],
]

describe('the lint rules of an OCSP responder', () => {
  it('O4 O5 find no fault with what is right, also when it lives for days', () => {
    const issuer = { ...EXPECTED.issuer, notAfter: after(NOW, 30 * DAY) }
    expect(broken(responder(), EXPECTED)).toEqual([])
    expect(broken(responder(EXTENSIONS, { notAfter: after(NOW, 3 * DAY) }), { ...EXPECTED, issuer })).toEqual([])
  })

  it.each(FAULTS.map(([rule, fault, template]) => ({ rule, fault, template })))(
    '$rule: $fault',
    ({ rule, template }) => {
      const issuer = { ...EXPECTED.issuer, notAfter: after(NOW, 30 * DAY) }
      expect(broken(template, { ...EXPECTED, issuer })).toContain(rule)
    },
  )

  it('a leaf of an agent is none', () => {
    expect(broken(leaf({ notAfter: after(NOW, HOUR) }), EXPECTED)).toEqual(
      expect.arrayContaining(['subject', 'extended-key-usage', 'alternative-names', 'ocsp-no-check', 'status']),
    )
  })
})
